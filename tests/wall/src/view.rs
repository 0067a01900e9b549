use std::time::Duration;

use http::HeaderMap;
use serde_json::Value;

use crate::{
    Seen,
    answer::{BYSTANDER, FALLBACK, NEIGHBOUR, PRIMARY, Provider, TWIN},
};

/// What a caller got.
#[derive(Clone, Debug)]
pub(crate) struct View {
    /// The status.
    pub(crate) status: u16,
    /// The headers.
    pub(crate) headers: HeaderMap,
    /// The body, as far as it came.
    pub(crate) body: String,
    /// Whether the connection broke before the end of the body.
    pub(crate) broken: bool,
    /// The time from the question to the last byte.
    pub(crate) took: Duration,
}

type Judged = Result<Seen, String>;

impl View {
    /// Returns a header, or nothing.
    pub(crate) fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value.and_then(|value| value.to_str().ok()).unwrap_or("")
    }

    /// Says what the caller has to make of it.
    ///
    /// # Errors
    ///
    /// What is wrong, if it is neither one provider's complete answer nor a failure that says so.
    pub(crate) fn judge(&self) -> Judged {
        if self.broken {
            return Err("the body broke off".to_owned());
        }
        if self.status != 200 {
            return self.judge_error();
        }
        match self.header("content-type") {
            "application/json" => self.judge_plain(),
            kind if kind.starts_with("text/event-stream") => self.judge_stream(),
            kind => Err(format!("an answer of the type {kind:?}")),
        }
    }

    fn judge_error(&self) -> Judged {
        if self.header("content-type") != "application/json" {
            return Err("an error that is no JSON".to_owned());
        }
        let document: Value = serde_json::from_str(&self.body).map_err(|e| e.to_string())?;
        let error = &document["error"];
        if error["message"].as_str().is_none_or(str::is_empty) {
            return Err(format!("an error without a message: {document}"));
        }
        if error["code"].as_str() != Some(&*self.status.to_string()) {
            return Err(format!("a {} with another code: {error}", self.status));
        }
        Ok(Seen::Error(self.status))
    }

    fn judge_plain(&self) -> Judged {
        let document: Value = serde_json::from_str(&self.body).map_err(|e| e.to_string())?;
        let choice = &document["choices"][0];
        let text = choice["message"]["content"].as_str().unwrap_or("");
        if choice["finish_reason"] == "content_filter" && text.is_empty() {
            return Ok(Seen::Filtered);
        }
        let by = self.said_by(text)?;
        if choice["finish_reason"] != "stop" {
            return Err(format!("it does not say that it is complete: {choice}"));
        }
        self.named(by, &document["model"], &document["usage"])?;
        Ok(Seen::answer(by))
    }

    fn judge_stream(&self) -> Judged {
        let mut text = String::new();
        let (mut models, mut ids) = (Vec::new(), Vec::new());
        let (mut usage, mut finish) = (Value::Null, Value::Null);
        let mut error = None;
        let mut done = false;
        for event in self.events()? {
            if done {
                return Err(format!("an event after [DONE]: {event}"));
            }
            if event == "[DONE]" {
                done = true;
                continue;
            }
            if error.is_some() {
                return Err(format!("an event after an error: {event}"));
            }
            if !event["error"].is_null() {
                error = Some(event["error"].clone());
                continue;
            }
            for (seen, name) in [(&mut models, "model"), (&mut ids, "id")] {
                seen.push(event[name].clone());
                seen.dedup();
            }
            if !event["usage"].is_null() {
                usage = event["usage"].clone();
            }
            let choice = &event["choices"][0];
            text.push_str(choice["delta"]["content"].as_str().unwrap_or(""));
            if !choice["finish_reason"].is_null() {
                finish = choice["finish_reason"].clone();
            }
        }
        if !done {
            return Err("a stream without [DONE]".to_owned());
        }
        if let Some(error) = error {
            return cut(&text, &finish, &error);
        }
        if finish == "content_filter" && text.is_empty() {
            return Ok(Seen::Filtered);
        }
        if finish != "stop" {
            return Err(format!(
                "complete, with the finish reason {finish}: {text:?}"
            ));
        }
        let by = self.said_by(&text)?;
        match (&ids[..], &models[..]) {
            ([_], [model]) if by == PRIMARY && counted(NEIGHBOUR, &usage).is_ok() => {
                self.headed(by, model).map(|()| Seen::RecoveredWithin)
            }
            ([_], [model]) => self.named(by, model, &usage).map(|()| Seen::answer(by)),
            ([_], [first, last]) if by == PRIMARY => {
                self.headed(by, first)?;
                counted(TWIN, &usage)?;
                match *last == TWIN.group {
                    true => Ok(Seen::Recovered),
                    false => Err(format!("it goes on with the model {last}")),
                }
            }
            _ => Err(format!("the ids {ids:?} and the models {models:?}")),
        }
    }

    /// Returns whose whole answer it is; of two who say the same, the one whom the head names.
    fn said_by(&self, text: &str) -> Result<Provider, String> {
        let named = ["x-litellm-model-id", "x-litellm-model-group"].map(|name| self.header(name));
        let is_named = |by: &&Provider| [by.name, by.group] == named;
        let said = saying(text, str::eq);
        let by = said.iter().find(is_named).or_else(|| said.first());
        by.copied()
            .ok_or_else(|| format!("no provider said {text:?}"))
    }

    fn events(&self) -> Result<Vec<Value>, String> {
        let data = self
            .body
            .lines()
            .filter_map(|line| line.strip_prefix("data: "));
        let parsed = data.map(|data| match data {
            "[DONE]" => Ok(data.into()),
            data => serde_json::from_str(data).map_err(|error| format!("{error}: {data}")),
        });
        parsed.collect()
    }

    /// The answer tells who gave it.
    fn named(&self, by: Provider, model: &Value, usage: &Value) -> Result<(), String> {
        self.headed(by, model)?;
        counted(by, usage)
    }

    /// Its head and its first model tell who gave it.
    fn headed(&self, by: Provider, model: &Value) -> Result<(), String> {
        let group = self.header("x-litellm-model-group");
        let deployment = self.header("x-litellm-model-id");
        if (model, group, deployment) != (&by.group.into(), by.group, by.name) {
            return Err(format!(
                "{} answered, but it says {model}, {group:?}, {deployment:?}",
                by.name
            ));
        }
        Ok(())
    }
}

fn counted(by: Provider, usage: &Value) -> Result<(), String> {
    match usage["prompt_tokens"] == by.tokens {
        true => Ok(()),
        false => Err(format!("{} answered, but it used {usage}", by.name)),
    }
}

/// A stream that broke off: a part of one answer, an error that says what happened, the end.
fn cut(text: &str, finish: &Value, error: &Value) -> Judged {
    if !finish.is_null() {
        return Err(format!("an error after the finish reason {finish}"));
    }
    let is_part = |whole: &str, part: &str| whole.len() > part.len() && whole.starts_with(part);
    if saying(text, is_part).is_empty() {
        return Err(format!("no provider began with {text:?}"));
    }
    let code = error["code"].as_str().and_then(|code| code.parse().ok());
    match (code, error["message"].as_str()) {
        (Some(code), Some(message)) if !message.is_empty() => Ok(Seen::Cut(code)),
        _ => Err(format!("an error that does not say what happened: {error}")),
    }
}

/// Returns those whose whole answer compares with a text.
fn saying(text: &str, compares: impl Fn(&str, &str) -> bool) -> Vec<Provider> {
    let said = |by: &Provider| compares(&by.text(), text);
    let all = [PRIMARY, TWIN, NEIGHBOUR, FALLBACK, BYSTANDER];
    all.into_iter().filter(said).collect()
}
