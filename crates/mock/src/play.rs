//! Sends a reply, byte by byte as its step says.

use std::{future::pending, io, time::Duration};

use bytes::BytesMut;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::tcp::{ReadHalf, WriteHalf},
    time::sleep,
};

use crate::{
    Cut,
    reply::{Piece, Reply, Sending},
};

/// Bytes that a client may send ahead while its request is being answered. Beyond that its leaving goes unseen until
/// the answer is out.
const READ_AHEAD: usize = 64 * 1024;

/// What becomes of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum After {
    Keep,
    Close,
    Reset,
}

/// Waits, then sends the reply to its end.
pub(crate) async fn play(
    reply: Reply,
    delay: Duration,
    writer: &mut WriteHalf<'_>,
) -> io::Result<After> {
    wait(delay).await;
    match reply {
        Reply::Response(sending) => send(sending, writer).await,
        Reply::Garbage(bytes) => {
            writer.write_all(&bytes).await?;
            Ok(After::Close)
        }
        Reply::EndlessHead(interval) => endless_head(interval, writer).await,
        Reply::Reset => Ok(After::Reset),
        Reply::Hang => pending().await,
    }
}

/// Reads ahead until the client has left.
pub(crate) async fn until_left(reader: &mut ReadHalf<'_>, buffer: &mut BytesMut) {
    loop {
        if buffer.len() >= READ_AHEAD {
            return pending().await;
        }
        if let Ok(0) | Err(_) = reader.read_buf(buffer).await {
            return;
        }
    }
}

async fn send(sending: Sending, writer: &mut WriteHalf<'_>) -> io::Result<After> {
    let Sending {
        mut head,
        chunked,
        before_body,
        pieces,
        cut,
        close,
    } = sending;
    let mut pieces = pieces.into_iter();
    // A plain answer leaves in one segment, as servers send it.
    if let Some(first) = pieces.next() {
        if chunked || !before_body.is_zero() || !first.wait.is_zero() {
            writer.write_all(&head).await?;
            wait(before_body).await;
            piece(first, chunked, writer).await?;
        } else {
            head.extend_from_slice(&first.bytes);
            writer.write_all(&head).await?;
        }
        for next in pieces {
            piece(next, chunked, writer).await?;
        }
    } else {
        writer.write_all(&head).await?;
        wait(before_body).await;
    }
    match cut {
        Some(Cut::Close) => return Ok(After::Close),
        Some(Cut::Reset) => return Ok(After::Reset),
        Some(Cut::Hang) => return pending().await,
        Some(Cut::Eof) | None if chunked => writer.write_all(b"0\r\n\r\n").await?,
        Some(Cut::Eof) | None => {}
    }
    Ok(if close { After::Close } else { After::Keep })
}

async fn piece(piece: Piece, chunked: bool, writer: &mut WriteHalf<'_>) -> io::Result<()> {
    wait(piece.wait).await;
    // An empty HTTP chunk would be the end of the body.
    if piece.bytes.is_empty() {
        return Ok(());
    }
    if !chunked {
        return writer.write_all(&piece.bytes).await;
    }
    let mut chunk = format!("{:x}\r\n", piece.bytes.len()).into_bytes();
    chunk.extend_from_slice(&piece.bytes);
    chunk.extend_from_slice(b"\r\n");
    writer.write_all(&chunk).await
}

async fn endless_head(interval: Duration, writer: &mut WriteHalf<'_>) -> io::Result<After> {
    writer.write_all(b"HTTP/1.1 200 OK\r\n").await?;
    for n in 0_u64.. {
        wait(interval).await;
        writer
            .write_all(format!("x-filler-{n}: 0\r\n").as_bytes())
            .await?;
    }
    Ok(After::Close)
}

/// Sleeps; a wait of zero does not yield, so that an answer without waits goes out at once.
async fn wait(duration: Duration) {
    if !duration.is_zero() {
        sleep(duration).await;
    }
}
