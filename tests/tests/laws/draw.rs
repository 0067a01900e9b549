//! Draws cases.

use proptest::{
    collection::vec,
    option,
    prelude::*,
    sample::{select, subsequence},
};

use crate::plan::{
    Answer, Balance, Case, Client, Cooldown, Deployment, Group, GroupLayer, Layer, Leaves, Prompt,
    Ready, Retry, Stack, Stream, StreamEnd, StreamTimeout, Timeout, Top, Wishes,
};

pub(crate) fn case() -> impl Strategy<Value = Case> {
    (stack(), vec(client(), 1..=8)).prop_map(|(stack, clients)| Case { stack, clients })
}

fn stack() -> impl Strategy<Value = Stack> {
    let top = subsequence(vec![0, 1, 2], 0..=3).prop_shuffle();
    let top =
        (top, time(), any::<bool>(), fallback()).prop_map(|(order, total, inline, fallback)| {
            let layer = |which| match which {
                0 => Top::Total(total * 10),
                1 => Top::Precount { inline },
                _ => fallback.clone(),
            };
            order.into_iter().map(layer).collect()
        });
    let cap = option::weighted(0.6, 1_usize..=6);
    (top, any::<bool>(), vec(group(), 1..=3), cap, any::<u64>()).prop_map(
        |(top, routed, groups, cap, seed)| Stack {
            top,
            routed,
            groups,
            cap,
            seed,
        },
    )
}

fn fallback() -> impl Strategy<Value = Top> {
    let chains = vec(vec(0_usize..=3, 0..=3), 3);
    (chains, 0_u32..=4, any::<bool>()).prop_map(|(chains, max, on_refusal)| Top::Fallback {
        chains,
        max,
        on_refusal,
    })
}

fn group() -> impl Strategy<Value = Group> {
    // Retry stands in most groups, timers above the balance in few.
    let which = prop_oneof![
        2 => Just(vec![]),
        6 => Just(vec![0]),
        2 => subsequence(vec![0, 1, 2], 1..=3).prop_shuffle(),
    ];
    let layers = (which, retry(), stream_timeout(), timeout()).prop_map(|(which, r, s, t)| {
        let layer = |which| match which {
            0 => GroupLayer::Retry(r.clone()),
            1 => GroupLayer::StreamTimeout(s.clone()),
            _ => GroupLayer::Timeout(t.clone()),
        };
        which.into_iter().map(layer).collect()
    });
    let deployments = vec(deployment(), 1..=3);
    (layers, balance(), deployments, any::<bool>()).prop_map(
        |(layers, balance, deployments, shares)| Group {
            layers,
            balance,
            deployments,
            shares,
        },
    )
}

fn retry() -> impl Strategy<Value = Retry> {
    let max_wait = select(vec![60_000, 0, 2_000]);
    (0_u32..=4, any::<bool>(), max_wait).prop_map(|(retries, exhaust_untried, max_wait)| Retry {
        retries,
        exhaust_untried,
        max_wait,
    })
}

fn balance() -> impl Strategy<Value = Balance> {
    let tags = option::weighted(0.2, any::<bool>());
    let wait = || prop_oneof![2 => Just(0), 1 => time()];
    (
        0_usize..6,
        any::<bool>(),
        tags,
        wait(),
        wait(),
        any::<bool>(),
    )
        .prop_map(
            |(strategy, enforce_limits, tags, max_parallel_wait, cooldown_wait, last_resort)| {
                Balance {
                    strategy,
                    enforce_limits,
                    tags,
                    max_parallel_wait,
                    cooldown_wait,
                    last_resort,
                }
            },
        )
}

fn deployment() -> impl Strategy<Value = Deployment> {
    let which = subsequence(vec![0, 1, 2, 3, 4], 0..=5).prop_shuffle();
    let kinds = (region(), window(), cooldown(), stream_timeout(), timeout());
    let layers = (which, kinds).prop_map(|(which, (region, window, cooldown, stream, timeout))| {
        let layer = |which| match which {
            0 => Layer::Region(region),
            1 => window.clone(),
            2 => Layer::Cooldown(cooldown.clone()),
            3 => Layer::StreamTimeout(stream.clone()),
            _ => Layer::Timeout(timeout.clone()),
        };
        which.into_iter().map(layer).collect()
    });
    let numbers = (
        option::weighted(0.2, 0_u8..=3),
        option::weighted(0.2, 0_u8..=2),
        option::weighted(0.2, 0_u8..=6),
        option::weighted(0.2, 0_u16..=5000),
        option::weighted(0.3, 0_u32..=2),
        option::weighted(0.2, 0_u32..=3),
    );
    let origin = option::weighted(0.3, select(vec!["one", "two"]));
    let ready = prop_oneof![
        6 => Just(Ready::Always),
        1 => (1_u8..=3).prop_map(Ready::AfterPolls),
        1 => time().prop_map(Ready::After),
    ];
    (layers, numbers, tags(), origin, ready, vec(answer(), 1..=5)).prop_map(
        |(layers, (weight, order, rpm, tpm, parallel, retries), tags, origin, ready, answers)| {
            Deployment {
                layers,
                weight,
                order,
                rpm,
                tpm,
                max_parallel_requests: parallel,
                tags,
                origin,
                max_retries: retries,
                ready,
                answers,
            }
        },
    )
}

fn region() -> impl Strategy<Value = Option<&'static str>> {
    select(vec![Some("eu"), Some("eu-west-1"), Some("us-east-1"), None])
}

fn window() -> impl Strategy<Value = Layer> {
    (select(vec![50, 100_000]), any::<bool>())
        .prop_map(|(tokens, shared)| Layer::Window { tokens, shared })
}

fn cooldown() -> impl Strategy<Value = Cooldown> {
    (
        select(vec![1_000, 5_000, 60_000]),
        option::weighted(0.7, 0_u32..=2),
        select(vec![0, 10_000]),
        option::weighted(0.3, select(vec![0, 50, 100])),
        prop::bool::weighted(0.1),
        any::<bool>(),
    )
        .prop_map(
            |(time, allowed_fails, slow_start, max_share, protected, last_resort)| Cooldown {
                time,
                allowed_fails,
                slow_start,
                max_share,
                protected,
                last_resort,
            },
        )
}

fn stream_timeout() -> impl Strategy<Value = StreamTimeout> {
    let total = prop_oneof![2 => Just(0), 1 => time()];
    (none_or_time(), option::of(none_or_time()), total)
        .prop_map(|(first, idle, total)| StreamTimeout { first, idle, total })
}

fn timeout() -> impl Strategy<Value = Timeout> {
    (none_or_time(), prop_oneof![2 => Just(0), 1 => time()])
        .prop_map(|(limit, stream)| Timeout { limit, stream })
}

fn answer() -> impl Strategy<Value = Answer> {
    let codes = vec![500, 503, 429, 401, 404, 408, 400];
    prop_oneof![
        4 => (delay(), delay(), prop::bool::weighted(0.2))
            .prop_map(|(delay, pause, cut)| Answer::Plain { delay, pause, cut }),
        5 => stream().prop_map(Answer::Stream),
        4 => (delay(), select(codes), option::of(select(vec![0, 1, 3, 90])))
            .prop_map(|(delay, code, retry_after)| Answer::Status { delay, code, retry_after }),
        1 => any::<bool>().prop_map(|content| Answer::Refused { content }),
        1 => delay().prop_map(|delay| Answer::Error { delay }),
        1 => Just(Answer::Hang),
    ]
}

fn stream() -> impl Strategy<Value = Stream> {
    use StreamEnd::{Cut, Done, Linger, Stall, Trailers, WithoutDone};
    let ends = vec![Done, WithoutDone, Trailers, Cut, Stall, Linger];
    let frames = (0_u8..=3, delay(), 0_u8..=3, delay());
    (
        delay(),
        frames,
        select(ends),
        prop::bool::weighted(0.8),
        any::<bool>(),
    )
        .prop_map(
            |(delay, (comments, first, chunks, gap), end, typed, silent_end)| Stream {
                delay,
                comments,
                first,
                chunks,
                gap,
                end,
                typed,
                silent_end,
            },
        )
}

fn client() -> impl Strategy<Value = Client> {
    let prompt = prop_oneof![
        1 => Just(Prompt::Unknown),
        4 => Just(Prompt::Short),
        2 => Just(Prompt::Long),
    ];
    let names = subsequence(vec!["eu", "us", "eu-west-1"], 0..=2);
    let regions = prop_oneof![3 => Just(vec![]), 2 => vec(names, 1..=2)];
    let leaves = prop_oneof![
        3 => Just(Leaves::Never),
        1 => time().prop_map(Leaves::After),
        1 => (0_u8..=3).prop_map(Leaves::AfterFrames),
    ];
    let starts = prop_oneof![3 => Just(0_u64), 2 => time(), 2 => 0_u64..20_000];
    let pause = prop_oneof![3 => Just(0), 1 => time()];
    let asks = (starts, 0_usize..=3, any::<bool>(), prompt);
    (asks, regions, tags(), wishes(), pause, leaves).prop_map(
        |((start, group, stream, prompt), regions, tags, wishes, pause, leaves)| Client {
            start,
            group,
            stream,
            prompt,
            regions,
            tags,
            wishes,
            pause,
            leaves,
        },
    )
}

fn wishes() -> impl Strategy<Value = Wishes> {
    let wish = || option::weighted(0.1, none_or_time());
    let retries = option::weighted(0.2, 0_u32..=3);
    (
        wish(),
        wish(),
        wish(),
        wish(),
        wish(),
        retries,
        prop::bool::weighted(0.1),
    )
        .prop_map(
            |(timeout, stream_timeout, idle, stream_total, total, max_retries, no_fallbacks)| {
                Wishes {
                    timeout,
                    stream_timeout,
                    idle,
                    stream_total,
                    total,
                    max_retries,
                    no_fallbacks,
                }
            },
        )
}

fn tags() -> impl Strategy<Value = Vec<&'static str>> {
    prop_oneof![
        3 => Just(vec![]),
        1 => subsequence(vec!["fast", "cheap", "default"], 0..=2),
    ]
}

/// Some meet each other to the millisecond.
fn time() -> impl Strategy<Value = u64> {
    prop_oneof![select(vec![1, 500, 1_000, 2_000]), 1_u64..=3_000]
}

fn delay() -> impl Strategy<Value = u64> {
    prop_oneof![3 => Just(0), 2 => time()]
}

fn none_or_time() -> impl Strategy<Value = u64> {
    prop_oneof![1 => Just(0), 4 => time()]
}
