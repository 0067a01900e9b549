//! Timeout and stream timeout.

use std::time::Duration;

use tower_http::timeout::{ResponseBodyDeadlineLayer, ResponseBodyTimeoutLayer};
use tower_layer::Layer;
use ziggurat_stream_timeout::StreamTimeoutLayer;
use ziggurat_timeout::TimeoutLayer;

use super::Row;
use crate::{
    leaf::Leaf,
    round::{Round, calls, frames, request},
};

const LIMIT: Duration = Duration::from_secs(600);

pub(super) fn rows() -> Vec<Row> {
    vec![
        Row::new("timeout", ours).beside("tower Timeout (head only)", heads),
        Row::new("timeout, to the last byte", ours)
            .beside("tower Timeout + tower-http ResponseBodyDeadline", whole),
        Row::new("timeout, pending once", ours_pending)
            .over("leaf, pending once")
            .beside("tower Timeout (head only)", heads_pending),
        Row::new("timeout, to the last byte, pending once", ours_pending)
            .over("leaf, pending once")
            .beside(
                "tower Timeout + tower-http ResponseBodyDeadline",
                whole_pending,
            ),
        Row::new("timeout, one frame", || {
            frames(layer().layer(Leaf::new().streaming()), request())
        })
        .over("leaf, one frame")
        .beside("tower-http ResponseBodyDeadline", || {
            let layer = ResponseBodyDeadlineLayer::new(LIMIT);
            frames(layer.layer(Leaf::new().streaming()), request())
        }),
        Row::new("stream-timeout, plain response", || {
            calls(stream().layer(Leaf::new()), request)
        }),
        Row::new("stream-timeout, one frame", || {
            frames(stream().layer(Leaf::new().streaming()), request())
        })
        .over("leaf, one frame")
        .beside("tower-http ResponseBodyTimeout", || {
            let layer = ResponseBodyTimeoutLayer::new(LIMIT);
            frames(layer.layer(Leaf::new().streaming()), request())
        }),
    ]
}

fn layer() -> TimeoutLayer {
    TimeoutLayer::new(LIMIT)
}

fn stream() -> StreamTimeoutLayer {
    StreamTimeoutLayer::new(LIMIT)
}

fn ours() -> Round {
    calls(layer().layer(Leaf::new()), request)
}

fn ours_pending() -> Round {
    calls(layer().layer(Leaf::new().pending()), request)
}

fn heads() -> Round {
    calls(tower::timeout::Timeout::new(Leaf::new(), LIMIT), request)
}

fn heads_pending() -> Round {
    calls(
        tower::timeout::Timeout::new(Leaf::new().pending(), LIMIT),
        request,
    )
}

fn whole() -> Round {
    let body = ResponseBodyDeadlineLayer::new(LIMIT).layer(Leaf::new());
    calls(tower::timeout::Timeout::new(body, LIMIT), request)
}

fn whole_pending() -> Round {
    let body = ResponseBodyDeadlineLayer::new(LIMIT).layer(Leaf::new().pending());
    calls(tower::timeout::Timeout::new(body, LIMIT), request)
}
