//! Reads HTTP/1.1 requests from a socket.

use std::io;

use bytes::{Buf, Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, Version, header};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// As many as hyper's server takes by default.
const MAX_HEADERS: usize = 100;
/// Bytes of a request head, or of one chunk's size line; far above what clients send.
const MAX_HEAD: usize = 64 * 1024;
/// Bytes of a request body: room for the images that chat requests carry.
const MAX_BODY: usize = 256 * 1024 * 1024;

/// A request with its whole body.
pub(crate) struct Request {
    pub(crate) method: Method,
    pub(crate) uri: Uri,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) keep_alive: bool,
}

/// Why there is no request.
#[derive(Debug)]
pub(crate) enum Broken {
    /// The client left in the middle of a request, or before one.
    Left,
    /// The request cannot be read; this status says why.
    Refused(StatusCode),
}

impl From<io::Error> for Broken {
    fn from(_: io::Error) -> Self {
        Self::Left
    }
}

const BAD: Broken = Broken::Refused(StatusCode::BAD_REQUEST);

/// Reads one request; what the client sent beyond it stays in the buffer.
pub(crate) async fn request(
    stream: &mut TcpStream,
    buffer: &mut BytesMut,
) -> Result<Request, Broken> {
    let mut request = loop {
        if let Some(request) = parse_head(buffer)? {
            break request;
        }
        if buffer.len() > MAX_HEAD {
            return Err(Broken::Refused(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE));
        }
        more(stream, buffer).await?;
    };
    let framing = Framing::of(&request.headers)?;
    if framing != Framing::Length(0) && buffer.is_empty() && expects_continue(&request.headers) {
        stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
    }
    request.body = match framing {
        Framing::Length(length) => sized(stream, buffer, length).await?,
        Framing::Chunked => chunked(stream, buffer).await?,
    };
    Ok(request)
}

async fn more(stream: &mut TcpStream, buffer: &mut BytesMut) -> Result<(), Broken> {
    match stream.read_buf(buffer).await? {
        0 => Err(Broken::Left),
        _ => Ok(()),
    }
}

fn parse_head(buffer: &mut BytesMut) -> Result<Option<Request>, Broken> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut parsed = httparse::Request::new(&mut headers);
    let length = match parsed.parse(buffer) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(httparse::Error::TooManyHeaders) => {
            return Err(Broken::Refused(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE));
        }
        Err(_) => return Err(BAD),
    };
    let request = build(&parsed).ok_or(BAD)?;
    buffer.advance(length);
    Ok(Some(request))
}

fn build(parsed: &httparse::Request<'_, '_>) -> Option<Request> {
    let mut headers = HeaderMap::with_capacity(parsed.headers.len());
    for field in parsed.headers.iter() {
        let name = HeaderName::from_bytes(field.name.as_bytes()).ok()?;
        headers.append(name, HeaderValue::from_bytes(field.value).ok()?);
    }
    let version = if parsed.version? == 0 {
        Version::HTTP_10
    } else {
        Version::HTTP_11
    };
    Some(Request {
        method: parsed.method?.parse().ok()?,
        uri: parsed.path?.parse().ok()?,
        keep_alive: keeps_alive(version, &headers),
        headers,
        body: Bytes::new(),
    })
}

fn keeps_alive(version: Version, headers: &HeaderMap) -> bool {
    let says = |word| names(headers, &header::CONNECTION, word);
    if version == Version::HTTP_10 {
        says("keep-alive")
    } else {
        !says("close")
    }
}

fn expects_continue(headers: &HeaderMap) -> bool {
    names(headers, &header::EXPECT, "100-continue")
}

/// Says whether a header's comma-separated list has this word.
fn names(headers: &HeaderMap, name: &HeaderName, word: &str) -> bool {
    let values = headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok());
    values
        .flat_map(|value| value.split(','))
        .any(|item| item.trim().eq_ignore_ascii_case(word))
}

#[derive(Debug, PartialEq)]
enum Framing {
    Length(usize),
    Chunked,
}

impl Framing {
    fn of(headers: &HeaderMap) -> Result<Self, Broken> {
        if headers.contains_key(header::TRANSFER_ENCODING) {
            let chunked = names(headers, &header::TRANSFER_ENCODING, "chunked");
            // RFC 9112, 6.3: both headers together are an attempt at request smuggling.
            let both = headers.contains_key(header::CONTENT_LENGTH);
            return if chunked && !both {
                Ok(Self::Chunked)
            } else {
                Err(BAD)
            };
        }
        let mut lengths = headers.get_all(header::CONTENT_LENGTH).iter();
        let Some(value) = lengths.next() else {
            return Ok(Self::Length(0));
        };
        let length = value
            .to_str()
            .ok()
            .and_then(|text| text.parse().ok())
            .ok_or(BAD)?;
        if lengths.any(|other| other != value) {
            return Err(BAD);
        }
        Ok(Self::Length(length))
    }
}

async fn sized(
    stream: &mut TcpStream,
    buffer: &mut BytesMut,
    length: usize,
) -> Result<Bytes, Broken> {
    if length > MAX_BODY {
        return Err(Broken::Refused(StatusCode::PAYLOAD_TOO_LARGE));
    }
    buffer.reserve(length.saturating_sub(buffer.len()));
    while buffer.len() < length {
        more(stream, buffer).await?;
    }
    Ok(buffer.split_to(length).freeze())
}

async fn chunked(stream: &mut TcpStream, buffer: &mut BytesMut) -> Result<Bytes, Broken> {
    let mut body = BytesMut::new();
    loop {
        let size = chunk_size(stream, buffer).await?;
        if size == 0 {
            break;
        }
        if size > MAX_BODY - body.len() {
            return Err(Broken::Refused(StatusCode::PAYLOAD_TOO_LARGE));
        }
        while buffer.len() < size + 2 {
            more(stream, buffer).await?;
        }
        body.extend_from_slice(&buffer[..size]);
        if &buffer[size..size + 2] != b"\r\n" {
            return Err(BAD);
        }
        buffer.advance(size + 2);
    }
    skip_trailers(stream, buffer).await?;
    Ok(body.freeze())
}

async fn chunk_size(stream: &mut TcpStream, buffer: &mut BytesMut) -> Result<usize, Broken> {
    loop {
        match httparse::parse_chunk_size(buffer) {
            Ok(httparse::Status::Complete((length, size))) => {
                buffer.advance(length);
                return usize::try_from(size)
                    .map_err(|_| Broken::Refused(StatusCode::PAYLOAD_TOO_LARGE));
            }
            Ok(httparse::Status::Partial) if buffer.len() <= MAX_HEAD => {
                more(stream, buffer).await?
            }
            _ => return Err(BAD),
        }
    }
}

async fn skip_trailers(stream: &mut TcpStream, buffer: &mut BytesMut) -> Result<(), Broken> {
    loop {
        match httparse::parse_headers(buffer, &mut [httparse::EMPTY_HEADER; MAX_HEADERS]) {
            Ok(httparse::Status::Complete((length, _))) => {
                buffer.advance(length);
                return Ok(());
            }
            Ok(httparse::Status::Partial) if buffer.len() <= MAX_HEAD => {
                more(stream, buffer).await?
            }
            _ => return Err(BAD),
        }
    }
}
