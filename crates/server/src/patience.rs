//! Clients that neither speak nor listen.

use std::{
    future::Future,
    io,
    ops::Range,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Sleep, sleep},
};

use crate::{activity::Activity, linger::Linger};

/// What every connection of HTTP/2 begins with (RFC 9113, section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A connection that ends when its client keeps it waiting: for the bytes that tell one version of HTTP from another, for
/// which hyper has no limit, or for room to write to. Timers exist only while something is waited for.
pub(crate) struct Patient<I> {
    io: I,
    limit: Duration,
    /// Runs until the version is known.
    opening: Option<Pin<Box<Sleep>>>,
    /// What was read of a preface, or in place of one.
    first: [u8; PREFACE.len()],
    length: usize,
    /// The part of it that is still to be handed on.
    replay: Range<usize>,
    /// Runs while the client takes nothing of what there is for it.
    unread: Option<Pin<Box<Sleep>>>,
    /// Hears of both.
    activity: Activity,
    /// Runs while a client whose body was not read is heard out.
    linger: Option<Linger>,
}

impl<I> Patient<I> {
    /// Waits for at most `limit`, each time.
    pub(crate) fn new(io: I, limit: Duration, activity: Activity) -> Self {
        Self {
            io,
            limit,
            opening: Some(Box::pin(sleep(limit))),
            first: [0; PREFACE.len()],
            length: 0,
            replay: 0..0,
            unread: None,
            activity,
            linger: None,
        }
    }

    /// Sees how an attempt to write has ended.
    fn wrote<T>(
        &mut self,
        result: Poll<io::Result<T>>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<T>> {
        self.activity.blocks(result.is_pending());
        if result.is_ready() {
            self.unread = None;
            return result;
        }
        let limit = self.limit;
        let unread = self.unread.get_or_insert_with(|| Box::pin(sleep(limit)));
        unread.as_mut().poll(cx).map(|()| Err(too_slow()))
    }
}

fn too_slow() -> io::Error {
    io::Error::new(
        io::ErrorKind::TimedOut,
        "the client kept its connection waiting",
    )
}

impl<I: AsyncRead + Unpin> Patient<I> {
    /// Reads until it is known which HTTP the client speaks.
    ///
    /// Only the preface is handed on at once. Anything else is told as nothing at all, which hyper-util takes for HTTP/1,
    /// and comes with the next read, together with what follows: hyper keeps a buffer of twice the size for a connection
    /// whose first read is a short one.
    fn poll_opening(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            let mut rest = ReadBuf::new(&mut self.first[self.length..]);
            let Poll::Ready(read) = Pin::new(&mut self.io).poll_read(cx, &mut rest) else {
                let opening = self.opening.as_mut().expect("only called while it runs");
                return opening.as_mut().poll(cx).map(|()| Err(too_slow()));
            };
            read?;
            self.activity.speaks();
            let count = rest.filled().len();
            self.length += count;
            let first = &self.first[..self.length];
            if first == PREFACE && buf.remaining() >= PREFACE.len() {
                buf.put_slice(first);
            } else if count > 0 && self.length < PREFACE.len() && PREFACE.starts_with(first) {
                continue;
            } else {
                self.replay = 0..self.length;
            }
            self.opening = None;
            return Poll::Ready(Ok(()));
        }
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for Patient<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.opening.is_some() {
            return self.poll_opening(cx, buf);
        }
        if self.replay.is_empty() {
            let read = Pin::new(&mut self.io).poll_read(cx, buf);
            if read.is_ready() {
                self.activity.speaks();
            }
            return read;
        }
        let count = self.replay.len().min(buf.remaining());
        buf.put_slice(&self.first[self.replay.start..][..count]);
        self.replay.start += count;
        if buf.remaining() > 0
            && let Poll::Ready(Err(error)) = Pin::new(&mut self.io).poll_read(cx, buf)
        {
            return Poll::Ready(Err(error));
        }
        Poll::Ready(Ok(()))
    }
}

impl<I: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Patient<I> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.io).poll_write(cx, buf);
        self.wrote(result, cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.io).poll_write_vectored(cx, bufs);
        self.wrote(result, cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let result = Pin::new(&mut self.io).poll_flush(cx);
        self.wrote(result, cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.linger.is_none() {
            let result = Pin::new(&mut this.io).poll_shutdown(cx);
            ready!(this.wrote(result, cx))?;
            if !this.activity.has_left_body() {
                return Poll::Ready(Ok(()));
            }
        }
        let linger = this.linger.get_or_insert_with(Linger::new);
        linger.poll(&mut this.io, cx).map(Ok)
    }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex},
        time::{Instant, sleep, timeout},
    };

    use super::*;

    const LIMIT: Duration = Duration::from_secs(60);

    fn connection() -> (DuplexStream, Patient<DuplexStream>, Instant) {
        let (client, io) = duplex(64);
        (
            client,
            Patient::new(io, LIMIT, Activity::default()),
            Instant::now(),
        )
    }

    async fn is_cut(server: &mut Patient<DuplexStream>) -> Instant {
        let mut bytes = Vec::new();
        let error = server.read_to_end(&mut bytes).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        Instant::now()
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_does_not_say_what_it_speaks_is_cut_off() {
        let (_client, mut server, began) = connection();
        assert_eq!(is_cut(&mut server).await - began, LIMIT);
        // Slowly is not fast enough.
        let (mut client, mut server, began) = connection();
        let speaking = async {
            for byte in PREFACE {
                client.write_all(&[*byte]).await.unwrap();
                sleep(Duration::from_secs(3)).await;
            }
        };
        tokio::select! {
            () = speaking => panic!("{:?}", began.elapsed()),
            cut = is_cut(&mut server) => assert_eq!(cut - began, LIMIT),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_speaks_may_be_silent_afterwards() {
        for opening in [b"P".as_slice(), b"G", b"PRI * HTTP/2.1", PREFACE] {
            let (mut client, mut server, _) = connection();
            client.write_all(opening).await.unwrap();
            let mut bytes = Vec::with_capacity(64);
            let read = timeout(2 * LIMIT, server.read_buf(&mut bytes))
                .await
                .unwrap();
            // What may yet become the preface is waited for, but not for ever.
            assert_eq!(read.is_err(), opening == b"P", "{opening:?}");
            if opening == PREFACE {
                assert_eq!(bytes, PREFACE);
            } else if opening != b"P" {
                assert_eq!(bytes, b"", "as hyper-util wants to hear of HTTP/1");
                client.write_all(b" and more").await.unwrap();
                server.read_buf(&mut bytes).await.unwrap();
                assert_eq!(bytes, [opening, b" and more"].concat());
            }
            let silent = timeout(2 * LIMIT, server.read_u8()).await;
            assert_eq!(silent.is_err(), opening != b"P", "{opening:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_takes_nothing_is_cut_off() {
        let (mut client, mut server, began) = connection();
        server.write_all(&[0; 64]).await.unwrap();
        // What is taken late gives as much time again.
        let late = async {
            sleep(LIMIT - Duration::from_secs(1)).await;
            client.read_u8().await.unwrap();
        };
        let write = async { server.write_all(&[0; 2]).await.unwrap_err() };
        let (error, ()) = tokio::join!(write, late);
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert_eq!(began.elapsed(), 2 * LIMIT - Duration::from_secs(1));
    }

    #[tokio::test(start_paused = true)]
    async fn only_a_client_with_something_unread_is_heard_out() {
        for has_left in [false, true] {
            let (mut client, io) = duplex(64);
            let activity = Activity::default();
            let mut server = Patient::new(io, LIMIT, activity.clone());
            if has_left {
                activity.leaves_body();
            }
            activity.listen();
            client.write_all(b"the rest").await.unwrap();
            let told = async {
                assert_eq!(client.read(&mut [0]).await.unwrap(), 0, "the end");
                Instant::now()
            };
            let (began, (shut, told)) = (Instant::now(), tokio::join!(server.shutdown(), told));
            shut.unwrap();
            assert_eq!(told, began, "before the rest is waited for");
            assert_eq!(!began.elapsed().is_zero(), has_left);
            // What nobody listens to does not keep a server that ends.
            assert!(!activity.has_spoken());
        }
    }
}
