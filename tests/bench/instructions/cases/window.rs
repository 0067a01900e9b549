//! The context window filter, and the count before a choice.

use std::{borrow::Borrow, hint::black_box, sync::Arc};

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use tower_layer::Layer;
use ziggurat_context_window::{ContextWindowFilterLayer, PrecountLayer, Window};
use ziggurat_core::{Admit, LlmRequest, Open, json::Document};

use super::{Row, alone::large};
use crate::{
    leaf::Leaf,
    round::{Round, calls, sized},
};

/// More tokens than 1 KB has bytes: nothing is counted.
const WIDE: u64 = 128_000;

/// Fewer than 100 KB have bytes, more than they have tokens: only a count can tell.
const NARROW: u64 = 60_000;

const LONG: usize = 100 * 1024;

pub(super) fn rows() -> Vec<Row> {
    vec![
        Row::new("context window, fits by its size", || {
            admits(ready(1024), WIDE)
        })
        .over(""),
        Row::new("context window, 100 KB counted before", || {
            admits(ready(LONG), NARROW)
        })
        .over(""),
        Row::new("leaf, 100 KB read", || {
            let fresh = fresh(LONG);
            Box::new(move || drop(black_box(fresh())))
        })
        .base()
        .long(),
        Row::new("context window, 100 KB", || admits(fresh(LONG), NARROW))
            .over("leaf, 100 KB read")
            .long(),
        Row::new("leaf, request read", || calls(Leaf::new(), reading(LONG))).base(),
        Row::new("precount, fits by its size", || precount(1024, WIDE)).over("leaf, request read"),
        Row::new("precount, 100 KB counted before", || precount(LONG, NARROW))
            .over("leaf, request read"),
    ]
}

fn window(tokens: u64) -> Window {
    Window::new("gpt-4", Some(tokens))
}

/// A round is the question whether a deployment takes the request.
fn admits<R: Borrow<Request<()>>>(request: impl Fn() -> R + 'static, tokens: u64) -> Round {
    let filter = ContextWindowFilterLayer::new(window(tokens)).layer(Open::new(()));
    Box::new(move || {
        let request = request();
        let admitted = filter.admit(black_box(request.borrow()));
        assert!(black_box(admitted).is_ok(), "it fits");
    })
}

fn precount(len: usize, tokens: u64) -> Round {
    let layer = PrecountLayer::new([window(tokens)]).inline_up_to(u64::MAX);
    calls(layer.layer(Leaf::new()), reading(len))
}

fn read(body: Bytes) -> LlmRequest {
    LlmRequest::new("zephyr", false, Document::parse(body).expect("it is JSON"))
}

/// The same request each time.
fn ready(len: usize) -> impl Fn() -> Arc<Request<()>> {
    let request = Arc::new(fresh(len)());
    move || Arc::clone(&request)
}

/// A request that nobody has counted.
fn fresh(len: usize) -> impl Fn() -> Request<()> {
    let body = large(len);
    move || {
        let mut request = Request::new(());
        request.extensions_mut().insert(read(body.clone()));
        request
    }
}

/// Requests that share what is known of one, as attempts do.
fn reading(len: usize) -> impl Fn() -> Request<Full<Bytes>> {
    let body = large(len);
    let known = read(body.clone());
    move || {
        let mut request = sized(body.clone());
        request.extensions_mut().insert(known.clone());
        request
    }
}
