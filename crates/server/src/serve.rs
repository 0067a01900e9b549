//! Accepts connections, and lets them end in peace.

use std::{convert::Infallible, future::Future, io, pin::pin, time::Duration};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto, graceful::GracefulShutdown},
    service::TowerToHyperService,
};
use tokio::{net::TcpListener, task::JoinSet, time};
use tower::{BoxError, Service};

/// Longest wait for the head of a request, idle time between two requests of a connection included. A minute is what
/// common load balancers keep idle connections for.
const HEAD_TIMEOUT: Duration = Duration::from_secs(60);

/// Streams that one HTTP/2 connection may have open; hyper's own default.
const MAX_STREAMS: u32 = 200;

/// Rest after a failed `accept`, which mostly means that file descriptors ran out: spinning does not bring them back.
const ACCEPT_REST: Duration = Duration::from_millis(50);

/// Serves connections until `shutdown` resolves, then waits up to `drain` for running requests and streams to end.
///
/// After the first signal no connection is accepted and idle ones are closed. What still runs after `drain` is cut.
///
/// # Errors
///
/// None after the listener works: a failed `accept` is logged and tried again.
pub async fn serve<S, R>(
    listener: TcpListener,
    service: S,
    drain: Duration,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()>
where
    S: Service<Request<Incoming>, Response = Response<R>, Error = Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send,
    R: Body<Data = Bytes> + Send + 'static,
    R::Error: Into<BoxError>,
{
    let server = server();
    let graceful = GracefulShutdown::new();
    let mut connections = JoinSet::new();
    let mut shutdown = pin!(shutdown);
    loop {
        let stream = tokio::select! {
            () = &mut shutdown => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::warn!(target: "ziggurat::server", %error, "a connection could not be accepted");
                    time::sleep(ACCEPT_REST).await;
                    continue;
                }
            },
            Some(_) = connections.join_next() => continue,
        };
        // Small frames of a stream must not wait for each other.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(target: "ziggurat::server", %error, "TCP_NODELAY could not be set");
        }
        let connection = server.serve_connection(
            TokioIo::new(stream),
            TowerToHyperService::new(service.clone()),
        );
        let connection = graceful.watch(connection.into_owned());
        connections.spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(target: "ziggurat::server", error, "a connection ended with an error");
            }
        });
    }
    drop(listener);
    tracing::info!(target: "ziggurat::server", running = connections.len(), "draining");
    if time::timeout(drain, graceful.shutdown()).await.is_err() {
        tracing::warn!(target: "ziggurat::server", "requests that outlasted the drain timeout are cut");
    }
    connections.shutdown().await;
    Ok(())
}

fn server() -> auto::Builder<TokioExecutor> {
    let mut server = auto::Builder::new(TokioExecutor::new());
    server
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT);
    server
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(MAX_STREAMS);
    server
}
