//! An upstream whose streams say a word and are silent until it is told to go on.

use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, stdin},
    net::TcpStream,
    sync::watch,
};

use crate::{Result, upstream::listen};

/// The content of the first event.
pub(crate) const FIRST: &str = "Silence";
/// The last event.
pub(crate) const LAST: &str = "data: [DONE]\n\n";

const HEAD: &str =
    "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";

/// Listens on any free port, says on which, and serves until it is killed.
#[tokio::main(flavor = "current_thread")]
pub(crate) async fn run() -> Result<()> {
    let listener = listen().await?;
    let (go_on, silence) = watch::channel(false);
    tokio::spawn(async move {
        // The line may end as the pipe does.
        let _ = BufReader::new(stdin()).lines().next_line().await;
        go_on.send_replace(true);
        std::future::pending::<()>().await;
    });
    loop {
        let (stream, _) = listener.accept().await?;
        let silence = silence.clone();
        // Whoever leaves ends its stream.
        tokio::spawn(async move { drop(serve(stream, silence).await) });
    }
}

async fn serve(mut stream: TcpStream, mut silence: watch::Receiver<bool>) -> Result<()> {
    // A request is small, and comes whole in its time; the closing brace of its body is the last byte.
    let mut request = Vec::new();
    while !request.ends_with(b"}") {
        if stream.read_buf(&mut request).await? == 0 {
            return Ok(());
        }
    }
    drop(request);
    let first = event(&format!(
        r#""delta":{{"role":"assistant","content":"{FIRST}"}},"finish_reason":null"#
    ));
    stream
        .write_all(format!("{HEAD}{first}").as_bytes())
        .await?;
    silence.wait_for(|go_on| *go_on).await?;
    let rest = event(r#""delta":{},"finish_reason":"stop""#);
    stream
        .write_all(format!("{rest}{}0\r\n\r\n", chunk(LAST)).as_bytes())
        .await?;
    Ok(())
}

fn event(choice: &str) -> String {
    let start = r#""id":"c","object":"chat.completion.chunk","created":1,"model":"x""#;
    chunk(&format!(
        "data: {{{start},\"choices\":[{{\"index\":0,{choice}}}]}}\n\n"
    ))
}

fn chunk(text: &str) -> String {
    format!("{:x}\r\n{text}\r\n", text.len())
}
