//! Ctrl-C and SIGTERM.

use std::{future::Future, io};

/// Resolves at the first Ctrl-C or SIGTERM. The handlers are in place when this returns.
#[cfg(unix)]
pub(crate) fn shutdown() -> io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut interrupt, mut terminate) = (
        signal(SignalKind::interrupt())?,
        signal(SignalKind::terminate())?,
    );
    Ok(async move {
        std::future::poll_fn(|cx| match interrupt.poll_recv(cx) {
            std::task::Poll::Pending => terminate.poll_recv(cx),
            ready => ready,
        })
        .await;
    })
}

/// Resolves at the first Ctrl-C.
#[cfg(not(unix))]
pub(crate) fn shutdown() -> io::Result<impl Future<Output = ()>> {
    Ok(async {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    })
}
