use std::{
    fmt, io,
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use serde_json::Value;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    task::{AbortHandle, JoinSet},
    time::{Instant, timeout},
};

use crate::scene::{End, Scene, left};

/// A raw socket that answers each request with a scene, and keeps what it saw.
pub struct Upstream {
    address: SocketAddr,
    shared: Arc<Shared>,
    task: AbortHandle,
}

/// What an upstream plays for a request.
pub type Script = Box<dyn Fn(&Call) -> Scene + Send + Sync>;

/// When an upstream begins to misbehave.
pub enum Play {
    /// With each request.
    Requests(Script),
    /// As soon as a connection is there, before a byte was read.
    Connections(Scene),
}

/// A request that came to an upstream.
#[derive(Clone, Debug)]
pub struct Call {
    /// How many came before it.
    pub number: usize,
    /// How many connections came before its own.
    pub connection: usize,
    /// When all of it had come.
    pub at: Instant,
    /// When its scene was over, and how.
    pub ended: Option<(Instant, End)>,
    /// What it asks, if that is JSON.
    pub body: Value,
}

struct Shared {
    play: Play,
    connections: AtomicUsize,
    calls: Mutex<Vec<Call>>,
    /// Scenes that are being played.
    running: watch::Sender<usize>,
}

// === impl Play ===

impl Play {
    /// The same scene for each request.
    #[must_use]
    pub fn always(scene: Scene) -> Self {
        Self::each(move |_| scene.clone())
    }

    /// A scene chosen for each request.
    pub fn each(script: impl Fn(&Call) -> Scene + Send + Sync + 'static) -> Self {
        Self::Requests(Box::new(script))
    }
}

impl fmt::Debug for Play {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Requests(_) => "Requests",
            Self::Connections(_) => "Connections",
        })
    }
}

// === impl Call ===

impl Call {
    /// Whether a stream is asked for.
    #[must_use]
    pub fn streams(&self) -> bool {
        self.body["stream"] == true
    }
}

// === impl Upstream ===

impl Upstream {
    /// Listens on a free port of 127.0.0.1.
    ///
    /// # Errors
    ///
    /// If there is no port.
    pub async fn start(play: Play) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            play,
            connections: AtomicUsize::new(0),
            calls: Mutex::default(),
            running: watch::Sender::new(0),
        });
        let task = tokio::spawn(accept(listener, Arc::clone(&shared))).abort_handle();
        Ok(Self {
            address,
            shared,
            task,
        })
    }

    /// Returns where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the number of connections that were made to it.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }

    /// Returns the requests that came.
    #[must_use]
    pub fn calls(&self) -> Vec<Call> {
        self.shared.calls().clone()
    }

    /// Returns how often it was troubled: by requests, or by connections if it does not wait for these.
    #[must_use]
    pub fn count(&self) -> usize {
        match self.shared.play {
            Play::Requests(_) => self.shared.calls().len(),
            Play::Connections(_) => self.connections(),
        }
    }

    /// Waits until nothing is left running on it; `false` if that takes longer than `limit`.
    pub async fn is_left(&self, limit: Duration) -> bool {
        let mut running = self.shared.running.subscribe();
        let none = running.wait_for(|running| *running == 0);
        timeout(limit, none).await.is_ok()
    }
}

impl fmt::Debug for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upstream")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.task.abort();
    }
}

// === impl Shared ===

impl Shared {
    fn calls(&self) -> MutexGuard<'_, Vec<Call>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    // Dropped with this task, it ends the connections.
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        while connections.try_join_next().is_some() {}
        // What is sent leaves at once, in pieces as they are written.
        stream.set_nodelay(true).expect("the socket is open");
        let number = shared.connections.fetch_add(1, Ordering::SeqCst);
        connections.spawn(serve(stream, number, Arc::clone(&shared)));
    }
}

async fn serve(stream: TcpStream, connection: usize, shared: Arc<Shared>) {
    let script = match &shared.play {
        Play::Requests(script) => script,
        Play::Connections(scene) => {
            shared.running.send_modify(|running| *running += 1);
            if scene.play(&stream).await == End::Played {
                left(&stream).await;
            }
            shared.running.send_modify(|running| *running -= 1);
            return;
        }
    };
    let mut unread = Vec::new();
    while let Some(body) = request(&stream, &mut unread).await {
        let call = {
            let mut calls = shared.calls();
            let call = Call {
                number: calls.len(),
                connection,
                at: Instant::now(),
                ended: None,
                body: serde_json::from_slice(&body).unwrap_or_default(),
            };
            calls.push(call.clone());
            call
        };
        shared.running.send_modify(|running| *running += 1);
        let end = script(&call).play(&stream).await;
        shared.calls()[call.number].ended = Some((Instant::now(), end));
        shared.running.send_modify(|running| *running -= 1);
        if end != End::Played {
            return;
        }
    }
}

/// Reads a request and returns its body; `None` if the caller leaves before its end.
async fn request(stream: &TcpStream, unread: &mut Vec<u8>) -> Option<Vec<u8>> {
    let mut buffer = [0; 16 * 1024];
    loop {
        if let Some(head) = unread.windows(4).position(|four| four == b"\r\n\r\n") {
            let whole = head + 4 + content_length(&unread[..head]);
            if unread.len() >= whole {
                let rest = unread.split_off(whole);
                let request = std::mem::replace(unread, rest);
                return Some(request[head + 4..].to_vec());
            }
        }
        stream.readable().await.ok()?;
        match stream.try_read(&mut buffer) {
            Ok(0) => return None,
            Ok(read) => unread.extend(&buffer[..read]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(_) => return None,
        }
    }
}

fn content_length(head: &[u8]) -> usize {
    let head = String::from_utf8_lossy(head).to_ascii_lowercase();
    let mut lines = head.lines();
    let length = lines.find_map(|line| line.strip_prefix("content-length:"));
    length.map_or(0, |length| {
        length.trim().parse().expect("a client knows its length")
    })
}
