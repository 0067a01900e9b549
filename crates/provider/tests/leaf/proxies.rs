//! Proxies.

use crate::*;

fn leaf_through(proxy: &str, url: &str) -> ProviderService {
    let dialect = OpenAi::builder(Face::OpenAi, "m")
        .api_base(url)
        .api_key(KEY)
        .build()
        .unwrap();
    let proxy = proxy.replace("http://", "http://user:pass@");
    let client = HttpClient::builder()
        .proxy_environment(|name| match name {
            "http_proxy" | "HTTPS_PROXY" => Some(proxy.clone()),
            "no_proxy" => Some("near.test,127.0.0.1".to_owned()),
            _ => None,
        })
        .build();
    let served = Served::new("one".into(), "m", None);
    ProviderService::new(client, Arc::new(dialect), served)
}

#[tokio::test]
async fn a_proxy_is_asked_for_the_whole_url_of_a_plain_upstream() {
    let proxy = upstream(Step::hello()).await;
    let leaf = leaf_through(&proxy.url(), "http://far.test/v1");
    let response = leaf.oneshot(ask(false)).await.unwrap();
    assert_eq!(response.status(), 200);
    let hit = &proxy.hits()[0];
    assert_eq!(hit.uri().to_string(), "http://far.test/v1/chat/completions");
    assert_eq!(
        hit.header("proxy-authorization"),
        Some("Basic dXNlcjpwYXNz")
    );
}

#[tokio::test]
async fn a_proxy_is_asked_for_a_tunnel_to_an_upstream_with_tls() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let proxy = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let leaf = leaf_through(
        &format!("http://{}", proxy.local_addr().unwrap()),
        "https://far.test/v1",
    );
    let asked = async {
        let (mut stream, _) = proxy.accept().await.unwrap();
        let mut head = vec![0; 1024];
        let length = stream.read(&mut head).await.unwrap();
        stream
            .write_all(b"HTTP/1.1 403 Forbidden\r\n\r\n")
            .await
            .unwrap();
        String::from_utf8(head[..length].to_vec()).unwrap()
    };
    let (failure, head) = tokio::join!(leaf.oneshot(ask(false)), asked);
    assert!(
        head.starts_with("CONNECT far.test:443 HTTP/1.1\r\n"),
        "{head}"
    );
    assert!(
        head.to_ascii_lowercase()
            .contains("proxy-authorization: basic dxnlcjpwyxnz"),
        "{head}"
    );
    assert!(!head.contains(KEY));
    assert_eq!(failure.unwrap_err().kind(), FailureKind::Connect);
}

#[tokio::test]
async fn hosts_that_need_no_proxy_are_asked_directly() {
    let upstream = upstream(Step::hello()).await;
    let nowhere = Closed::new().unwrap();
    let leaf = leaf_through(&nowhere.url(), &upstream.url());
    leaf.oneshot(ask(false)).await.unwrap();
    assert_eq!(upstream.hits()[0].header("proxy-authorization"), None);
}
