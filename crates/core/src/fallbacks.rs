//! Where a request may go after a failure: targets, chains of them, and tables of chains.

use std::{collections::HashMap, fmt, sync::Arc, time::Duration};

use bytes::Bytes;

use crate::ModelGroup;

/// Targets in the order in which they are asked.
pub type Chain = Arc<[Target]>;

/// A group to ask, with parameters of its own for that hop. [`Debug`](fmt::Debug) shows the names of the parameters only.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Target {
    /// The group.
    pub group: ModelGroup,
    /// Members that take the place of those of the request body: name, and value as JSON.
    pub parameters: Arc<[(Arc<str>, Bytes)]>,
    /// The time limit of each attempt.
    pub timeout: Option<Duration>,
    /// The time limit of each attempt of a stream, to its first content.
    pub stream_timeout: Option<Duration>,
    /// The longest silence within a stream.
    pub stream_idle_timeout: Option<Duration>,
    /// The time limit of each attempt of a stream, to its last byte.
    pub stream_total_timeout: Option<Duration>,
    /// The number of retries in the group.
    pub max_retries: Option<u32>,
}

impl Target {
    /// A group without parameters of its own.
    pub fn new(group: impl Into<ModelGroup>) -> Self {
        Self {
            group: group.into(),
            parameters: Arc::default(),
            timeout: None,
            stream_timeout: None,
            stream_idle_timeout: None,
            stream_total_timeout: None,
            max_retries: None,
        }
    }

    /// Adds a member that takes the place of the body's: its name, and its value as JSON.
    #[must_use]
    pub fn with_parameter(mut self, name: impl Into<Arc<str>>, value: impl Into<Bytes>) -> Self {
        self.parameters = self
            .parameters
            .iter()
            .cloned()
            .chain([(name.into(), value.into())])
            .collect();
        self
    }

    /// Sets the time limit of each attempt.
    #[must_use]
    pub fn with_timeout(mut self, limit: Duration) -> Self {
        self.timeout = Some(limit);
        self
    }

    /// Sets the time limit of each attempt of a stream, to its first content.
    #[must_use]
    pub fn with_stream_timeout(mut self, limit: Duration) -> Self {
        self.stream_timeout = Some(limit);
        self
    }

    /// Sets the longest silence within a stream.
    #[must_use]
    pub fn with_stream_idle_timeout(mut self, limit: Duration) -> Self {
        self.stream_idle_timeout = Some(limit);
        self
    }

    /// Sets the time limit of each attempt of a stream, to its last byte.
    #[must_use]
    pub fn with_stream_total_timeout(mut self, limit: Duration) -> Self {
        self.stream_total_timeout = Some(limit);
        self
    }

    /// Sets the number of retries in the group.
    #[must_use]
    pub fn with_max_retries(mut self, retries: u32) -> Self {
        self.max_retries = Some(retries);
        self
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.parameters.iter().map(|(name, _)| name).collect();
        f.debug_struct("Target")
            .field("group", &self.group)
            .field("parameters", &names)
            .field("timeout", &self.timeout)
            .field("stream_timeout", &self.stream_timeout)
            .field("stream_idle_timeout", &self.stream_idle_timeout)
            .field("stream_total_timeout", &self.stream_total_timeout)
            .field("max_retries", &self.max_retries)
            .finish()
    }
}

impl<T: Into<ModelGroup>> From<T> for Target {
    fn from(group: T) -> Self {
        Self::new(group)
    }
}

/// Chains by the group that failed. Cloning counts a reference.
#[derive(Clone, Debug, Default)]
pub struct Table {
    chains: Arc<HashMap<Box<str>, Chain>>,
}

impl Table {
    /// The key that stands for every group without a chain of its own.
    pub const ANY: &'static str = "*";

    /// Returns the chain of a group: the one under its name, else under its name without a provider prefix (`azure/`),
    /// else the one of [`ANY`](Self::ANY) group.
    #[must_use]
    pub fn get(&self, group: &str) -> Option<&Chain> {
        self.named(group).or_else(|| self.any())
    }

    /// Returns the chain of any group.
    #[must_use]
    pub fn any(&self) -> Option<&Chain> {
        self.chains.get(Self::ANY)
    }

    /// The same without the chain of any group.
    #[must_use]
    pub fn named(&self, group: &str) -> Option<&Chain> {
        let bare = || {
            group
                .split_once('/')
                .and_then(|(_, bare)| self.chains.get(bare))
        };
        self.chains.get(group).or_else(bare)
    }

    /// Returns all chains with their keys, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Chain)> {
        self.chains.iter().map(|(key, chain)| (&**key, chain))
    }

    /// Says whether no chain is in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.chains.is_empty()
    }
}

impl<K: Into<Box<str>>, T: Into<Target>, C: IntoIterator<Item = T>> FromIterator<(K, C)> for Table {
    /// Collects chains; of two under one key the first stays, but for [`Table::ANY`], where the last does.
    fn from_iter<I: IntoIterator<Item = (K, C)>>(chains: I) -> Self {
        let mut map: HashMap<Box<str>, Chain> = HashMap::new();
        for (key, chain) in chains {
            let (key, chain) = (key.into(), chain.into_iter().map(Into::into).collect());
            if *key == *Self::ANY {
                map.insert(key, chain);
            } else {
                map.entry(key).or_insert(chain);
            }
        }
        Self {
            chains: Arc::new(map),
        }
    }
}
