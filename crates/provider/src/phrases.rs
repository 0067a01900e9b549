//! What the messages of errors say, where no code says it; for dialects.
//!
//! A message may quote the request, so that only phrases of servers' own count: outside of quotes, and for content policies
//! whole sentences.

use ziggurat_core::FailureKind;

/// Known parts of messages about prompts that do not fit.
const CONTEXT: &[&str] = &[
    "maximum context length is",
    "model's maximum context limit",
    "exceed context limit",
    "longer than the model's context length",
    "input tokens exceed the configured limit",
    "inputs tokens + max_new_tokens must be",
    "inputs must have less than",
    "exceeds the available context size",
    "exceeds the maximum number of tokens allowed",
    "string too long. expected a string with maximum length",
    "length limit exceeded",
    "too many total text bytes",
];

/// The same, in two parts.
const CONTEXT_PAIRS: &[(&str, &str)] = &[
    ("current length is", "while limit is"),
    ("maximum input length is", "tokens"),
    (
        "number of input tokens",
        "cannot exceed the total tokens limit",
    ),
];

/// Known beginnings of sentences about harmful prompts and answers.
const POLICY: &[&str] = &[
    "the response was filtered due to the prompt triggering azure openai's content management",
    "your request was rejected as a result of our safety system",
    "your request was rejected as a result of the safety system",
    "request was rejected as a result of the safety system",
    "your task failed as a result of our safety system",
    "the model produced invalid content",
    "invalid prompt: your prompt was flagged as potentially violating our usage policy",
];

const RATE_LIMIT: &[&str] = &[
    "rate limit reached",
    "rate limit exceeded",
    "rate limited",
    "exceeded the rate limit",
    "service tier capacity exceeded",
];

const OUT_OF_TOKENS: &str =
    "could not finish the message because max_tokens or model output limit was reached";

/// Identifiers that the phrases themselves quote; they stand there without the quotes.
const QUOTED: &[&str] = &["inputs", "max_new_tokens"];

/// Refines a request that was refused.
#[must_use]
pub fn refused(message: &str) -> Option<FailureKind> {
    let message = message.to_lowercase();
    let own = unquoted(&message);
    let has = |phrase: &&str| own.contains(phrase);
    let both = |(one, other): &(&str, &str)| own.contains(one) && own.contains(other);
    let over_long_field = message.contains("string_above_max_length")
        || (message.contains("invalid 'user'") && own.contains("string too long"));
    if !over_long_field && (CONTEXT.iter().any(has) || CONTEXT_PAIRS.iter().any(both)) {
        return Some(FailureKind::ContextWindow);
    }
    let policy = POLICY.iter().any(|sentence| has_sentence(&own, sentence));
    policy.then_some(FailureKind::ContentPolicy)
}

/// Says whether a message has a sentence that begins in one of these ways, in lower case.
#[must_use]
pub fn begins(message: &str, beginnings: &[&str]) -> bool {
    let own = unquoted(&message.to_lowercase());
    beginnings
        .iter()
        .any(|beginning| has_sentence(&own, beginning))
}

/// Says whether an error of unknown status is about a rate limit.
#[must_use]
pub fn is_rate_limit(message: &str) -> bool {
    let own = unquoted(&message.to_lowercase());
    RATE_LIMIT.iter().any(|phrase| own.contains(phrase))
}

/// Says whether a model used up its tokens before it said anything.
#[must_use]
pub fn is_out_of_tokens(message: &str) -> bool {
    unquoted(&message.to_lowercase()).contains(OUT_OF_TOKENS)
}

/// Whether a sentence begins so.
fn has_sentence(text: &str, beginning: &str) -> bool {
    text.match_indices(beginning).any(|(at, _)| {
        let before = text[..at].trim_end();
        before.is_empty() || before.ends_with(['.', ':', '!', '>'])
    })
}

/// Leaves out what is quoted. Quotes that do not match leave nothing that can be relied on after the first of them.
fn unquoted(text: &str) -> String {
    let mut own = String::with_capacity(text.len());
    let mut reliable = None;
    let mut rest = text;
    while let Some((at, close)) = opening(rest) {
        own.push_str(&rest[..at]);
        let certain = *reliable.get_or_insert(own.len());
        let quote = rest[at..].chars().next().map_or(0, char::len_utf8);
        let inside = &rest[at + quote..];
        let Some(end) = closing(inside, close) else {
            own.truncate(certain);
            return own;
        };
        own.extend(QUOTED.iter().find(|name| **name == &inside[..end]).copied());
        rest = &inside[end + close.len_utf8()..];
    }
    own.push_str(rest);
    if let Some(certain) = reliable
        && has_stray_quote(&own[certain..])
    {
        own.truncate(certain);
    }
    own
}

/// Finds where a quote begins, and what closes it. An apostrophe inside a word begins none.
fn opening(text: &str) -> Option<(usize, char)> {
    let mut before = None;
    for (at, quote) in text.char_indices() {
        let in_word = before.is_some_and(char::is_alphanumeric);
        match quote {
            '`' => return Some((at, '`')),
            '“' => return Some((at, '”')),
            '‘' => return Some((at, '’')),
            '\'' | '"' if !in_word => return Some((at, quote)),
            _ => before = Some(quote),
        }
    }
    None
}

fn closing(inside: &str, close: char) -> Option<usize> {
    let mut closes = inside.match_indices(close).map(|(at, _)| at);
    closes.find(|&at| {
        let ends_word = || !inside[at + close.len_utf8()..].starts_with(char::is_alphanumeric);
        !inside[..at].ends_with('\\') && (close == '`' || ends_word())
    })
}

/// Whether a quote is closed that was not opened.
fn has_stray_quote(own: &str) -> bool {
    own.contains('"') || closing(own, '\'').is_some() || own.contains('”')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_are_left_out() {
        let cases = [
            ("the model's limit", "the model's limit"),
            ("invalid 'a': b", "invalid : b"),
            ("invalid 'the model's x': b", "invalid : b"),
            (r#"got "a \" b" here"#, "got  here"),
            ("“a” and ‘b’s’ c", " and  c"),
            ("`inputs` tokens, `x`", "inputs tokens, "),
            ("never 'closed", "never "),
            ("closed 'a' too often' b", "closed "),
            ("'a' of the model's", " of the model's"),
        ];
        for (text, own) in cases {
            assert_eq!(unquoted(text), own, "{text}");
        }
    }

    #[test]
    fn sentences_begin_sentences() {
        assert!(begins("Oops: Prompt is too long", &["prompt is too long"]));
        assert!(!begins(
            "unexpected `prompt is too long`",
            &["prompt is too long"]
        ));
        assert!(has_sentence("a b", "a b"));
        assert!(has_sentence("oops. a b", "a b"));
        assert!(!has_sentence("not a b", "a b"));
    }
}
