//! An upstream of OpenAI's format that answers at once: plain, or with as many events as `max_tokens` says.

use std::{convert::Infallible, io, pin::Pin, time::Duration};

use bytes::Bytes;
use futures_util::stream;
use http_body_util::{BodyExt, Full, StreamBody, combinators::BoxBody};
use hyper::{
    Request, Response,
    body::{Frame, Incoming},
    header::CONTENT_TYPE,
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::{
    net::TcpListener,
    time::{Interval, MissedTickBehavior, interval},
};

use crate::Result;

/// Between two events of a stream: long enough that each goes out alone, also under valgrind.
const BETWEEN: Duration = Duration::from_millis(5);

/// An answer of 601 bytes.
const ANSWER: &[u8] = include_bytes!("answer.json");
/// The member that says how many events there are, at the start of the body.
pub(crate) const EVENTS: &str = r#"{"max_tokens":"#;

type Body = BoxBody<Bytes, Infallible>;

/// Listens on any free port, says on which, and serves until it is killed.
#[tokio::main(flavor = "current_thread")]
pub(crate) async fn run() -> Result<()> {
    let listener = listen().await?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let connection =
            http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(answer));
        // Whoever leaves ends its connection.
        tokio::spawn(async { drop(connection.await) });
    }
}

/// Listens on any free port and prints the address.
pub(crate) async fn listen() -> io::Result<TcpListener> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?);
    Ok(listener)
}

async fn answer(request: Request<Incoming>) -> Result<Response<Body>> {
    let body = request.into_body().collect().await?.to_bytes();
    let rest = body
        .strip_prefix(EVENTS.as_bytes())
        .ok_or("a body of another caller")?;
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let events: u32 = std::str::from_utf8(&rest[..digits])?.parse()?;
    let (body, kind) = match events {
        0 => (Full::from(ANSWER).boxed(), "application/json"),
        _ => (streamed(events), "text/event-stream"),
    };
    let response = Response::builder()
        .header(CONTENT_TYPE, kind)
        .header("x-request-id", "req_1");
    Ok(response.body(body)?)
}

/// Events with content, one with a finish reason, and the mark of the end.
fn streamed(events: u32) -> Body {
    let mut interval = interval(BETWEEN);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let frames = stream::unfold((0, interval), move |(sent, interval)| {
        next(sent, events, interval)
    });
    BoxBody::new(StreamBody::new(
        Box::pin(frames) as Pin<Box<dyn futures_util::Stream<Item = _> + Send + Sync>>
    ))
}

async fn next(
    sent: u32,
    events: u32,
    mut interval: Interval,
) -> Option<(
    std::result::Result<Frame<Bytes>, Infallible>,
    (u32, Interval),
)> {
    interval.tick().await;
    let start = r#"data: {"id":"chatcmpl-AbCdEfGhIjKlMnOpQrStUvWx","object":"chat.completion.chunk","created":1790000000,"model":"gpt-4o-mini-2024-07-18","system_fingerprint":"fp_0aa8d3e20b","choices":[{"index":0,"#;
    let text = match sent.cmp(&events) {
        std::cmp::Ordering::Less => format!(
            r#"{start}"delta":{{"content":" stone upon stone"}},"logprobs":null,"finish_reason":null}}]}}"#
        ),
        std::cmp::Ordering::Equal => format!(
            r#"{start}"delta":{{}},"logprobs":null,"finish_reason":"stop"}}]}}{end}"#,
            end = "\n\ndata: [DONE]"
        ),
        std::cmp::Ordering::Greater => return None,
    };
    Some((
        Ok(Frame::data(Bytes::from(text + "\n\n"))),
        (sent + 1, interval),
    ))
}
