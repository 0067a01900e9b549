//! What looks for content is no `Scan`.

use ziggurat_core::Head;
use ziggurat_stream_timeout::{Detect, Found};

struct FirstByte;

#[cfg(not(broken))]
impl ziggurat_stream_timeout::Scan for FirstByte {
    fn read(&mut self, _: &[u8]) -> Found {
        Found::Content
    }
}

struct AnyByte;

impl Detect for AnyByte {
    type Scan = FirstByte;

    fn scan(&self, _: Head<'_>) -> FirstByte {
        FirstByte
    }
}

fn main() {
    let headers = http::HeaderMap::new();
    let head = Head {
        status: http::StatusCode::OK,
        headers: &headers,
        extensions: &http::Extensions::new(),
    };
    let _scan = AnyByte.scan(head);
}

#[cfg(broken)]
fn _used(_: Found) {}
