//! What a case is made of: plain data that can be drawn, shrunk and printed.
//!
//! All times are milliseconds.

/// A stack, and the clients that ask it.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) stack: Stack,
    pub(crate) clients: Vec<Client>,
}

#[derive(Clone, Debug)]
pub(crate) struct Stack {
    /// The outermost first.
    pub(crate) top: Vec<Top>,
    /// Whether a router stands below, even with one group.
    pub(crate) routed: bool,
    pub(crate) groups: Vec<Group>,
    /// `max_attempts_per_request` of the fallback and of each retry layer.
    pub(crate) cap: Option<usize>,
    pub(crate) seed: u64,
}

#[derive(Clone, Debug)]
pub(crate) enum Top {
    Total(u64),
    Precount {
        inline: bool,
    },
    /// A chain for each group; the number behind the last group stands for one that is not there.
    Fallback {
        chains: Vec<Vec<usize>>,
        max: u32,
        on_refusal: bool,
    },
}

#[derive(Clone, Debug)]
pub(crate) struct Group {
    /// Above the balance, the outermost first.
    pub(crate) layers: Vec<GroupLayer>,
    pub(crate) balance: Balance,
    pub(crate) deployments: Vec<Deployment>,
    /// Whether its first deployment is that of the first group.
    pub(crate) shares: bool,
}

#[derive(Clone, Debug)]
pub(crate) enum GroupLayer {
    Retry(Retry),
    StreamTimeout(StreamTimeout),
    Timeout(Timeout),
}

#[derive(Clone, Debug)]
pub(crate) struct Retry {
    pub(crate) retries: u32,
    pub(crate) exhaust_untried: bool,
    pub(crate) max_wait: u64,
}

#[derive(Clone, Debug)]
pub(crate) struct Balance {
    pub(crate) strategy: usize,
    pub(crate) enforce_limits: bool,
    /// Any of the tags, or all of them.
    pub(crate) tags: Option<bool>,
    pub(crate) max_parallel_wait: u64,
    pub(crate) cooldown_wait: u64,
    pub(crate) last_resort: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct Deployment {
    /// The outermost first.
    pub(crate) layers: Vec<Layer>,
    pub(crate) weight: Option<u8>,
    pub(crate) order: Option<u8>,
    pub(crate) rpm: Option<u8>,
    pub(crate) tpm: Option<u16>,
    pub(crate) max_parallel_requests: Option<u32>,
    pub(crate) tags: Vec<&'static str>,
    pub(crate) origin: Option<&'static str>,
    pub(crate) max_retries: Option<u32>,
    pub(crate) ready: Ready,
    /// One per call, again from the first after the last.
    pub(crate) answers: Vec<Answer>,
}

#[derive(Clone, Debug)]
pub(crate) enum Layer {
    /// `None` stands for one that is not known.
    Region(Option<&'static str>),
    Window {
        tokens: u64,
        shared: bool,
    },
    Cooldown(Cooldown),
    StreamTimeout(StreamTimeout),
    Timeout(Timeout),
}

#[derive(Clone, Debug)]
pub(crate) struct Cooldown {
    pub(crate) time: u64,
    pub(crate) allowed_fails: Option<u32>,
    pub(crate) slow_start: u64,
    /// The share of its group that may be away, in percent.
    pub(crate) max_share: Option<u8>,
    pub(crate) protected: bool,
    pub(crate) last_resort: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct StreamTimeout {
    pub(crate) first: u64,
    pub(crate) idle: Option<u64>,
    pub(crate) total: u64,
}

#[derive(Clone, Debug)]
pub(crate) struct Timeout {
    pub(crate) limit: u64,
    pub(crate) stream: u64,
}

/// When an instance gets ready.
#[derive(Clone, Debug)]
pub(crate) enum Ready {
    Always,
    AfterPolls(u8),
    After(u64),
}

#[derive(Clone, Debug)]
pub(crate) enum Answer {
    Plain {
        delay: u64,
        /// Within the body.
        pause: u64,
        cut: bool,
    },
    Stream(Stream),
    Status {
        delay: u64,
        code: u16,
        retry_after: Option<u64>,
    },
    /// A 400 that the leaf knows more about: content that is not allowed, else a prompt that is too long.
    Refused {
        content: bool,
    },
    Error {
        delay: u64,
    },
    Hang,
}

#[derive(Clone, Debug)]
pub(crate) struct Stream {
    /// To the head.
    pub(crate) delay: u64,
    pub(crate) comments: u8,
    /// From the head to the first content.
    pub(crate) first: u64,
    pub(crate) chunks: u8,
    pub(crate) gap: u64,
    pub(crate) end: StreamEnd,
    /// Whether the content type tells that it is one.
    pub(crate) typed: bool,
    /// Whether the body tells at its last frame that it is the last.
    pub(crate) silent_end: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StreamEnd {
    Done,
    WithoutDone,
    Trailers,
    Cut,
    Stall,
    /// All was said, but the body does not end.
    Linger,
}

#[derive(Clone, Debug)]
pub(crate) struct Client {
    pub(crate) start: u64,
    pub(crate) group: usize,
    pub(crate) stream: bool,
    pub(crate) prompt: Prompt,
    /// One list, or a second that narrows it.
    pub(crate) regions: Vec<Vec<&'static str>>,
    pub(crate) tags: Vec<&'static str>,
    pub(crate) wishes: Wishes,
    /// How long it takes for each frame.
    pub(crate) pause: u64,
    pub(crate) leaves: Leaves,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Prompt {
    Unknown,
    Short,
    Long,
}

#[derive(Clone, Debug)]
pub(crate) struct Wishes {
    pub(crate) timeout: Option<u64>,
    pub(crate) stream_timeout: Option<u64>,
    pub(crate) idle: Option<u64>,
    pub(crate) stream_total: Option<u64>,
    pub(crate) total: Option<u64>,
    pub(crate) max_retries: Option<u32>,
    pub(crate) no_fallbacks: bool,
}

/// When a client hangs up.
#[derive(Clone, Debug)]
pub(crate) enum Leaves {
    Never,
    After(u64),
    AfterFrames(u8),
}
