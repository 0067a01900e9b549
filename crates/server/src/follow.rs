//! Follows a configuration file: what is written there is served.

use std::{
    collections::BTreeMap,
    error::Error,
    fmt, fs,
    hash::{DefaultHasher, Hash, Hasher},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use tokio::{
    sync::Notify,
    task::spawn_blocking,
    time::{MissedTickBehavior, interval},
};
use ziggurat::config::{Config, ConfigErrors};

use crate::{Handle, ReloadError};

/// Time between two looks at the files. They are small, and a second is soon enough for whoever has just saved one.
const LOOK: Duration = Duration::from_secs(1);

/// Reloads a server when the files of its configuration change.
pub struct Follow {
    handle: Handle,
    load: Arc<Load>,
    beside: Vec<PathBuf>,
    asked: Arc<Notify>,
    seen: Contents,
}

type Load = dyn Fn() -> Result<Config, ConfigErrors> + Send + Sync;

/// Hashes of files; `None` of those that cannot be read.
type Contents = BTreeMap<PathBuf, Option<u64>>;

impl Follow {
    /// Follows the files that `config` was read from by `load`, which reads them again.
    ///
    /// The look at the files is taken here: what is written afterwards counts as changed.
    #[must_use]
    pub fn new(
        handle: Handle,
        load: impl Fn() -> Result<Config, ConfigErrors> + Send + Sync + 'static,
        config: &Config,
    ) -> Self {
        Self {
            handle,
            load: Arc::new(load),
            beside: Vec::new(),
            asked: Arc::default(),
            seen: look(files(config)),
        }
    }

    /// Follows other files too, such as certificates.
    #[must_use]
    pub fn beside(mut self, files: impl IntoIterator<Item = PathBuf>) -> Self {
        self.beside.extend(files);
        self.seen.append(&mut look(self.beside.clone()));
        self
    }

    /// Reloads whenever `asked` is notified, changed or not.
    #[must_use]
    pub fn on(mut self, asked: Arc<Notify>) -> Self {
        self.asked = asked;
        self
    }

    /// Looks at the files once a second until the server has ended. A file that still changes between two looks is being
    /// written, and is waited for. What cannot be used is logged, and the server goes on as before.
    pub async fn run(mut self) {
        let mut looks = interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut changing = None;
        loop {
            tokio::select! {
                () = self.asked.notified() => {}
                _ = looks.tick() => {
                    let now = look_aside(self.seen.keys().cloned().collect()).await;
                    if now == self.seen {
                        changing = None;
                        continue;
                    }
                    if changing.as_ref() != Some(&now) {
                        changing = Some(now);
                        continue;
                    }
                }
            }
            changing = None;
            match self.reload().await {
                Ok(()) => {}
                Err(ReloadError::NotRunning) => return,
                Err(error) => tracing::error!(
                    target: "ziggurat::server",
                    cause = error.source(),
                    "the configuration was not reloaded, the server goes on as before: {error}"
                ),
            }
        }
    }

    async fn reload(&mut self) -> Result<(), ReloadError> {
        // Taken before the files are read: what changes from here on is seen by the next look.
        let before = look_aside(self.seen.keys().cloned().collect()).await;
        self.seen.clone_from(&before);
        let config = self.load().await.map_err(ReloadError::Config)?;
        let named = files(&config).into_iter().chain(self.beside.clone());
        self.seen = look_aside(named.collect()).await;
        for (file, hash) in before {
            self.seen.entry(file).and_modify(|seen| *seen = hash);
        }
        self.handle.reload(config).await.map(drop)
    }

    async fn load(&self) -> Result<Config, ConfigErrors> {
        let load = Arc::clone(&self.load);
        let loaded = spawn_blocking(move || load());
        loaded
            .await
            .expect("reading a configuration does not panic")
    }
}

impl fmt::Debug for Follow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let files: Vec<_> = self.seen.keys().collect();
        f.debug_struct("Follow")
            .field("files", &files)
            .finish_non_exhaustive()
    }
}

/// The files that a configuration was read from.
fn files(config: &Config) -> Vec<PathBuf> {
    let facts = config.settings.model_facts.as_ref();
    let facts = facts.map(|facts| config.resolve_path(facts));
    config.files().map(PathBuf::from).chain(facts).collect()
}

async fn look_aside(files: Vec<PathBuf>) -> Contents {
    let looked = spawn_blocking(|| look(files));
    looked.await.expect("reading files does not panic")
}

/// Whole contents are compared: times of files stay as they are, or go back, when others are put in their places.
fn look(files: Vec<PathBuf>) -> Contents {
    let hash = |file: PathBuf| {
        // A pipe is read once, and would be waited for.
        let is_file = fs::metadata(&file).is_ok_and(|file| file.is_file());
        let content = is_file.then(|| fs::read(&file).ok()).flatten();
        let hash = content.map(|content| {
            let mut hasher = DefaultHasher::new();
            content.hash(&mut hasher);
            hasher.finish()
        });
        (file, hash)
    };
    files.into_iter().map(hash).collect()
}
