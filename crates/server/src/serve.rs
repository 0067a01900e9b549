//! Accepts connections, and lets them end in peace.

use std::{
    convert::Infallible,
    future::{Future, poll_fn},
    io,
    pin::{Pin, pin},
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::conn::auto,
};
use pin_project_lite::pin_project;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    task::{JoinSet, unconstrained},
    time::{self, Instant},
};
use tokio_rustls::server::TlsStream;
use tower::{BoxError, Service};

use crate::{
    Listener,
    accepts::Failed,
    activity::Activity,
    closing::Closing,
    parting::Ending,
    patience::Patient,
    tls::Tls,
    unread::{Streams, Telling},
};

/// Longest wait for the head of a request, idle time between two requests of a connection included. A minute is what
/// common load balancers keep idle connections for.
const HEAD_TIMEOUT: Duration = Duration::from_secs(60);

/// Longest wait for a client to finish the handshake of TLS, which takes two round trips at most.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// Longest wait for a client to say which HTTP it speaks, or to take some of what is sent to it. nginx's `send_timeout`
/// waits as long by default.
const PATIENCE: Duration = Duration::from_secs(60);

/// Time after which a silent connection of HTTP/2 is asked whether its client is still there, as load balancers do.
const PING_AFTER: Duration = Duration::from_secs(60);

/// Streams that one HTTP/2 connection may have open; hyper's own default.
const MAX_STREAMS: u32 = 200;

/// How long connections stay open when a server ends, though nothing runs on them: a request may be on its way. A second is
/// more than any way takes, and little beside the time to drain.
const LINGER: Duration = Duration::from_secs(1);

/// Serves connections until `shutdown` resolves, then waits up to `drain` for running requests and streams to end.
///
/// After the first signal no connection is accepted, and every answer says that its connection ends with it. Idle
/// connections are closed a second later, so that a request that was on its way is answered; a client that does not take part
/// in that is dropped after another one, after five if it goes on talking, or ten seconds after its last answer by HTTP/2. What
/// still runs after `drain` is cut.
///
/// # Errors
///
/// None after the listener works: a failed `accept` is logged and tried again.
pub async fn serve<L, S, R>(
    listener: L,
    service: S,
    drain: Duration,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()>
where
    L: Listener,
    S: Service<Request<Incoming>, Response = Response<R>, Error = Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send,
    R: Body<Data = Bytes> + Send + 'static,
    R::Error: Into<BoxError>,
{
    serve_with(listener, None, service, drain, shutdown).await
}

/// The same over TLS, if there is a certificate.
pub(crate) async fn serve_with<L, S, R>(
    mut listener: L,
    tls: Option<Tls>,
    service: S,
    drain: Duration,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()>
where
    L: Listener,
    S: Service<Request<Incoming>, Response = Response<R>, Error = Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send,
    R: Body<Data = Bytes> + Send + 'static,
    R::Error: Into<BoxError>,
{
    let mut door = Door {
        server: server(),
        service,
        tls,
        ending: Ending::default(),
        closing: Closing::default(),
        connections: JoinSet::new(),
    };
    let mut shutdown = pin!(shutdown);
    let mut failed = Failed::default();
    loop {
        tokio::select! {
            biased; // nothing starves: connections come one by one, and those that end are few
            () = &mut shutdown => break,
            Some(_) = door.connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok(stream) => door.let_in(stream),
                Err(error) => failed.rest(&error).await,
            },
        }
    }
    door.ending.begin();
    // Those that stand before the door already would be reset. All of them: no turn is given up meanwhile.
    while let Some(Ok(stream)) = unconstrained(at_hand(listener.accept())).await {
        door.let_in(stream);
    }
    drop(listener);
    door.drain(drain).await;
    Ok(())
}

/// Where connections come in, and what becomes of them.
struct Door<S> {
    server: auto::Builder<Streams>,
    service: S,
    tls: Option<Tls>,
    ending: Ending,
    closing: Closing,
    connections: JoinSet<()>,
}

impl<S, R> Door<S>
where
    S: Service<Request<Incoming>, Response = Response<R>, Error = Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send,
    R: Body<Data = Bytes> + Send + 'static,
    R::Error: Into<BoxError>,
{
    /// Begins to serve a connection.
    fn let_in<I>(&mut self, stream: I)
    where
        I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let activity = Activity::default();
        let service = Telling::new(self.ending.wrap(self.service.clone()), activity.clone());
        let closing = self.closing.clone();
        let Some(tls) = self.tls.clone() else {
            let served = Served {
                connection: connection(&self.server, stream, service, &closing, activity),
            };
            self.connections.spawn(served);
            return;
        };
        let server = self.server.clone();
        self.connections.spawn(async move {
            let shaken = tokio::select! {
                biased;
                shaken = shake_hands(&tls, stream) => shaken,
                // It would be told to end before its first request.
                () = closing.begun() => return,
            };
            match shaken {
                // In a box: what it needs is more than the handshake, and would be kept twice here.
                Ok(stream) => {
                    let connection = connection(&server, stream, service, &closing, activity);
                    Box::pin(Served { connection }).await;
                }
                Err(error) => broken(&error.into()),
            }
        });
    }

    /// Lets what runs end within `limit`.
    async fn drain(mut self, limit: Duration) {
        tracing::info!(target: "ziggurat::server", running = self.connections.len(), "draining");
        let deadline = Instant::now() + limit;
        let ended = async { while self.connections.join_next().await.is_some() {} };
        if time::timeout(LINGER.min(limit), ended).await.is_ok() {
            return;
        }
        self.closing.begin();
        let ended = async { while self.connections.join_next().await.is_some() {} };
        let drained = time::timeout_at(deadline, ended).await;
        if drained.is_err() {
            tracing::warn!(target: "ziggurat::server", "requests that outlasted the drain timeout are cut");
        }
        self.connections.shutdown().await;
    }
}

/// What a future has ready now, if it has.
async fn at_hand<F: Future>(future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(done) => Poll::Ready(Some(done)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}

async fn shake_hands<I>(tls: &Tls, stream: I) -> io::Result<TlsStream<I>>
where
    I: AsyncRead + AsyncWrite + Unpin,
{
    let shaken = time::timeout(HANDSHAKE_TIMEOUT, tls.accept(stream)).await;
    shaken.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

/// Serves the requests of one connection.
fn connection<S, R, I>(
    server: &auto::Builder<Streams>,
    stream: I,
    service: S,
    closing: &Closing,
    activity: Activity,
) -> impl Future<Output = Result<(), BoxError>> + Send + 'static + use<S, R, I>
where
    S: hyper::service::Service<Request<Incoming>, Response = Response<R>, Error = Infallible>
        + Send
        + 'static,
    S::Future: Send,
    R: Body<Data = Bytes> + Send + 'static,
    R::Error: Into<BoxError>,
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let stream = TokioIo::new(Patient::new(stream, PATIENCE, activity.clone()));
    let connection = server.serve_connection(stream, service);
    closing.hear(connection.into_owned(), activity)
}

pin_project! {
    /// A connection to its end. By hand, for an `async` block would keep it twice: once before it is awaited.
    struct Served<F> {
        #[pin]
        connection: F,
    }
}

impl<F: Future<Output = Result<(), BoxError>>> Future for Served<F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if let Err(error) = ready!(self.project().connection.poll(cx)) {
            broken(&error);
        }
        Poll::Ready(())
    }
}

fn broken(error: &BoxError) {
    tracing::debug!(target: "ziggurat::server", error, "a connection ended with an error");
}

fn server() -> auto::Builder<Streams> {
    let mut server = auto::Builder::new(Streams::new(PATIENCE));
    server
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT);
    server
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(PING_AFTER)
        .max_concurrent_streams(MAX_STREAMS);
    server
}
