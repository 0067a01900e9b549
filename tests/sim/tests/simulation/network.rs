//! The simulated network, where the proxy expects TCP.

use std::io;

use http::Uri;
use turmoil::net::{TcpListener, TcpStream};
use ziggurat_server::Listener;

/// Where all hosts listen.
pub(crate) const PORT: u16 = 80;

/// The door of the proxy.
pub(crate) struct Door(pub(crate) TcpListener);

/// Listens on this host.
pub(crate) async fn listen() -> io::Result<TcpListener> {
    TcpListener::bind(("0.0.0.0", PORT)).await
}

/// Connects to the host that a URL names.
pub(crate) async fn dial(upstream: Uri) -> io::Result<TcpStream> {
    let host = upstream.host().unwrap_or_default();
    TcpStream::connect((host, PORT)).await
}

impl Listener for Door {
    type Io = TcpStream;

    async fn accept(&mut self) -> io::Result<TcpStream> {
        let (stream, _) = self.0.accept().await?;
        Ok(stream)
    }
}
