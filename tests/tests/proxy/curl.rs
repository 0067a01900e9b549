//! The curl commands of a text, as a shell would read them: so that what people are told to type is what is tested.

use bytes::Bytes;
use http::{Method, Request};
use http_body_util::Full;
use serde_json::Value;

use crate::support::{Answer, Proxy};

/// What takes the place of `$TEXT`: a line, as often as wanted, joined as the command above it does.
pub(crate) fn long_text(lines: usize) -> String {
    "What is the meaning of 42? ".repeat(lines)
}

/// A command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Curl {
    path: String,
    headers: Vec<(String, String)>,
    /// Empty for GET.
    pub(crate) body: String,
}

/// The commands in the comments of a configuration, which stand there three places in; `$TEXT` has as many lines as they say.
pub(crate) fn told_by(yaml: &str) -> Vec<Curl> {
    let lines = yaml
        .split_once("head -n ")
        .and_then(|(_, rest)| rest.split_once(' '));
    told_with(yaml, lines.map_or(0, |(lines, _)| lines.parse().unwrap()))
}

/// The same with a text of so many lines.
pub(crate) fn told_with(yaml: &str, lines: usize) -> Vec<Curl> {
    let comments = yaml.lines().filter_map(|line| line.strip_prefix('#'));
    let comments = comments.map(|line| line.strip_prefix("   ").unwrap_or(line));
    let page: String = comments.flat_map(|line| [line, "\n"]).collect();
    commands(&page, &long_text(lines))
}

/// The commands of a text, in order. `$TEXT` stands for `text`.
pub(crate) fn commands(page: &str, text: &str) -> Vec<Curl> {
    let mut rest = page;
    let mut found = Vec::new();
    while let Some(start) = rest.find("curl ") {
        let at_line = rest[..start].rsplit('\n').next().unwrap().trim().is_empty();
        rest = &rest[start + "curl ".len()..];
        if at_line {
            let (words, after) = words(rest, text);
            rest = after;
            found.push(Curl::new(words));
        }
    }
    found
}

/// The words of a command, and what follows it.
fn words<'a>(command: &'a str, text: &str) -> (Vec<String>, &'a str) {
    let (mut words, mut word) = (Vec::new(), None::<String>);
    let mut quote = None;
    let mut rest = command;
    while let Some(next) = rest.chars().next() {
        if let Some(after) = rest.strip_prefix("$TEXT")
            && quote != Some('\'')
        {
            word.get_or_insert_default().push_str(text);
            rest = after;
            continue;
        }
        if let Some(after) = rest.strip_prefix("\\\n") {
            rest = after;
            continue;
        }
        match (quote, next) {
            (Some(open), _) if open == next => quote = None,
            (None, '\'' | '"') => {
                quote = Some(next);
                word.get_or_insert_default();
            }
            (None, '\n' | '|') => break,
            (None, ' ') => words.extend(word.take()),
            _ => word.get_or_insert_default().push(next),
        }
        rest = &rest[next.len_utf8()..];
    }
    assert_eq!(quote, None, "a quote stays open in {command}");
    words.extend(word);
    (words, rest)
}

// === impl Curl ===

impl Curl {
    fn new(words: Vec<String>) -> Self {
        let mut curl = Self {
            path: String::new(),
            headers: Vec::new(),
            body: String::new(),
        };
        let mut words = words.into_iter();
        while let Some(word) = words.next() {
            match &*word {
                "-i" | "-iN" | "-si" | "--location" => {}
                "-H" | "--header" => {
                    let header = words.next().unwrap();
                    let (name, value) = header.split_once(':').unwrap();
                    curl.headers
                        .push((name.to_owned(), value.trim().to_owned()));
                }
                "-d" | "--data" | "--data-raw" => {
                    curl.body = words.next().unwrap();
                    // Linux takes no longer argument.
                    assert!(curl.body.len() < 128 * 1024, "{} bytes", curl.body.len());
                }
                url => {
                    let (_, path) = url.split_once("//").expect("an address");
                    let (host, path) = path.split_once('/').unwrap();
                    assert!(host.ends_with(":4000"), "{url}");
                    curl.path = format!("/{path}");
                }
            }
        }
        curl
    }

    /// The same as a stream.
    pub(crate) fn streamed(&self) -> Self {
        let mut body: Value = serde_json::from_str(&self.body).unwrap();
        body["stream"] = true.into();
        Self {
            body: body.to_string(),
            ..self.clone()
        }
    }

    pub(crate) fn request(&self, proxy: &Proxy) -> Request<Full<Bytes>> {
        let method = match &*self.body {
            "" => Method::GET,
            _ => Method::POST,
        };
        let mut request = proxy.request(method, &self.path, self.body.clone());
        for (name, value) in &self.headers {
            let name: http::HeaderName = name.parse().unwrap();
            request.headers_mut().insert(name, value.parse().unwrap());
        }
        request
    }

    pub(crate) async fn call(&self, proxy: &Proxy) -> Answer {
        proxy.call(self.request(proxy)).await
    }
}

#[test]
fn commands_are_read_as_a_shell_reads_them() {
    let page = "Say curl to it:\n  curl -i http://localhost:4000/a \\\n  -H 'x: y z' -d '{\"t\": \"'\"$TEXT\"'\",\n\"n\": 1}'\n\
        curl http://0.0.0.0:4000/b | head\nno curl here";
    let [first, second] = &commands(page, "long")[..] else {
        panic!("two commands")
    };
    assert_eq!(first.path, "/a");
    assert_eq!(first.headers, [("x".to_owned(), "y z".to_owned())]);
    assert_eq!(first.body, "{\"t\": \"long\",\n\"n\": 1}");
    assert_eq!((&*second.path, &*second.body), ("/b", ""));
}
