//! A provider that ziggurat does not know: two small traits say how it is spoken to. Connections, limits, retries and
//! failures of the wire stay with the leaf and the layers above.
//!
//! Parrot takes `{"say": "hello", "pieces": false}` with a key in `x-parrot-key` and answers `{"reply": "hello"}`, or in
//! pieces, as events: `{"piece": "hel"}`, `{"piece": "lo"}`, `{"over": true}`. Its errors are `{"problem": "…"}`.
//!
//! `cargo run --bin custom_dialect -- https://parrot.example/v1/say`.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, Request, Uri, response::Parts};
use http_body_util::{BodyExt, Full};
use serde_json::{Value, json};
use tower::{ServiceBuilder, ServiceExt};
use ziggurat::{
    core::{BoxError, Served, UpstreamError, json::Printed},
    prelude::*,
    provider::{
        Answer, Call, Exchange, Outgoing, Streamed,
        sse::{DONE_EVENT, Splitter},
    },
};

/// One deployment of Parrot.
#[derive(Debug)]
struct Parrot {
    uri: Uri,
    /// Marked as sensitive: `Debug` does not show it.
    key: HeaderValue,
}

impl Dialect for Parrot {
    fn provider(&self) -> &'static str {
        "parrot"
    }

    fn prepare(&self, call: Call<'_>) -> Result<Outgoing, Failure> {
        let messages = call.body().get("messages").unwrap_or_default();
        let messages: Value = serde_json::from_slice(messages).unwrap_or_default();
        let last = messages.as_array().and_then(|messages| messages.last());
        let Some(say) = last.and_then(|message| message["content"].as_str()) else {
            let failure = Failure::new(FailureKind::BadRequest).with_param("messages");
            return Err(failure.with_message("a parrot needs a last message of text"));
        };
        let body = json!({"say": say, "pieces": call.stream()}).to_string();
        let mut request = Request::post(self.uri.clone())
            .header("content-type", "application/json")
            .header("x-parrot-key", self.key.clone())
            .body(Printed::from(Bytes::from(body)))
            .expect("the parts are valid");
        call.forward(request.headers_mut());
        let exchange = Box::new(Reply {
            model: call.public_model().unwrap_or("parrot").to_owned(),
            stream: call.stream(),
            events: Splitter::new(),
        });
        Ok(Outgoing { request, exchange })
    }
}

/// Reads the answer to one call.
struct Reply {
    model: String,
    stream: bool,
    events: Splitter,
}

impl Reply {
    fn document(&self, object: &str, choice: &Value) -> String {
        json!({"id": "parrot", "object": object, "model": self.model, "choices": [choice]})
            .to_string()
    }

    fn event(&self, delta: &Value, finish: Option<&str>) -> String {
        let choice = json!({"index": 0, "delta": delta, "finish_reason": finish});
        format!(
            "data: {}\n\n",
            self.document("chat.completion.chunk", &choice)
        )
    }
}

impl Exchange for Reply {
    fn announced(&self, head: &Parts) -> Result<Answer, Failure> {
        Answer::of(head, self.stream)
    }

    fn refused(&mut self, head: &Parts, body: &mut Bytes) -> Failure {
        let kind = FailureKind::from_status(head.status).unwrap_or(FailureKind::Server);
        let problem: Value = serde_json::from_slice(body).unwrap_or_default();
        let problem = problem["problem"].as_str().unwrap_or("no reason given");
        // The status, and the wait that the head asks for.
        Failure::from_head(kind, head.status, &head.headers)
            .with_upstream(UpstreamError::new("Parrot", problem))
    }

    fn plain(&mut self, body: Bytes) -> Result<Printed, Failure> {
        let answer: Value = serde_json::from_slice(&body).unwrap_or_default();
        let Some(reply) = answer["reply"].as_str() else {
            return Err(
                Failure::new(FailureKind::InvalidResponse).with_message("there is no reply")
            );
        };
        let message = json!({"role": "assistant", "content": reply});
        let choice = json!({"index": 0, "message": message, "finish_reason": "stop"});
        Ok(Bytes::from(self.document("chat.completion", &choice)).into())
    }

    fn chunk(&mut self, data: Bytes) -> Streamed {
        self.events.push(data);
        let mut out = Streamed::default();
        let mut text = String::new();
        while out.end.is_none() {
            let event = match self.events.next_event() {
                Ok(Some(event)) => event.data(),
                Ok(None) => break,
                Err(_) => {
                    out.end = Some(Err(FailureKind::InvalidResponse.into()));
                    break;
                }
            };
            let event: Value =
                serde_json::from_slice(&event.unwrap_or_default()).unwrap_or_default();
            if let Some(piece) = event["piece"].as_str() {
                text += &self.event(&json!({"content": piece}), None);
            } else if event["over"] == true {
                text += &self.event(&json!({}), Some("stop"));
                text += &String::from_utf8_lossy(DONE_EVENT);
                out.end = Some(Ok(()));
            }
        }
        out.data = text.into();
        out
    }

    fn end(&mut self, broken: Option<Failure>) -> Streamed {
        // It has not said that it is over: what came is no whole answer.
        let failure = broken.unwrap_or_else(|| FailureKind::Disconnected.into());
        Streamed {
            data: Bytes::new(),
            end: Some(Err(failure)),
        }
    }
}

fn parrot(uri: Uri, mut key: HeaderValue) -> BoxService<Full<Bytes>> {
    key.set_sensitive(true);
    let served = Served::new("parrot-1".into(), "parrot/grey", None);
    let leaf = ProviderService::new(HttpClient::new(), Arc::new(Parrot { uri, key }), served);
    ServiceBuilder::new()
        .layer(BoxLayer::new())
        .layer_fn(Open::new)
        .layer(RespondLayer::new())
        .layer(EnvelopeLayer::new())
        .layer(RetryLayer::new(2))
        .service(leaf)
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let uri = std::env::args()
        .nth(1)
        .ok_or("where does the parrot live?")?;
    let key = std::env::var("PARROT_KEY").unwrap_or_default();
    let question = r#"{"model": "grey", "messages": [{"role": "user", "content": "hello"}]}"#;
    let parrot = parrot(uri.parse()?, key.parse()?);
    let response = parrot.oneshot(Request::new(question.into())).await?;
    let answer = response.into_body().collect().await?.to_bytes();
    println!("{}", String::from_utf8_lossy(&answer));
    Ok(())
}

#[cfg(test)]
mod tests {
    use http::Response;
    use ziggurat_testing::mock::{Event, Hit, Step, Upstream};

    use super::*;

    /// Asks a parrot that follows the script.
    async fn ask(stream: bool, script: Vec<Step>) -> (Parts, Result<String, Failure>, Vec<Hit>) {
        let upstream = Upstream::new("parrot")
            .script(script)
            .start()
            .await
            .unwrap();
        let uri = format!("{}/say", upstream.url()).parse().unwrap();
        let parrot = parrot(uri, HeaderValue::from_static("polly"));
        let question = json!({"model": "grey", "stream": stream, "messages": [{"content": "hi"}]});
        let request = Request::new(question.to_string().into());
        let (head, body) = parrot.oneshot(request).await.unwrap().into_parts();
        let text = body.collect().await.map(|body| body.to_bytes());
        let text = text.map(|text| String::from_utf8_lossy(&text).into_owned());
        (head, text, upstream.hits())
    }

    fn json_answer(status: u16, body: &'static str) -> Step {
        let response = Response::builder().status(status);
        let response = response.header("content-type", "application/json");
        Step::respond(response.body(body).unwrap())
    }

    #[tokio::test]
    async fn a_reply_becomes_a_completion_after_a_retry() {
        let busy = json_answer(503, r#"{"problem": "asleep"}"#);
        let script = vec![busy, json_answer(200, r#"{"reply": "hi"}"#)];
        let (head, text, hits) = ask(false, script).await;
        let answer: Value = serde_json::from_str(&text.unwrap()).unwrap();
        assert_eq!((head.status.as_u16(), hits.len()), (200, 2));
        assert_eq!(answer["choices"][0]["message"]["content"], "hi");
        assert_eq!(answer["model"], "grey");
        assert_eq!(hits[0].header("x-parrot-key"), Some("polly"));
        assert_eq!(
            hits[0].json().unwrap(),
            json!({"say": "hi", "pieces": false})
        );
    }

    #[tokio::test]
    async fn what_it_refuses_is_told_in_its_words() {
        let (head, text, hits) = ask(false, vec![json_answer(401, r#"{"problem": "who?"}"#)]).await;
        assert_eq!(head.status, 401);
        assert!(text.unwrap().contains("who?"));
        assert!(hits.iter().all(|hit| hit.path() == "/say"));
    }

    #[tokio::test]
    async fn pieces_become_chunks() {
        let events = [
            r#"{"piece": "h"}"#,
            r#"{"piece": "i"}"#,
            r#"{"over": true}"#,
        ];
        let (head, text, _) = ask(true, vec![Step::events(events.map(Event::data))]).await;
        let text = text.unwrap();
        assert_eq!(
            head.headers["content-type"],
            "text/event-stream; charset=utf-8"
        );
        assert_eq!(text.matches(r#""content":"#).count(), 2);
        assert!(text.ends_with("data: [DONE]\n\n"));
    }

    #[tokio::test]
    async fn a_stream_that_is_cut_is_no_success() {
        let (_, text, _) = ask(true, vec![Step::events([Event::data(r#"{"piece": "h"}"#)])]).await;
        let text = text.unwrap();
        assert!(text.contains(r#""error""#) && !text.contains(r#""stop""#));
    }
}
