//! Clients of HTTP/2 that ask for more than any client needs. Byte by byte, for no library sends such things.

use std::time::Duration;

use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use ziggurat_testing::mock::{Running, Step};

use crate::support::{Proxy, upstream};

const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const CONTINUATION: u8 = 9;

const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// RFC 9113, section 7.
const REFUSED_STREAM: u32 = 7;
const ENHANCE_YOUR_CALM: u32 = 11;

/// Streams that a connection may have open.
const MAX_STREAMS: u32 = 200;

/// What nobody waits for unless something fails.
const LONG: Duration = Duration::from_secs(30);

async fn start(step: Step) -> (Proxy, Running) {
    let up = upstream("a", [step]).await;
    let yaml =
        "model_list: [{model_name: m, litellm_params: {model: openai/x, api_base: os.environ/A}}]";
    let proxy = Proxy::start(yaml, &[("A", up.url())]).await;
    (proxy, up)
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = [&length[1..], &[kind, flags], &stream.to_be_bytes()].concat();
    frame.extend_from_slice(payload);
    frame
}

/// A request in fields that need no table: `POST` or, `GET`, a path, and the host `h`.
fn fields(is_post: bool, path: &str) -> Vec<u8> {
    let method = if is_post { 0x83 } else { 0x82 };
    let length = u8::try_from(path.len()).unwrap();
    [
        &[method, 0x86, 0x04, length],
        path.as_bytes(),
        &[0x01, 1, b'h'],
    ]
    .concat()
}

/// Opens a connection of HTTP/2.
async fn connect(proxy: &Proxy) -> TcpStream {
    let mut client = TcpStream::connect(proxy.address).await.unwrap();
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    let opening = [&preface[..], &frame(SETTINGS, 0, 0, &[])].concat();
    client.write_all(&opening).await.unwrap();
    client
}

/// Reads frames until `wanted` is there: its kind, stream and payload.
async fn read_until(
    client: &mut (impl AsyncReadExt + Unpin),
    mut wanted: impl FnMut(u8, u32, &[u8]) -> bool,
) {
    let mut head = [0; 9];
    loop {
        timeout(LONG, client.read_exact(&mut head))
            .await
            .unwrap()
            .unwrap();
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        let mut payload = vec![0; length as usize];
        client.read_exact(&mut payload).await.unwrap();
        if wanted(head[3], stream, &payload) {
            return;
        }
    }
}

fn code(payload: &[u8]) -> u32 {
    u32::from_be_bytes(payload[payload.len() - 4..].try_into().unwrap())
}

async fn is_well(proxy: &Proxy, up: &Running) {
    up.set_script([Step::hello()]);
    assert_eq!(proxy.chat("m", &json!({})).await.content(), "hello from a");
}

#[tokio::test]
async fn streams_that_are_opened_and_reset_end_their_connection() {
    let (proxy, up) = start(Step::hello()).await;
    let mut client = connect(&proxy).await;
    let mut flood = Vec::new();
    for stream in (1..20_000).step_by(2) {
        let fields = fields(true, "/v1/chat/completions");
        flood.extend(frame(HEADERS, END_HEADERS, stream, &fields));
        flood.extend(frame(RST_STREAM, 0, stream, &[0, 0, 0, 8]));
    }
    let (mut read, mut write) = client.split();
    let calm = read_until(&mut read, |kind, _, payload| {
        kind == GOAWAY && code(&payload[..8]) == ENHANCE_YOUR_CALM
    });
    // It is no longer read at some point.
    let ((), _) = tokio::join!(calm, write.write_all(&flood));
    assert_eq!(up.count(), 0);
    is_well(&proxy, &up).await;
}

#[tokio::test]
async fn a_head_without_an_end_ends_its_connection() {
    let (proxy, up) = start(Step::hello()).await;
    let mut client = connect(&proxy).await;
    let fields = fields(true, "/v1/chat/completions");
    client
        .write_all(&frame(HEADERS, 0, 1, &fields))
        .await
        .unwrap();
    // A field that is not to be kept: a name of one byte, a value of many.
    let field = [&[0x10, 1, b'x', 0x7f, 0x81, 0x7c][..], &[b'y'; 16_000]].concat();
    let (mut read, mut write) = client.split();
    let flood = async {
        let mut sent = 0;
        while write
            .write_all(&frame(CONTINUATION, 0, 1, &field))
            .await
            .is_ok()
        {
            sent += field.len();
            assert!(sent < 64 << 20, "it is read for ever");
        }
    };
    let calm = read_until(&mut read, |kind, _, _| kind == GOAWAY);
    tokio::select! {
        () = flood => {}
        () = calm => {}
    }
    is_well(&proxy, &up).await;
}

#[tokio::test]
async fn streams_beyond_the_limit_are_refused_and_the_others_go_on() {
    let (proxy, up) = start(Step::hang()).await;
    let mut client = connect(&proxy).await;
    let path = "/v1/chat/completions";
    let mut all = Vec::new();
    // Requests whose bodies do not come.
    for stream in (0..=MAX_STREAMS).map(|n| 2 * n + 1) {
        all.extend(frame(HEADERS, END_HEADERS, stream, &fields(true, path)));
    }
    client.write_all(&all).await.unwrap();
    let beyond = 2 * MAX_STREAMS + 1;
    read_until(&mut client, |kind, stream, payload| {
        kind == RST_STREAM && stream == beyond && code(payload) == REFUSED_STREAM
    })
    .await;
    // One of them gives its place to the next.
    let mut more = frame(RST_STREAM, 0, 1, &[0, 0, 0, 8]);
    let flags = END_HEADERS | END_STREAM;
    more.extend(frame(
        HEADERS,
        flags,
        beyond + 2,
        &fields(false, "/v1/models"),
    ));
    client.write_all(&more).await.unwrap();
    read_until(&mut client, |kind, stream, _| {
        kind == HEADERS && stream == beyond + 2
    })
    .await;
    is_well(&proxy, &up).await;
}

#[tokio::test]
async fn a_head_that_is_too_large_is_refused() {
    let (proxy, up) = start(Step::hello()).await;
    let mut client = connect(&proxy).await;
    let fields = fields(false, "/v1/models");
    let mut all = frame(HEADERS, END_STREAM, 1, &fields);
    let field = [&[0x10, 1, b'x', 0x7f, 0x81, 0x7c][..], &[b'y'; 16_000]].concat();
    all.extend(frame(CONTINUATION, 0, 1, &field));
    all.extend(frame(CONTINUATION, END_HEADERS, 1, &field));
    client.write_all(&all).await.unwrap();
    // 431 has no short form in the static table: that there is an answer on this stream, and no list of models, is enough.
    read_until(&mut client, |kind, stream, payload| {
        assert!(
            !payload.windows(4).any(|text| text == b"data"),
            "it was served"
        );
        kind == GOAWAY || (stream == 1 && (kind == HEADERS || kind == RST_STREAM))
    })
    .await;
    is_well(&proxy, &up).await;
}
