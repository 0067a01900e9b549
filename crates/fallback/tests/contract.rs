//! The contract of every layer.

mod common;

use bytes::Bytes;
use common::general;
use http::Request;
use http_body_util::Full;
use ziggurat_core::ModelGroup;
use ziggurat_testing::contract;

fn request(group: &str) -> Request<Full<Bytes>> {
    let mut request = contract::request();
    request.extensions_mut().insert(ModelGroup::from(group));
    request
}

#[tokio::test(start_paused = true)]
async fn it_holds_with_a_chain_ahead() {
    contract::all(&general(&[("a", &["b", "c"])]), &request("a")).await;
}

#[tokio::test(start_paused = true)]
async fn it_holds_with_all_options() {
    let layer = general(&[("a", &["b", "c"])])
        .skip(|group, _| group.as_str() == "b")
        .content_policy(common::table(&[("a", &["c"])]));
    contract::all(&layer, &request("a")).await;
}

#[tokio::test(start_paused = true)]
async fn it_holds_without_a_chain() {
    contract::all(&general(&[("a", &["b"])]), &request("x")).await;
}

#[tokio::test(start_paused = true)]
async fn it_holds_without_any_extension() {
    contract::all(&general(&[("*", &["b"])]), &contract::request()).await;
}
