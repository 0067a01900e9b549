use std::{future::Future, io};

use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
};

/// Where connections come from: a [`TcpListener`], or anything else that hands out connections.
pub trait Listener: Send {
    /// A connection.
    type Io: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    /// Waits for the next connection. Dropping the future must lose none.
    fn accept(&mut self) -> impl Future<Output = io::Result<Self::Io>> + Send;
}

impl Listener for TcpListener {
    type Io = TcpStream;

    async fn accept(&mut self) -> io::Result<TcpStream> {
        let (stream, _) = Self::accept(self).await?;
        // Small frames of a stream must not wait for each other.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(target: "ziggurat::server", %error, "TCP_NODELAY could not be set");
        }
        Ok(stream)
    }
}
