use std::borrow::Cow;

use bytes::Bytes;
use ziggurat::provider::sse::{Event, Splitter};

use crate::reader::cut;

/// What an event says: its data, and its name.
type Said = (Option<Vec<u8>>, Option<Vec<u8>>);

/// A stream of server-sent events: however it is cut, the same is said, of all bytes, within the bound of an event.
pub fn sse(bytes: &[u8]) {
    const MOST: usize = 4 * 1024;
    let whole = split(bytes, [bytes], usize::MAX);
    let singly = split(bytes, bytes.chunks(1), usize::MAX);
    assert_eq!(whole, singly, "whole and byte by byte");
    assert_eq!(
        whole,
        split(bytes, cut(bytes), usize::MAX),
        "whole and in pieces"
    );
    let bounded = split(bytes, bytes.chunks(1), MOST);
    assert!(whole.starts_with(&bounded), "others with a bound");
}

/// What the events say that say anything, up to one that is too long, and with what is left at the end.
fn split<'a>(bytes: &[u8], pieces: impl IntoIterator<Item = &'a [u8]>, max: usize) -> Vec<Said> {
    let mut splitter = Splitter::with_max(max);
    let (mut said, mut raw) = (Vec::new(), Vec::new());
    let mut take = |event: Event<'_>| {
        raw.extend_from_slice(event.raw());
        let _ = (event.is_damaged(), event.comments().count());
        let data = event.data().map(Cow::into_owned);
        if data.is_some() || event.name().is_some() {
            said.push((data, event.name().map(<[u8]>::to_vec)));
        }
    };
    for piece in pieces {
        splitter.push(Bytes::copy_from_slice(piece));
        loop {
            match splitter.next_event() {
                Ok(Some(event)) => take(event),
                Ok(None) => break,
                Err(_) => return said,
            }
        }
    }
    splitter.rest().into_iter().for_each(take);
    assert!(bytes.ends_with(&raw), "bytes were lost or made up");
    assert!(
        bytes.len() - raw.len() <= 3,
        "more was left out than a mark of the byte order"
    );
    said
}
