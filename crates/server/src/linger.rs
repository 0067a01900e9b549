//! Connections that are closed while their client may still send.

use std::{
    future::Future,
    mem::MaybeUninit,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, ReadBuf},
    time::{Instant, Sleep, sleep},
};

/// Longest silence of a client that is waited for. Apache's `SECONDS_TO_LINGER`; nginx's `lingering_timeout` is 5 s.
const SILENCE: Duration = Duration::from_secs(2);

/// Longest time in all. nginx's `lingering_time`, and Apache's `MAX_SECS_TO_LINGER`.
const LONGEST: Duration = Duration::from_secs(30);

/// The most that is read. Somewhat more than the largest body that is taken by default, 50 MiB: many clients read only when
/// they have sent all.
const MOST: usize = 64 << 20;

/// Room for what is read at once: the longest record of TLS.
const PIECE: usize = 16 << 10;

/// Reads what a client still sends, and forgets it (RFC 9112, section 9.6).
///
/// Whoever closes a connection with something unread resets it, and the client's system may then throw away the answer that is
/// there for it.
pub(crate) struct Linger {
    silence: Pin<Box<Sleep>>,
    end: Instant,
    room: usize,
}

impl Linger {
    /// Begins when all has been sent, and its end was told.
    pub(crate) fn new() -> Self {
        Self {
            silence: Box::pin(sleep(SILENCE)),
            end: Instant::now() + LONGEST,
            room: MOST,
        }
    }

    /// Waits until the client has closed its side, or is not waited for any longer.
    pub(crate) fn poll<I>(&mut self, io: &mut I, cx: &mut Context<'_>) -> Poll<()>
    where
        I: AsyncRead + Unpin,
    {
        let now = Instant::now();
        // Not left to the timer: it is not asked while there is always something to read.
        if now >= self.end {
            return Poll::Ready(());
        }
        let before = self.room;
        let mut space = [MaybeUninit::uninit(); PIECE];
        loop {
            let mut piece = ReadBuf::uninit(&mut space);
            let Poll::Ready(read) = Pin::new(&mut *io).poll_read(cx, &mut piece) else {
                break;
            };
            let count = piece.filled().len();
            // A broken connection needs no more care than one that has ended.
            if read.is_err() || count == 0 || count >= self.room {
                return Poll::Ready(());
            }
            self.room -= count;
        }
        if self.room < before {
            self.silence.as_mut().reset((now + SILENCE).min(self.end));
        }
        self.silence.as_mut().poll(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::io::{AsyncWriteExt, DuplexStream, duplex};

    use super::*;

    async fn linger(mut io: DuplexStream) -> (Duration, usize) {
        let (began, mut linger) = (Instant::now(), Linger::new());
        poll_fn(|cx| linger.poll(&mut io, cx)).await;
        (began.elapsed(), MOST - linger.room)
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_is_silent_or_gone_is_not_waited_for() {
        let (_client, io) = duplex(64);
        assert_eq!(linger(io).await, (SILENCE, 0));
        let (mut client, io) = duplex(64);
        client.write_all(b"the rest").await.unwrap();
        drop(client);
        assert_eq!(linger(io).await, (Duration::ZERO, 8));
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_sends_a_little_at_a_time_is_waited_for_to_the_end() {
        let (mut client, io) = duplex(64);
        tokio::spawn(async move {
            while client.write_all(b"x").await.is_ok() {
                sleep(Duration::from_millis(1900)).await;
            }
        });
        assert_eq!(linger(io).await, (LONGEST, 16));
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_sends_without_end_is_not_read_for_ever() {
        let (mut client, io) = duplex(256 << 10);
        let piece = vec![0; 100_000];
        tokio::spawn(async move { while client.write_all(&piece).await.is_ok() {} });
        let (took, read) = linger(io).await;
        assert_eq!(took, Duration::ZERO);
        assert!((MOST - PIECE..=MOST).contains(&read), "{read}");
    }
}
