//! Bytes of any kind, in place of a stream or of an error.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use bytes::Bytes;
use http::{Request, Response};
use proptest::prelude::*;
use ziggurat_core::{JsonBody, json::Document};
use ziggurat_openai::{Face, OpenAi};
use ziggurat_provider::{Call, Dialect, Exchange, Streamed};

fn exchange(face: Face) -> Box<dyn Exchange> {
    let builder = OpenAi::builder(face, "m").api_base("https://h.example");
    let dialect = builder.api_key("sk-a-long-key").build().unwrap();
    let body = Document::parse(Bytes::from_static(br#"{"messages":[],"stream":true}"#)).unwrap();
    let request = Request::new(JsonBody::new(body));
    dialect.prepare(Call::new(&request, &[])).unwrap().exchange
}

fn face() -> impl Strategy<Value = Face> {
    prop_oneof![
        Just(Face::OpenAi),
        Just(Face::Azure),
        Just(Face::HuggingFace)
    ]
}

/// Bytes, and pieces of what is read.
fn pieces() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let known: &[&[u8]] = &[
        b"data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"x\"}]}\n\n",
        b"data: {\"choices\":[{\"index\":-1,\"delta\":[]}],\"usage\":1,\"id\":\"\"}\r\n\r\n",
        b"data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"}}]}\n\n",
        b"event: error\ndata: ",
        b"data: {\"error\":\"sk-a-long-key\"}\n\n",
        b"data: [DONE]\n\n",
    ];
    let known = proptest::sample::select(known.to_vec()).prop_map(<[u8]>::to_vec);
    let any = proptest::collection::vec(any::<u8>(), 0..64);
    proptest::collection::vec(prop_oneof![any, known], 0..10)
}

proptest! {
    #[test]
    fn a_stream_of_any_bytes_ends(face in face(), pieces in pieces()) {
        let mut exchange = exchange(face);
        let (mut out, mut over) = (Vec::new(), None);
        for piece in pieces {
            let Streamed { data, end } = exchange.chunk(piece.into());
            out.extend_from_slice(&data);
            over = end;
            if over.is_some() {
                break;
            }
        }
        if over.is_none() {
            let Streamed { data, end } = exchange.end(None);
            out.extend_from_slice(&data);
            over = end;
        }
        prop_assert_eq!(out.ends_with(b"data: [DONE]\n\n"), over.unwrap().is_ok());
    }

    #[test]
    fn an_error_of_any_bytes_is_a_failure(
        face in face(), status in 400_u16..600, body in proptest::collection::vec(any::<u8>(), 0..256),
    ) {
        let head = Response::builder().status(status).body(()).unwrap().into_parts().0;
        let failure = exchange(face).refused(&head, &mut body.into());
        prop_assert!(failure.status().is_client_error() || failure.status().is_server_error());
    }

    #[test]
    fn an_error_of_any_json_shows_no_key(
        body in "\\{\"(error|errors|message|detail)\":([\\[\\]{}:,\"a-z0-9]{0,24}|\"sk-a-long-key\"|\\[\\{\"message\":\"sk-a-long-key\"\\}\\])\\}",
    ) {
        let head = Response::builder().status(400).body(()).unwrap().into_parts().0;
        let mut body = Bytes::from(body);
        let failure = exchange(Face::OpenAi).refused(&head, &mut body);
        let shown = failure.upstream().unwrap().message().to_owned();
        prop_assert!(!shown.contains("sk-a-long-key") && !String::from_utf8_lossy(&body).contains("sk-a-long-key"));
        let _ = exchange(Face::OpenAi).plain(body);
    }
}
