//! What the head of an answer announces, and what is done about it.

use crate::*;

/// An answer of this status and type.
fn typed(status: u16, content_type: Option<&str>, body: &str) -> Step {
    let mut response = Response::builder().status(status);
    if let Some(content_type) = content_type {
        response = response.header("content-type", content_type);
    }
    Step::respond(response.body(body.to_owned()).unwrap())
}

const ANSWER: &str = r#"{"id":"a","model":"m","choices":[{"index":0,"message":{"content":"hi"}}]}"#;
const ERROR: &str = r#"{"error":{"message":"slow down","code":"rate_limit_exceeded"}}"#;

fn events() -> String {
    format!(
        "data: {{\"id\":\"a\",\"model\":\"m\",\"choices\":[{{\"index\":0,\"delta\":{{}},\"finish_reason\":\"stop\"}}]}}\n\n{}",
        "data: [DONE]\n\n"
    )
}

async fn refused(step: Step, streams: bool) -> FailureKind {
    let upstream = upstream(step).await;
    let response = call(&upstream, streams).await.unwrap();
    let kind = failure(&response).kind();
    assert!(!response.status().is_success());
    assert_eq!(read(response).await.unwrap(), "", "its text stays here");
    kind
}

#[tokio::test]
async fn only_event_streams_and_json_answer_a_stream_request() {
    let key = format!("bad key {KEY}, trace at foo");
    let page = "<html>hush\n\nhush</html>";
    let cases = [
        (Some("text/plain"), &*key),
        (None, &*key),
        (Some(""), &*key),
        (Some("application/problem+json"), ERROR),
        (Some("application/xhtml+xml"), page),
        (Some("Text/HTML; charset=utf-8"), page),
        (None, page),
        (Some("application/octet-stream"), &*key),
        (Some("text/event-streams"), &*events()),
        (Some("application/jsonl"), ANSWER),
        (Some("text/plain"), "data"),
        (None, ""),
    ]
    .map(|(content_type, body)| (content_type, body.to_owned()));
    for (content_type, body) in cases {
        let kind = refused(typed(200, content_type, &body), true).await;
        let expected = match &*body {
            ERROR => FailureKind::RateLimited,
            _ => FailureKind::InvalidResponse,
        };
        assert_eq!(kind, expected, "{content_type:?} {body}");
    }
    assert_eq!(
        refused(typed(200, None, ERROR), true).await,
        FailureKind::RateLimited
    );
}

#[tokio::test]
async fn json_under_any_of_its_names_is_read_whole() {
    for content_type in [
        None,
        Some("application/json"),
        Some("Application/JSON ; charset=utf-8"),
        Some("application/vnd.x+json"),
    ] {
        let upstream = upstream(typed(200, content_type, ANSWER)).await;
        let response = call(&upstream, true).await.unwrap();
        assert_eq!(
            response.headers()["content-type"],
            "text/event-stream; charset=utf-8"
        );
        let answer = read(response).await.unwrap();
        let choice =
            r#"[{"index":0,"delta":{"content":"hi","role":"assistant"},"finish_reason":"stop"}]"#;
        let object = r#""object":"chat.completion.chunk""#;
        let chunk = format!(r#"{{"id":"a","model":"group","choices":{choice},{object}}}"#);
        assert_eq!(
            answer,
            format!("data: {chunk}\n\ndata: [DONE]\n\n"),
            "{content_type:?}"
        );
    }
}

#[tokio::test]
async fn a_stream_is_known_by_its_name_or_its_beginning() {
    let beginnings = [
        "",
        "\u{feff}",
        "\n\n",
        ": ping\n\n",
        "event: x\n",
        "id: 1\n",
        "retry: 5\n",
    ];
    let types = [
        Some("text/event-stream"),
        Some("Text/Event-Stream;charset=utf-8"),
        Some("text/plain; charset=utf-8"),
        None,
    ];
    for content_type in types {
        for beginning in beginnings {
            let body = beginning.to_owned() + &events();
            // So small that the beginning comes in pieces.
            let step = typed(200, content_type, &body).trickle(NonZeroUsize::new(2).unwrap());
            let upstream = upstream(step).await;
            let response = call(&upstream, true).await.unwrap();
            assert_eq!(
                response.headers()["content-type"],
                "text/event-stream; charset=utf-8"
            );
            let text = read(response).await.unwrap();
            let text = String::from_utf8_lossy(&text);
            assert!(
                text.contains(r#""model":"group""#),
                "{content_type:?} {beginning:?}: {text}"
            );
            assert!(text.ends_with("data: [DONE]\n\n"));
        }
    }
}

#[tokio::test]
async fn the_status_of_an_answer_is_200_and_some_are_none() {
    let sse = Some("text/event-stream");
    for streams in [true, false] {
        for status in [204, 205, 206] {
            for (content_type, body) in [(sse, events()), (Some("application/json"), ANSWER.into())]
            {
                let body = if status == 206 { body } else { String::new() };
                let kind = refused(typed(status, content_type, &body), streams).await;
                assert_eq!(kind, FailureKind::InvalidResponse, "{status}");
            }
        }
    }
    for (step, streams) in [
        (typed(202, Some("application/json"), ANSWER), false),
        (typed(201, sse, &events()), true),
    ] {
        let upstream = upstream(step).await;
        let response = call(&upstream, streams).await.unwrap();
        assert_eq!(response.status(), 200);
        assert!(response.extensions().get::<Failure>().is_none());
    }
}

#[tokio::test]
async fn what_is_no_answer_keeps_its_text_to_itself() {
    for step in [
        typed(200, Some("application/json"), &format!("[\"{KEY}\"]")),
        typed(200, Some("text/html"), KEY),
        typed(302, None, KEY),
    ] {
        assert_eq!(refused(step, false).await, FailureKind::InvalidResponse);
    }
}
