use std::{
    fmt, io,
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    select,
    sync::watch::{self, Receiver},
    task::{JoinHandle, JoinSet},
};

use crate::{
    Hit, Script,
    connection::Connection,
    hit::{Log, Recording},
    openai::Speaker,
    receive::Request,
    reply::Reply,
};

/// The default of [`Upstream::keep`].
const KEEP: usize = 10_000;
/// How long the accept loop rests after a failure, which is almost always a lack of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// A scripted upstream that is not running yet.
#[derive(Clone, Debug)]
#[must_use]
pub struct Upstream {
    name: String,
    script: Script,
    models: Vec<String>,
    keep: usize,
    addr: SocketAddr,
}

impl Upstream {
    /// Creates an upstream that says hello to every request, on a free port of 127.0.0.1.
    pub fn new(name: impl Into<String>) -> Self {
        let name = name.into();
        Self {
            models: vec![name.clone()],
            name,
            script: Script::default(),
            keep: KEEP,
            addr: (Ipv4Addr::LOCALHOST, 0).into(),
        }
    }

    /// Sets what happens to each request.
    pub fn script(mut self, script: impl Into<Script>) -> Self {
        self.script = script.into();
        self
    }

    /// Sets the models that `GET /models` lists. Default: one with the upstream's name.
    pub fn models<M: Into<String>>(mut self, models: impl IntoIterator<Item = M>) -> Self {
        self.models = models.into_iter().map(Into::into).collect();
        self
    }

    /// Sets how many of the latest requests are kept with their bodies. Default: 10,000; 0 keeps none.
    pub fn keep(mut self, hits: usize) -> Self {
        self.keep = hits;
        self
    }

    /// Sets the address to listen on, for an upstream that comes back where another was.
    pub fn bind(mut self, addr: SocketAddr) -> Self {
        self.addr = addr;
        self
    }

    /// Starts to listen, as a task of the current tokio runtime.
    ///
    /// # Errors
    ///
    /// If the address cannot be listened on.
    pub async fn start(self) -> io::Result<Running> {
        let listener = TcpListener::bind(self.addr).await?;
        let addr = listener.local_addr()?;
        let shared = Arc::new(Shared {
            name: self.name,
            models: self.models,
            script: Mutex::new(self.script),
            log: Log::new(self.keep),
            open: AtomicUsize::new(0),
            accepted: AtomicU64::new(0),
        });
        let stopping = watch::Sender::new(false);
        let task = tokio::spawn(serve(listener, Arc::clone(&shared), stopping.subscribe()));
        Ok(Running {
            addr,
            shared,
            stopping,
            task,
        })
    }
}

/// A scripted upstream that listens.
///
/// Dropping it stops it at once: the port is closed and every connection with it.
#[must_use = "dropping it stops the upstream"]
pub struct Running {
    addr: SocketAddr,
    shared: Arc<Shared>,
    stopping: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Running {
    /// Returns where it listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Returns `http://127.0.0.1:<port>`, without a slash at the end.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// Returns the name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.shared.name
    }

    /// Starts a new script with the next request; steps that are being played go on.
    pub fn set_script(&self, script: impl Into<Script>) {
        *self.shared.lock_script() = script.into();
    }

    /// Returns the requests that were received, oldest first; of many, the latest (see [`Upstream::keep`]).
    #[must_use]
    pub fn hits(&self) -> Vec<Hit> {
        self.shared.log.hits()
    }

    /// Returns the number of all requests that were received.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.shared.log.count()
    }

    /// Waits until that many requests in all have been received, then returns [`hits`](Self::hits).
    ///
    /// Cancelling loses nothing.
    pub async fn wait_for(&self, count: u64) -> Vec<Hit> {
        self.shared.log.reached(count).await;
        self.hits()
    }

    /// Returns the number of connections that are open.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.shared.open.load(Ordering::Relaxed)
    }

    /// Returns the number of connections that were ever accepted.
    #[must_use]
    pub fn accepted(&self) -> u64 {
        self.shared.accepted.load(Ordering::Relaxed)
    }

    /// Stops gracefully: closes the port and the idle connections, and plays running steps to their end.
    ///
    /// A step that hangs ends when its client leaves. Cancelling stops the rest at once.
    pub async fn shutdown(mut self) {
        self.stopping.send_replace(true);
        if let Err(error) = (&mut self.task).await
            && error.is_panic()
        {
            std::panic::resume_unwind(error.into_panic());
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Running")
            .field("name", &self.shared.name)
            .field("addr", &self.addr)
            .field("count", &self.count())
            .finish_non_exhaustive()
    }
}

/// An address of 127.0.0.1 that refuses connections for as long as this value lives.
#[derive(Debug)]
pub struct Closed {
    addr: SocketAddr,
    // Bound, so that nobody else gets the port, but not listening.
    _socket: TcpSocket,
}

impl Closed {
    /// Takes a free port.
    ///
    /// # Errors
    ///
    /// If there is none.
    pub fn new() -> io::Result<Self> {
        let socket = TcpSocket::new_v4()?;
        socket.bind((Ipv4Addr::LOCALHOST, 0).into())?;
        Ok(Self {
            addr: socket.local_addr()?,
            _socket: socket,
        })
    }

    /// Returns the address.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Returns `http://127.0.0.1:<port>`, without a slash at the end.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }
}

/// What the connections of an upstream share.
pub(crate) struct Shared {
    name: String,
    models: Vec<String>,
    script: Mutex<Script>,
    log: Log,
    open: AtomicUsize,
    accepted: AtomicU64,
}

/// What to do about one request.
pub(crate) struct Turn {
    pub(crate) recording: Recording,
    pub(crate) reply: Reply,
    pub(crate) delay: Duration,
}

impl Shared {
    /// Records a request and takes its step.
    pub(crate) fn turn(&self, request: Request, connection: u64) -> Turn {
        let mut script = self.lock_script();
        // Under the script's lock, so that the n-th hit is the one that got the n-th step.
        let (number, recording) = self.log.record(request, connection);
        let step = script.next();
        drop(script);
        let speaker = Speaker {
            name: &self.name,
            models: &self.models,
            number,
        };
        let reply = Reply::new(&step, recording.request(), speaker);
        Turn {
            recording,
            reply,
            delay: step.pace.before_head,
        }
    }

    fn lock_script(&self) -> std::sync::MutexGuard<'_, Script> {
        self.script.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts a connection as open.
struct Open(Arc<Shared>);

impl Open {
    fn new(shared: &Arc<Shared>) -> Self {
        shared.open.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(shared))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

async fn serve(listener: TcpListener, shared: Arc<Shared>, mut stopping: Receiver<bool>) {
    // Dropped with this task, it ends the connections.
    let mut connections = JoinSet::new();
    let stop = stopping.clone();
    loop {
        select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => spawn(&mut connections, stream, &shared, stop.clone()),
                Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
            },
            Some(ended) = connections.join_next() => propagate(ended),
            () = stopped(&mut stopping) => break,
        }
    }
    drop(listener);
    while let Some(ended) = connections.join_next().await {
        propagate(ended);
    }
}

/// Waits until the upstream stops, or is gone.
pub(crate) async fn stopped(stopping: &mut Receiver<bool>) {
    let _ = stopping.wait_for(|stopping| *stopping).await;
}

fn spawn(
    connections: &mut JoinSet<()>,
    stream: TcpStream,
    shared: &Arc<Shared>,
    stopping: Receiver<bool>,
) {
    // Fails only on a socket that the client has already reset; the first read will say so.
    let _ = stream.set_nodelay(true);
    let number = shared.accepted.fetch_add(1, Ordering::Relaxed);
    let open = Open::new(shared);
    let connection = Connection::new(stream, number, Arc::clone(shared), stopping);
    connections.spawn(async move {
        connection.run().await;
        drop(open);
    });
}

fn propagate(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        std::panic::resume_unwind(error.into_panic());
    }
}
