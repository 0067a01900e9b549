//! Upstreams that behave as planned.

use std::{
    collections::VecDeque,
    convert::Infallible,
    future::pending,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame};
use http_body_util::BodyExt;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::time::{Instant, Sleep, sleep};

use crate::{
    answer::{DONE, Words, document, error, finish, word},
    ledger::{Ledger, Running},
    network::listen,
    plan::{Conduct, Plan},
};

/// Between two words.
const GAP: Duration = Duration::from_millis(10);

/// The same of one that is slow, but not so slow that it is given up.
const SLOW: Duration = Duration::from_millis(60);

/// An answer that comes word by word.
struct Speech {
    pieces: VecDeque<String>,
    gap: Duration,
    pause: Pin<Box<Sleep>>,
    ending: Ending,
    _call: Running,
}

#[derive(Clone, Copy)]
enum Ending {
    End,
    Break,
    Never,
}

/// Serves until the host goes down.
pub(crate) async fn upstream(name: &'static str, plan: Plan, ledger: Ledger) -> turmoil::Result {
    let listener = listen().await?;
    loop {
        let (stream, _) = listener.accept().await?;
        let (plan, ledger) = (plan.clone(), ledger.clone());
        let service =
            service_fn(move |request| answer(name, plan.clone(), ledger.clone(), request));
        let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
        // How a connection ends is seen at its calls.
        tokio::spawn(async move { drop(connection.await) });
    }
}

async fn answer(
    name: &'static str,
    plan: Plan,
    ledger: Ledger,
    request: Request<Incoming>,
) -> io::Result<Response<Speech>> {
    let body = request
        .into_body()
        .collect()
        .await
        .map_err(io::Error::other)?;
    let asked: Value = serde_json::from_slice(&body.to_bytes()).map_err(io::Error::other)?;
    let words = words(&asked).ok_or_else(|| io::Error::other("not of this simulation"))?;
    let conduct = plan.conduct(name, words.request, ledger.count(name, words.request));
    let call = ledger.call(name, words.request, conduct);
    let spoken = match said(&asked) {
        Some(said) => words.after(said),
        None => Some(words.of(name)),
    };
    let Some(spoken) = spoken else {
        return Ok(failed(400, call));
    };
    match conduct {
        Conduct::Silent => match pending::<Infallible>().await {},
        Conduct::Closed => return Err(io::ErrorKind::ConnectionAborted.into()),
        Conduct::Status(status) => return Ok(failed(status, call)),
        Conduct::Error if asked["stream"] != true => return Ok(failed(500, call)),
        _ => {}
    }
    Ok(match asked["stream"] == true {
        true => stream(conduct, &spoken, call),
        false => plain(conduct, &document(&spoken), call),
    })
}

/// Which words are asked for: `request count same`, in the name of the user.
fn words(asked: &Value) -> Option<Words> {
    let mut parts = asked["user"].as_str()?.split(' ');
    Some(Words {
        request: parts.next()?.parse().ok()?,
        count: parts.next()?.parse().ok()?,
        same: parts.next()?.parse().ok()?,
    })
}

/// What the answer is to begin with, if it is begun already.
fn said(asked: &Value) -> Option<&str> {
    let last = asked["messages"].as_array()?.last()?;
    (last["role"] == "assistant").then(|| last["content"].as_str())?
}

fn stream(conduct: Conduct, spoken: &[String], call: Running) -> Response<Speech> {
    let mut events: VecDeque<_> = spoken.iter().map(|spoken| word(spoken)).collect();
    events.extend([finish(), DONE.to_owned()]);
    let middle = spoken.len() / 2;
    match conduct {
        Conduct::Answer | Conduct::Slow => {}
        Conduct::Error => {
            events.truncate(middle);
            events.push_back(format!("data: {}\n\n", error()));
        }
        _ => events.truncate(middle),
    }
    let head = Response::builder().header("content-type", "text/event-stream");
    head.body(Speech::new(events, conduct, call))
        .expect("a head")
}

fn plain(conduct: Conduct, document: &str, call: Running) -> Response<Speech> {
    let (begin, end) = document.split_at(document.len() / 2);
    let pieces = match conduct {
        Conduct::Answer | Conduct::Slow => [begin.to_owned(), end.to_owned()].into(),
        _ => [begin.to_owned()].into(),
    };
    let head = Response::builder().header("content-type", "application/json");
    head.body(Speech::new(pieces, conduct, call))
        .expect("a head")
}

fn failed(status: u16, call: Running) -> Response<Speech> {
    let mut head = Response::builder()
        .status(status)
        .header("content-type", "application/json");
    if status == 429 {
        head = head.header("retry-after", "1");
    }
    let pieces = [error()].into();
    head.body(Speech::new(pieces, Conduct::Answer, call))
        .expect("a head")
}

// === impl Speech ===

impl Speech {
    fn new(pieces: VecDeque<String>, conduct: Conduct, call: Running) -> Self {
        let gap = if conduct == Conduct::Slow { SLOW } else { GAP };
        Self {
            pieces,
            gap,
            pause: Box::pin(sleep(gap)),
            ending: match conduct {
                Conduct::Cut => Ending::Break,
                Conduct::Stalled => Ending::Never,
                _ => Ending::End,
            },
            _call: call,
        }
    }
}

impl Body for Speech {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        ready!(self.pause.as_mut().poll(cx));
        if let Some(piece) = self.pieces.pop_front() {
            let next = Instant::now() + self.gap;
            self.pause.as_mut().reset(next);
            return Poll::Ready(Some(Ok(Frame::data(piece.into()))));
        }
        match self.ending {
            Ending::End => Poll::Ready(None),
            Ending::Break => Poll::Ready(Some(Err(io::ErrorKind::ConnectionReset.into()))),
            Ending::Never => Poll::Pending,
        }
    }
}
