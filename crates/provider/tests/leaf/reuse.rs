//! Connections that are gone when they are used again.

use crate::*;

/// Calls twice, the second time on the connection of the first, and returns the second outcome.
async fn second_call(
    second: Step,
    then: Step,
    stream: bool,
) -> (Result<Response<ProviderBody>, Failure>, Running) {
    let upstream = upstream(Script::new([Step::hello(), second, then])).await;
    let mut leaf = leaf_at(&upstream.url());
    let first = leaf.ready().await.unwrap().call(ask(false)).await.unwrap();
    read(first).await.unwrap();
    // The connection goes back to the pool in a task of its own.
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
    let result = leaf.ready().await.unwrap().call(ask(stream)).await;
    let hits = upstream.hits();
    assert_eq!(hits[0].connection(), hits[1].connection());
    (result, upstream)
}

fn closes() -> Step {
    Step::garbage("")
}

#[tokio::test]
async fn a_request_is_sent_again_if_its_connection_is_gone() {
    for (gone, stream) in [
        (closes(), false),
        (Step::reset(), false),
        (closes(), true),
        (Step::reset(), true),
    ] {
        let (result, upstream) = second_call(gone, Step::hello(), stream).await;
        let answer = read(result.unwrap()).await.unwrap();
        assert!(String::from_utf8_lossy(&answer).contains("hello"));
        let hits = upstream.hits();
        assert_eq!(hits.len(), 3);
        assert_eq!(hits[1].body(), hits[2].body());
        assert_eq!(hits[1].headers(), hits[2].headers());
        assert_ne!(hits[1].connection(), hits[2].connection());
    }
}

/// A new connection that breaks is a failure, however many old ones there are.
#[tokio::test]
async fn a_request_is_sent_again_only_once() {
    for gone in [closes(), Step::reset()] {
        let (result, upstream) = second_call(gone.clone(), gone, false).await;
        let failure = result.unwrap_err();
        assert_eq!(failure.kind(), FailureKind::Disconnected);
        assert!(failure.is_sent_twice());
        assert_eq!(upstream.count(), 3);
    }
}

/// Who has said anything has taken the request up.
#[tokio::test]
async fn a_request_that_is_being_answered_is_not_sent_again() {
    for part in ["H", "HTTP/1.1 200 OK\r\ncontent-type: "] {
        let (result, upstream) = second_call(Step::garbage(part), Step::hello(), false).await;
        assert_eq!(result.unwrap_err().kind(), FailureKind::Disconnected);
        assert_eq!(upstream.count(), 2);
    }
}
