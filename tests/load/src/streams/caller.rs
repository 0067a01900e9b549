//! Open streams.

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
};

use super::silent::{FIRST, LAST};
use crate::{
    Result,
    config::{KEY, MODEL},
};

/// Streams that are asked for at a time: more than an accept queue holds would be turned away.
const AT_ONCE: usize = 100;

/// Streams that have begun.
pub(crate) struct Streams(Vec<TcpStream>);

impl Streams {
    /// Asks for streams, and waits for the first piece of each.
    pub(crate) async fn open(address: &str, count: usize) -> Result<Self> {
        let mut streams = Vec::with_capacity(count);
        while streams.len() < count {
            let mut opening = JoinSet::new();
            for _ in 0..AT_ONCE.min(count - streams.len()) {
                opening.spawn(ask(address.to_owned()));
            }
            for stream in opening.join_all().await {
                streams.push(stream?);
            }
        }
        Ok(Self(streams))
    }

    /// Leaves.
    pub(crate) fn close(self) {}

    /// Reads the streams to their ends, and returns how many were whole.
    pub(crate) async fn read(&mut self) -> usize {
        let mut reading = JoinSet::new();
        for stream in self.0.drain(..) {
            reading.spawn(until(stream, LAST));
        }
        reading
            .join_all()
            .await
            .iter()
            .filter(|read| read.is_ok())
            .count()
    }
}

async fn ask(address: String) -> Result<TcpStream> {
    let mut stream = TcpStream::connect(address).await?;
    let body = format!(
        r#"{{"model":"{MODEL}","stream":true,"messages":[{{"role":"user","content":"Say nothing for a while."}}]}}"#
    );
    let length = body.len();
    let request = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: h\r\nauthorization: Bearer {KEY}\r\n\
         content-length: {length}\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).await?;
    until(stream, FIRST).await
}

/// Reads until some text has come.
async fn until(mut stream: TcpStream, text: &str) -> Result<TcpStream> {
    let mut read = Vec::new();
    loop {
        if stream.read_buf(&mut read).await? == 0 {
            return Err("a stream has ended before its time".into());
        }
        if read.windows(text.len()).any(|part| part == text.as_bytes()) {
            return Ok(stream);
        }
    }
}
