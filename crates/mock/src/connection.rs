use std::{io::ErrorKind, sync::Arc};

use bytes::BytesMut;
use http::StatusCode;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    select,
    sync::watch::Receiver,
};

use crate::{
    ApiError, Progress,
    play::{After, play, until_left},
    receive::{self, Broken},
    upstream::{Shared, Turn, stopped},
};

/// A client's connection: requests one after the other, each answered by its step.
pub(crate) struct Connection {
    stream: TcpStream,
    buffer: BytesMut,
    number: u64,
    shared: Arc<Shared>,
    stopping: Receiver<bool>,
}

impl Connection {
    pub(crate) fn new(
        stream: TcpStream,
        number: u64,
        shared: Arc<Shared>,
        stopping: Receiver<bool>,
    ) -> Self {
        Self {
            stream,
            buffer: BytesMut::new(),
            number,
            shared,
            stopping,
        }
    }

    /// Serves the connection until either side ends it. Dropped before that, it closes.
    pub(crate) async fn run(mut self) {
        while self.wait_for_request().await {
            let after = match receive::request(&mut self.stream, &mut self.buffer).await {
                Ok(request) => {
                    let turn = self.shared.turn(request, self.number);
                    self.answer(turn).await
                }
                Err(Broken::Left) => After::Close,
                Err(Broken::Refused(status)) => {
                    self.refuse(status).await;
                    After::Close
                }
            };
            match after {
                After::Keep => {}
                After::Close => return,
                After::Reset => {
                    // Fails only if the client has already gone, who then sees no difference.
                    let _ = self.stream.set_zero_linger();
                    return;
                }
            }
        }
    }

    /// Waits for the first bytes of a request. Returns false if there will be none.
    async fn wait_for_request(&mut self) -> bool {
        if !self.buffer.is_empty() {
            return true;
        }
        select! {
            biased;
            // Cancel-safe. `readable` would not do: it also wakes for nothing.
            read = self.stream.read_buf(&mut self.buffer) => matches!(read, Ok(1..)),
            () = stopped(&mut self.stopping) => false,
        }
    }

    async fn answer(&mut self, turn: Turn) -> After {
        let Turn {
            recording,
            reply,
            delay,
        } = turn;
        let (mut reader, mut writer) = self.stream.split();
        let played = select! {
            biased;
            played = play(reply, delay, &mut writer) => played,
            () = until_left(&mut reader, &mut self.buffer) => Err(ErrorKind::ConnectionAborted.into()),
        };
        match played {
            Ok(after) => {
                recording.end(Progress::Done);
                after
            }
            Err(_) => {
                recording.end(Progress::ClientLeft);
                After::Close
            }
        }
    }

    async fn refuse(&mut self, status: StatusCode) {
        let body = ApiError::new(status).to_json();
        let mut bytes = format!(
            "HTTP/1.1 {status}\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            body.len()
        )
        .into_bytes();
        bytes.extend_from_slice(&body);
        // The client may have left without waiting for the refusal.
        let _ = self.stream.write_all(&bytes).await;
    }
}
