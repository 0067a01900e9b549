//! Making Google's request of OpenAI's.

mod calls;
mod config;
mod content;
mod media;
mod messages;
mod node;
mod object;
mod parts;
mod schema;
mod thinking;
mod tools;

use bytes::Bytes;
use ziggurat_core::Failure;
use ziggurat_provider::{
    Call,
    params::{self, refusal},
    usage,
};

pub(crate) use self::messages::SIGNATURE;
use self::{config::Config, object::Object, tools::Tools};
use crate::{names::Names, template::Template};

/// What a request asked for, as far as the answer shows it.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) stream: bool,
    /// The chunk that tells the usage: with about so many tokens of the prompt, if the upstream does not tell.
    pub(crate) usage: Option<u64>,
    /// So many choices.
    pub(crate) choices: u32,
    /// Tools that Google runs itself: a finish reason may come before one does.
    pub(crate) own_tools: bool,
    /// The functions that were sent under other names.
    pub(crate) names: Names,
}

/// Google's own members at the top of a request, in either spelling.
const NATIVE: [(&str, &str); 9] = [
    ("safetySettings", "safetySettings"),
    ("safety_settings", "safetySettings"),
    ("cachedContent", "cachedContent"),
    ("cached_content", "cachedContent"),
    ("labels", "labels"),
    ("toolConfig", "toolConfig"),
    ("tool_config", "toolConfig"),
    ("modelArmorConfig", "modelArmorConfig"),
    ("model_armor_config", "modelArmorConfig"),
];

/// Parameters of OpenAI's that Gemini has nothing like, though answers would differ.
const UNSUPPORTED: [&str; 3] = ["logit_bias", "prediction", "verbosity"];

/// Parameters of OpenAI's that say nothing to Google, and change no answer.
const SILENT: [&str; 11] = [
    "model",
    "messages",
    "stream",
    "stream_options",
    "user",
    "store",
    "metadata",
    "service_tier",
    "safety_identifier",
    "prompt_cache_key",
    "prompt_cache_retention",
];

/// Makes the body for the upstream.
pub(crate) fn translate(template: &Template, call: Call<'_>) -> Result<(Bytes, Asked), Failure> {
    let mut body = params::body(call, &template.defaults);
    let permits = template.unsupported.permits(&mut body);
    let stream = call.stream();
    let mut unsupported: Vec<String> = Vec::new();
    let mut out = Object::default();
    let mut config = Config::new(template.model);
    let mut names = Names::default();
    let mut tools = Tools::default();
    for (name, value) in body.members() {
        if value == b"null" || SILENT.contains(&&*name) {
            continue;
        }
        let is_allowed = permits.allow(&name);
        if let Some((_, native)) = NATIVE.iter().find(|(ours, _)| *ours == name) {
            out.set(*native, Bytes::copy_from_slice(value));
        } else if tools.take(&name, value, &mut names)? {
            if name == "parallel_tool_calls" && value == b"false" && !is_allowed {
                unsupported.push(name.into_owned());
            }
        } else if !is_allowed
            && (config.is_unsupported(&name, value) || UNSUPPORTED.contains(&&*name))
        {
            if !params::asks_for_nothing(&name, value) {
                unsupported.push(name.into_owned());
            }
        } else if !config.take(&name, value)? && (is_allowed || !permits.drop()) {
            // Google refuses what it does not know, and names it.
            out.set(name.into_owned(), Bytes::copy_from_slice(value));
        }
    }
    // A single tool is not called in parallel to others.
    unsupported.retain(|name| name != "parallel_tool_calls" || tools.count() > 1);
    if !unsupported.is_empty() && !permits.drop() {
        return Err(refused(template, &unsupported));
    }
    let messages = body.get("messages").unwrap_or(b"null");
    let conversation = messages::read(messages, template, &mut names)?;
    let mut whole = Object::default();
    whole.set_value("contents", &conversation.contents);
    if !conversation.system.is_empty() {
        let parts = serde_json::json!({"parts": conversation.system});
        whole.set_value("system_instruction", &parts);
    }
    let own_tools = tools.has_own();
    tools.finish(&mut whole, &mut out);
    config.finish(&mut whole);
    for (name, value) in out.into_members() {
        whole.set(name, value);
    }
    let asked = Asked {
        stream,
        usage: stream.then(|| usage::asked(call, &body)).flatten(),
        choices: params::choices(&body, &["n", "candidateCount", "candidate_count"]),
        own_tools,
        names,
    };
    Ok((whole.print(), asked))
}

/// The failure that names parameters, in the words that clients of LiteLLM know.
fn refused(template: &Template, names: &[String]) -> Failure {
    let list = names.iter().map(|name| format!("'{name}'"));
    let message = format!(
        "{} does not support parameters: [{}], for model={}",
        template.face.prefix(),
        list.collect::<Vec<_>>().join(", "),
        template.name
    );
    refusal(&names[0], message)
}
