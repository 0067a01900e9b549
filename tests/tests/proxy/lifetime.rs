//! The end of a server.

use std::time::Duration;

use http_body_util::BodyExt;
use serde_json::json;
use tokio::{io::AsyncWriteExt, net::TcpStream, time::Instant};
use ziggurat_testing::mock::{Answer, Running, Step};

use crate::support::{Proxy, config, upstream};

async fn start(drain: u64) -> (Proxy, Running) {
    let step =
        Step::answer(Answer::deltas(["one", " two", " three"])).interval(Duration::from_secs(1));
    let up = upstream("a", [step]).await;
    let yaml =
        "model_list: [{model_name: m, litellm_params: {model: openai/x, api_base: os.environ/A}}]";
    let config = config(yaml, &[("A", up.url())]);
    (
        Proxy::start_with(&config, Duration::from_secs(drain)).await,
        up,
    )
}

/// Stops a proxy, and says how long it took to end.
async fn stop(proxy: Proxy) -> Duration {
    let started = Instant::now();
    proxy.stop();
    proxy.ended().await;
    started.elapsed()
}

#[tokio::test(start_paused = true)]
async fn running_streams_end_and_new_connections_are_refused() {
    let (proxy, _up) = start(30).await;
    let mut body = proxy
        .send(proxy.chat_request("m", &json!({"stream": true})))
        .await
        .into_body();
    let mut text = body
        .frame()
        .await
        .unwrap()
        .unwrap()
        .into_data()
        .unwrap()
        .to_vec();
    proxy.stop();
    while let Some(frame) = body.frame().await {
        text.extend_from_slice(&frame.unwrap().into_data().unwrap());
    }
    assert!(
        text.ends_with(b"data: [DONE]\n\n"),
        "{}",
        String::from_utf8_lossy(&text)
    );
    let address = proxy.address;
    let started = Instant::now();
    proxy.ended().await;
    assert!(
        started.elapsed() < Duration::from_secs(1),
        "nothing was left to wait for"
    );
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn the_drain_timeout_bounds_the_wait() {
    let (proxy, up) = start(2).await;
    up.set_script([Step::hang()]);
    let call = tokio::spawn(proxy.client.request(proxy.chat_request("m", &json!({}))));
    up.wait_for(1).await;
    assert_eq!(stop(proxy).await.as_secs(), 2);
    assert!(call.await.unwrap().is_err());
    assert!(up.hits()[0].ended().await != ziggurat_testing::mock::Progress::Running);
}

#[tokio::test(start_paused = true)]
async fn an_idle_server_ends_after_a_moment() {
    let (proxy, up) = start(30).await;
    up.set_script([Step::hello()]);
    assert_eq!(proxy.chat("m", &json!({})).await.content(), "hello from a");
    let took = stop(proxy).await;
    assert!(took < Duration::from_millis(1100), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_acknowledges_nothing_does_not_delay_the_end() {
    let (proxy, up) = start(30).await;
    up.set_script([Step::hello()]);
    let mut silent = TcpStream::connect(proxy.address).await.unwrap();
    let opening = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    silent.write_all(opening).await.unwrap();
    // By then the opening has been read as well.
    assert_eq!(proxy.chat("m", &json!({})).await.content(), "hello from a");
    let took = stop(proxy).await;
    assert!(took < Duration::from_millis(2500), "{took:?}");
}
