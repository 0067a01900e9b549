//! Upstreams and servers of tokens that answer with given bytes, without a network.

use std::{
    future::Future,
    sync::{Arc, LazyLock, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex},
    runtime::{self, Runtime},
    time::timeout,
};
use ziggurat::provider::HttpClient;

/// No input takes so long, unless something waits for what never comes.
const LIMIT: Duration = Duration::from_secs(8);

/// A client on whose connections each request is answered with the same bytes; then they close.
pub(crate) struct Wire {
    runtime: Runtime,
    pub(crate) client: HttpClient,
    answer: Arc<Mutex<Bytes>>,
}

pub(crate) static WIRE: LazyLock<Wire> = LazyLock::new(|| {
    let answer = Arc::<Mutex<Bytes>>::default();
    let current = Arc::clone(&answer);
    let client = HttpClient::builder().max_idle_per_host(0).dial(move |_| {
        let answer = current.lock().unwrap_or_else(PoisonError::into_inner);
        let (ours, theirs) = duplex(64 * 1024);
        tokio::spawn(serve(theirs, answer.clone()));
        async { Ok(ours) }
    });
    let runtime = runtime::Builder::new_current_thread().enable_time().build();
    Wire {
        runtime: runtime.expect("a runtime"),
        client: client.build(),
        answer,
    }
});

impl Wire {
    /// Drives something that is answered with these bytes.
    pub(crate) fn answer<T>(&self, bytes: &[u8], asking: impl Future<Output = T>) -> T {
        *self.answer.lock().unwrap_or_else(PoisonError::into_inner) = Bytes::copy_from_slice(bytes);
        let asking = async { timeout(LIMIT, asking).await };
        self.runtime.block_on(asking).expect("it ends")
    }
}

/// Whoever asks may go away at any time.
async fn serve(mut connection: DuplexStream, answer: Bytes) {
    let mut head = [0; 16 * 1024];
    if connection.read(&mut head).await.is_ok_and(|read| read > 0)
        && connection.write_all(&answer).await.is_ok()
    {
        // What was written is read before the end is seen.
        drop(connection.shutdown().await);
        while connection.read(&mut head).await.is_ok_and(|read| read > 0) {}
    }
}
