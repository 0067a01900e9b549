//! Callers, and what they think of their answers.

use std::{error::Error, fmt, time::Duration};

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep, timeout};
use turmoil::net::TcpStream;

use crate::{
    answer::Words,
    ledger::Ledger,
    network::PORT,
    plan::{Ask, LATENCY, TOTAL},
};

/// The way there and back, twice, for connecting, and the steps of the clock.
const WAY: Duration = Duration::from_millis(6 * LATENCY.end.as_millis() as u64);

type Broken = Box<dyn Error + Send + Sync>;

/// What became of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The whole answer of this upstream.
    Whole(&'static str),
    /// An error in place of an answer.
    Refused(u16),
    /// The beginning of one answer, then an error.
    Marked,
    /// The caller has hung up.
    Left,
    /// Anything else.
    Wrong(String),
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// Calls as planned, and writes down what came of it.
pub(crate) async fn ask(ask: Ask, ledger: Ledger) -> Outcome {
    sleep(ask.at).await;
    let begun = Instant::now();
    let request = ask.words.request;
    ledger.tell(format_args!("request {request} begins"));
    let patience = ask.patience.unwrap_or(2 * TOTAL);
    let outcome = match timeout(patience, answered(&ask)).await {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(broken)) => Outcome::Wrong(format!("no answer: {broken}")),
        Err(_) if ask.patience.is_some() => Outcome::Left,
        Err(_) => Outcome::Wrong("it never ends".to_owned()),
    };
    ledger.end(request, &outcome);
    if let Outcome::Wrong(why) = &outcome {
        ledger.problem(format_args!("request {request}: {why}"));
    }
    let took = begun.elapsed();
    if took > TOTAL + WAY {
        ledger.problem(format_args!("request {request} took {took:?}"));
    }
    outcome
}

/// Reads one of the proxy's own pages.
pub(crate) async fn page(path: &str) -> Result<String, Broken> {
    let request = Request::get(path).header("host", "proxy");
    let (_, body) = exchange(request.body(Full::default())?).await?;
    Ok(body)
}

async fn answered(ask: &Ask) -> Result<Outcome, Broken> {
    let Words {
        request,
        count,
        same,
    } = ask.words;
    let asked = json!({
        "model": "wanted", "stream": ask.streams, "user": format!("{request} {count} {same}"),
        "messages": [{"role": "user", "content": "How does it rise?"}],
    });
    let request = Request::post("/v1/chat/completions")
        .header("host", "proxy")
        .header("content-type", "application/json")
        .body(Full::from(asked.to_string()))?;
    let (head, body) = exchange(request).await?;
    let server = head.headers.get("x-litellm-model-id");
    let server = server.map_or("", |id| id.to_str().unwrap_or_default());
    Ok(match head.status.as_u16() {
        200 if ask.streams => streamed(ask.words, &body),
        200 => plain(ask.words, server, &body),
        status => refused(status, &body),
    })
}

async fn exchange(
    request: Request<Full<Bytes>>,
) -> Result<(http::response::Parts, String), Broken> {
    let stream = TcpStream::connect(("proxy", PORT)).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // It ends when the response was read or is dropped; how it ends is seen there.
    tokio::spawn(async move { drop(connection.await) });
    let (head, body) = sender.send_request(request).await?.into_parts();
    let body = body.collect().await?.to_bytes();
    Ok((head, String::from_utf8(body.into())?))
}

fn plain(words: Words, server: &str, body: &str) -> Outcome {
    let Ok(answer) = serde_json::from_str::<Value>(body) else {
        return Outcome::Wrong(format!("no JSON: {body}"));
    };
    let text = answer["choices"][0]["message"]["content"]
        .as_str()
        .unwrap_or_default();
    match words.speaker(text) {
        Some(speaker) if speaker == server || words.same => Outcome::Whole(speaker),
        Some(speaker) => Outcome::Wrong(format!("the answer of {speaker} in the name of {server}")),
        None => Outcome::Wrong(format!("not one whole answer: {text}")),
    }
}

fn streamed(words: Words, body: &str) -> Outcome {
    let wrong = |why: &str| Outcome::Wrong(format!("{why}: {body}"));
    let events = body.lines().filter_map(|line| line.strip_prefix("data: "));
    let mut events: Vec<_> = events.collect();
    let is_done = events.pop_if(|event| *event == "[DONE]").is_some();
    let error = |event: &&str| {
        serde_json::from_str::<Value>(event).is_ok_and(|event| event["error"].is_object())
    };
    let is_marked = events.pop_if(|event| error(event)).is_some();
    let (mut text, mut finished) = (String::new(), false);
    for event in events {
        let Ok(event) = serde_json::from_str::<Value>(event) else {
            return wrong("an event that is no JSON");
        };
        let choice = &event["choices"][0];
        text += choice["delta"]["content"].as_str().unwrap_or_default();
        finished |= choice["finish_reason"] == "stop";
    }
    match words.speaker(&text) {
        Some(speaker) if is_done && finished && !is_marked => Outcome::Whole(speaker),
        _ if is_marked && words.after(&text).is_some() => Outcome::Marked,
        _ => wrong("neither one whole answer nor a marked part of one"),
    }
}

fn refused(status: u16, body: &str) -> Outcome {
    let error = serde_json::from_str::<Value>(body).unwrap_or_default();
    let says = error["error"]["message"].as_str().unwrap_or_default();
    match (400..600).contains(&status) && !says.is_empty() {
        true => Outcome::Refused(status),
        false => Outcome::Wrong(format!("{status} without a word: {body}")),
    }
}
