use std::{io, time::Duration};

use bytes::Bytes;
use tokio::{
    net::TcpStream,
    select,
    time::{Instant, sleep, sleep_until},
};

/// What an upstream does on a connection, byte by byte. After the last act it waits for the next request.
#[derive(Clone, Debug, Default)]
pub struct Scene {
    acts: Vec<Act>,
}

#[derive(Clone, Debug)]
enum Act {
    Send(Bytes),
    Drip(Bytes, Duration),
    Wait(Duration),
    Hang,
    Close,
    Reset,
}

/// How a scene has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// To its last act; the connection is there for another request.
    Played,
    /// It closed or reset the connection.
    Closed,
    /// The caller went first.
    Left,
}

// === impl Scene ===

impl Scene {
    /// Does nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn then(mut self, act: Act) -> Self {
        self.acts.push(act);
        self
    }

    /// Sends bytes.
    #[must_use]
    pub fn send(self, bytes: impl Into<Bytes>) -> Self {
        self.then(Act::Send(bytes.into()))
    }

    /// Sends bytes one at a time, spread evenly over a time.
    #[must_use]
    pub fn drip(self, bytes: impl Into<Bytes>, over: Duration) -> Self {
        self.then(Act::Drip(bytes.into(), over))
    }

    /// Does nothing for a time.
    #[must_use]
    pub fn wait(self, time: Duration) -> Self {
        self.then(Act::Wait(time))
    }

    /// Does nothing until the caller leaves.
    #[must_use]
    pub fn hang(self) -> Self {
        self.then(Act::Hang)
    }

    /// Closes the connection in good order.
    #[must_use]
    pub fn close(self) -> Self {
        self.then(Act::Close)
    }

    /// Resets the connection.
    #[must_use]
    pub fn reset(self) -> Self {
        self.then(Act::Reset)
    }

    /// Goes on with another scene.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.acts.extend(other.acts);
        self
    }

    pub(crate) async fn play(&self, stream: &TcpStream) -> End {
        for act in &self.acts {
            let left = match act {
                Act::Send(bytes) => write(stream, bytes).await.is_err(),
                Act::Drip(bytes, over) => drip(stream, bytes, *over).await.is_err(),
                Act::Wait(time) => select! {
                    () = sleep(*time) => false,
                    () = left(stream) => true,
                },
                Act::Hang => {
                    left(stream).await;
                    true
                }
                Act::Close => return End::Closed,
                Act::Reset => {
                    stream.set_zero_linger().expect("the socket is open");
                    return End::Closed;
                }
            };
            if left {
                return End::Left;
            }
        }
        End::Played
    }
}

async fn write(stream: &TcpStream, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        stream.writable().await?;
        match stream.try_write(bytes) {
            Ok(written) => bytes = &bytes[written..],
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

async fn drip(stream: &TcpStream, bytes: &Bytes, over: Duration) -> io::Result<()> {
    let start = Instant::now();
    for (sent, byte) in bytes.chunks(1).enumerate() {
        let due = start + over.mul_f64(sent as f64 / bytes.len() as f64);
        select! {
            () = sleep_until(due) => write(stream, byte).await?,
            () = left(stream) => return Err(io::ErrorKind::ConnectionAborted.into()),
        }
    }
    Ok(())
}

/// Waits until the caller has closed its side. What it sends meanwhile is not looked at.
pub(crate) async fn left(stream: &TcpStream) {
    let mut unread = [0; 1024];
    loop {
        if stream.readable().await.is_err() {
            return;
        }
        match stream.try_read(&mut unread) {
            Ok(0) => return,
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(_) => return,
        }
    }
}
