//! What a case is made of: plain data that can be drawn, shrunk and printed.
//!
//! All times are milliseconds.

/// A stack, and the clients that ask it.
#[derive(Clone, Debug)]
pub struct Case {
    pub stack: Stack,
    pub clients: Vec<Client>,
}

#[derive(Clone, Debug)]
pub struct Stack {
    /// The outermost first.
    pub top: Vec<Top>,
    /// Whether a router stands below, even with one group.
    pub routed: bool,
    pub groups: Vec<Group>,
    /// `max_attempts_per_request` of the fallback and of each retry layer.
    pub cap: Option<usize>,
    pub seed: u64,
}

#[derive(Clone, Debug)]
pub enum Top {
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
pub struct Group {
    /// Above the balance, the outermost first.
    pub layers: Vec<GroupLayer>,
    pub balance: Balance,
    pub deployments: Vec<Deployment>,
    /// Whether its first deployment is that of the first group.
    pub shares: bool,
}

#[derive(Clone, Debug)]
pub enum GroupLayer {
    Retry(Retry),
    StreamTimeout(StreamTimeout),
    Timeout(Timeout),
}

#[derive(Clone, Debug)]
pub struct Retry {
    pub retries: u32,
    pub exhaust_untried: bool,
    pub max_wait: u64,
}

#[derive(Clone, Debug)]
pub struct Balance {
    pub strategy: usize,
    pub enforce_limits: bool,
    /// Any of the tags, or all of them.
    pub tags: Option<bool>,
    pub max_parallel_wait: u64,
    pub cooldown_wait: u64,
    pub last_resort: bool,
}

#[derive(Clone, Debug)]
pub struct Deployment {
    /// The outermost first.
    pub layers: Vec<Layer>,
    pub weight: Option<u8>,
    pub order: Option<u8>,
    pub rpm: Option<u8>,
    pub tpm: Option<u16>,
    pub max_parallel_requests: Option<u32>,
    pub tags: Vec<&'static str>,
    pub origin: Option<&'static str>,
    pub max_retries: Option<u32>,
    pub ready: Ready,
    /// One per call, again from the first after the last.
    pub answers: Vec<Answer>,
}

#[derive(Clone, Debug)]
pub enum Layer {
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
pub struct Cooldown {
    pub time: u64,
    pub allowed_fails: Option<u32>,
    pub slow_start: u64,
    /// The share of its group that may be away, in percent.
    pub max_share: Option<u8>,
    pub protected: bool,
    pub last_resort: bool,
}

#[derive(Clone, Debug)]
pub struct StreamTimeout {
    pub first: u64,
    pub idle: Option<u64>,
    pub total: u64,
}

#[derive(Clone, Debug)]
pub struct Timeout {
    pub limit: u64,
    pub stream: u64,
}

/// When an instance gets ready.
#[derive(Clone, Debug)]
pub enum Ready {
    Always,
    AfterPolls(u8),
    After(u64),
}

#[derive(Clone, Debug)]
pub enum Answer {
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
pub struct Stream {
    /// To the head.
    pub delay: u64,
    pub comments: u8,
    /// From the head to the first content.
    pub first: u64,
    pub chunks: u8,
    pub gap: u64,
    pub end: StreamEnd,
    /// Whether the content type tells that it is one.
    pub typed: bool,
    /// Whether the body tells at its last frame that it is the last.
    pub silent_end: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamEnd {
    Done,
    WithoutDone,
    Trailers,
    Cut,
    Stall,
    /// All was said, but the body does not end.
    Linger,
}

#[derive(Clone, Debug)]
pub struct Client {
    pub start: u64,
    pub group: usize,
    pub stream: bool,
    pub prompt: Prompt,
    /// One list, or a second that narrows it.
    pub regions: Vec<Vec<&'static str>>,
    pub tags: Vec<&'static str>,
    pub wishes: Wishes,
    /// How long it takes for each frame.
    pub pause: u64,
    pub leaves: Leaves,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prompt {
    Unknown,
    Short,
    Long,
}

#[derive(Clone, Debug)]
pub struct Wishes {
    pub timeout: Option<u64>,
    pub stream_timeout: Option<u64>,
    pub idle: Option<u64>,
    pub stream_total: Option<u64>,
    pub total: Option<u64>,
    pub max_retries: Option<u32>,
    pub no_fallbacks: bool,
}

/// When a client hangs up.
#[derive(Clone, Debug)]
pub enum Leaves {
    Never,
    After(u64),
    AfterFrames(u8),
}
