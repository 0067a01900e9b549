//! A prompt made of messages, for models that are not asked by chat.

use ziggurat_core::Failure;
use ziggurat_provider::params::refusal;

use crate::messages::{self, Message, Text};

/// How a family of models writes down who speaks.
struct Style {
    start: &'static str,
    system: [&'static str; 2],
    user: [&'static str; 2],
    assistant: [&'static str; 2],
    /// What the model goes on from.
    turn: &'static str,
}

/// `ibm/granite-13b-chat` and the like.
const GRANITE: Style = Style {
    start: "",
    system: ["<|system|>\n", "\n"],
    user: ["<|user|>\n", "\n"],
    assistant: ["<|assistant|>\n", "\n"],
    turn: "<|assistant|>\n",
};
/// `ibm/granite-3-…`, `ibm/granite-4-…`.
const GRANITE_3: Style = Style {
    start: "",
    system: [
        "<|start_of_role|>system<|end_of_role|>",
        "<|end_of_text|>\n",
    ],
    user: ["<|start_of_role|>user<|end_of_role|>", "<|end_of_text|>\n"],
    assistant: [
        "<|start_of_role|>assistant<|end_of_role|>",
        "<|end_of_text|>\n",
    ],
    turn: "<|start_of_role|>assistant<|end_of_role|>",
};
/// `meta-llama/llama-3-…`.
const LLAMA_3: Style = Style {
    start: "<|begin_of_text|>",
    system: [
        "<|start_header_id|>system<|end_header_id|>\n\n",
        "<|eot_id|>",
    ],
    user: ["<|start_header_id|>user<|end_header_id|>\n\n", "<|eot_id|>"],
    assistant: [
        "<|start_header_id|>assistant<|end_header_id|>\n\n",
        "<|eot_id|>",
    ],
    turn: "<|start_header_id|>assistant<|end_header_id|>\n\n",
};
/// `mistralai/…`, `meta-llama/llama-2-…`: instructions.
const INSTRUCT: Style = Style {
    start: "<s>",
    system: ["[INST] ", " [/INST]\n"],
    user: ["[INST] ", " [/INST]\n"],
    assistant: ["", "</s>"],
    turn: "",
};
/// Whatever is not known.
const PLAIN: Style = Style {
    start: "",
    system: ["", "\n\n"],
    user: ["User: ", "\n"],
    assistant: ["Assistant: ", "\n"],
    turn: "Assistant:",
};

impl Style {
    fn of(model: &str) -> &'static Self {
        let name = model.rsplit('/').next().unwrap_or(model);
        let is = |prefix: &str| name.starts_with(prefix);
        if is("granite-3") || is("granite-4") {
            &GRANITE_3
        } else if is("granite") {
            &GRANITE
        } else if is("llama-3") {
            &LLAMA_3
        } else if is("mistral") || is("mixtral") || is("llama-2") {
            &INSTRUCT
        } else {
            &PLAIN
        }
    }
}

/// Writes messages down for a model.
///
/// # Errors
///
/// [`BadRequest`](ziggurat_core::FailureKind::BadRequest) that names what is no text.
pub(crate) fn render(messages: &[u8], model: &str) -> Result<String, Failure> {
    let style = Style::of(model);
    let mut prompt = style.start.to_owned();
    for (at, message) in messages::read(messages)?.iter().enumerate() {
        let path = format!("messages[{at}]");
        let [before, after] = match &*message.role.0 {
            "system" | "developer" => style.system,
            "assistant" => style.assistant,
            "user" => style.user,
            _ => {
                let path = format!("{path}.role");
                let message = format!("{path}: text generation has no tools, and no other roles");
                return Err(refusal(&path, message));
            }
        };
        if message.tool_calls.is_some() {
            let path = format!("{path}.tool_calls");
            let message = format!("{path}: text generation has no tools");
            return Err(refusal(&path, message));
        }
        prompt.push_str(before);
        text(message, &path, &mut prompt)?;
        prompt.push_str(after);
    }
    prompt.push_str(style.turn);
    Ok(prompt)
}

fn text(message: &Message<'_>, path: &str, prompt: &mut String) -> Result<(), Failure> {
    let pieces = messages::pieces(message, path)?;
    for (at, piece) in pieces.iter().enumerate() {
        let kind = piece.kind.as_ref().map_or("text", |kind| &kind.0);
        let is_text = matches!(kind, "text" | "refusal");
        let text = piece.refusal.as_ref().or(piece.text.as_ref());
        let text = text.filter(|_| is_text).ok_or_else(|| {
            let path = format!("{path}.content[{at}]");
            let message = format!("{path}: text generation takes nothing but texts");
            refusal(&path, message)
        })?;
        prompt.push_str(&text.0);
    }
    if let Some(text) = message.content.filter(|_| pieces.is_empty())
        && let Ok(text) = serde_json::from_str::<Text<'_>>(text.get())
    {
        prompt.push_str(&text.0);
    }
    if let Some(refusal) = &message.refusal {
        prompt.push_str(&refusal.0);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_family_has_its_words() {
        let messages =
            br#"[{"role":"system","content":"a"},{"role":"user","content":[{"text":"b"}]},
            {"role":"assistant","content":null,"refusal":"c"},{"role":"user","content":"d"}]"#;
        let cases = [
            (
                "ibm/granite-13b-chat-v2",
                "<|system|>\na\n<|user|>\nb\n<|assistant|>\nc\n<|user|>\nd\n<|assistant|>\n",
            ),
            (
                "mistralai/mixtral-8x7b",
                "<s>[INST] a [/INST]\n[INST] b [/INST]\nc</s>[INST] d [/INST]\n",
            ),
            ("other", "a\n\nUser: b\nAssistant: c\nUser: d\nAssistant:"),
        ];
        for (model, prompt) in cases {
            assert_eq!(render(messages, model).ok().as_deref(), Some(prompt));
        }
        let llama = render(messages, "meta-llama/llama-3-3-70b-instruct").unwrap_or_default();
        assert!(llama.starts_with("<|begin_of_text|><|start_header_id|>system<|end_header_id|>"));
        let image = br#"[{"role":"user","content":[{"type":"image_url","image_url":{}}]}]"#;
        let failure = render(image, "other").unwrap_err();
        assert_eq!(failure.param(), Some("messages[0].content[0]"));
    }
}
