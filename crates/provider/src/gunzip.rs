//! gzip, in as many members as there are (RFC 1952, section 2.2): some servers send each event as one. flate2's own reader of
//! several takes the padding that some servers add for a broken one.

use std::{
    io::{self, Write},
    mem,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes};
use flate2::write::GzDecoder;
use http_body::{Body, Frame};
use ziggurat_core::BoxError;

/// What every member begins with.
const FIRST: u8 = 0x1f;

/// A body as it was before gzip. It is decoded by at most some 64 KiB at a time, whatever the size of its frames.
pub(crate) struct Gunzip<B> {
    body: B,
    /// The rest of the last frame.
    frame: Bytes,
    member: Option<GzDecoder<Vec<u8>>>,
    has_begun: bool,
    is_over: bool,
}

impl<B> Gunzip<B> {
    pub(crate) const fn new(body: B) -> Self {
        Self {
            body,
            frame: Bytes::new(),
            member: None,
            has_begun: false,
            is_over: false,
        }
    }

    /// Decodes some of the frame.
    fn decode(&mut self) -> io::Result<Vec<u8>> {
        if self.is_over {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "there is more after the last member",
            ));
        }
        if self.member.is_none() && self.has_begun && self.frame.first() != Some(&FIRST) {
            // The padding of some servers, for the last time.
            self.is_over = true;
            self.frame.clear();
            return Ok(Vec::new());
        }
        self.has_begun = true;
        let member = self
            .member
            .get_or_insert_with(|| GzDecoder::new(Vec::new()));
        let count = member.write(&self.frame)?;
        if count == 0 {
            return self.finish();
        }
        self.frame.advance(count);
        if self.frame.is_empty() {
            // Whoever reads a stream waits for what has come.
            member.flush()?;
        }
        Ok(mem::take(member.get_mut()))
    }

    /// Ends a member, if one is open, and returns the rest of it.
    fn finish(&mut self) -> io::Result<Vec<u8>> {
        self.member.take().map_or(Ok(Vec::new()), GzDecoder::finish)
    }
}

impl<B> Body for Gunzip<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = &mut *self;
        loop {
            let text = if this.frame.is_empty() {
                match ready!(Pin::new(&mut this.body).poll_frame(cx)) {
                    Some(Ok(frame)) => match frame.into_data() {
                        Ok(data) => {
                            this.frame = data;
                            continue;
                        }
                        Err(other) => return Poll::Ready(Some(Ok(other))),
                    },
                    Some(Err(error)) => return Poll::Ready(Some(Err(error.into()))),
                    None if this.member.is_none() => return Poll::Ready(None),
                    None => this.finish(),
                }
            } else {
                this.decode()
            };
            match text {
                Ok(text) if text.is_empty() => {}
                Ok(text) => return Poll::Ready(Some(Ok(Frame::data(text.into())))),
                Err(error) => {
                    // Nothing sensible comes after it.
                    (this.is_over, this.member) = (true, None);
                    return Poll::Ready(Some(Err(error.into())));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::VecDeque, convert::Infallible, task::Waker};

    use flate2::{Compression, write::GzEncoder};

    use super::*;

    struct Frames(VecDeque<Bytes>);

    impl Body for Frames {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            Poll::Ready(self.0.pop_front().map(|frame| Ok(Frame::data(frame))))
        }
    }

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    /// What is decoded, the longest piece of it, and whether it ends well.
    fn gunzip<'a>(frames: impl IntoIterator<Item = &'a [u8]>) -> (Vec<u8>, usize, bool) {
        let frames = frames.into_iter().map(Bytes::copy_from_slice).collect();
        let mut body = Gunzip::new(Frames(frames));
        let (mut text, mut longest) = (Vec::new(), 0);
        loop {
            let cx = &mut Context::from_waker(Waker::noop());
            match Pin::new(&mut body).poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => {
                    let data = frame.into_data().unwrap();
                    longest = longest.max(data.len());
                    text.extend_from_slice(&data);
                }
                Poll::Ready(end) => return (text, longest, end.is_none()),
                Poll::Pending => unreachable!("all frames are there"),
            }
        }
    }

    #[test]
    fn members_are_read_one_after_the_other_wherever_frames_are_cut() {
        let whole = [gzip(b"data: one\n\n"), gzip(b""), gzip(b"data: two\n\n")].concat();
        let text = b"data: one\n\ndata: two\n\n";
        for at in 0..=whole.len() {
            let (read, _, is_whole) = gunzip([&whole[..at], &whole[at..]]);
            assert!(is_whole && read == text, "{at}");
        }
        let (read, _, is_whole) = gunzip(whole.chunks(1));
        assert!(is_whole && read == text);
    }

    #[test]
    fn each_frame_says_at_once_what_it_holds() {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(b"data: one\n\n").unwrap();
        encoder.flush().unwrap();
        let begun = encoder.get_ref().clone();
        // The end is missing, which is told, but what came is not held back for it.
        let (read, _, is_whole) = gunzip([&begun[..]]);
        assert_eq!(read, b"data: one\n\n");
        assert!(!is_whole);
    }

    #[test]
    fn half_a_member_is_no_end() {
        let (first, second) = (gzip(b"one"), gzip(b"two"));
        for at in 1..second.len() {
            let (read, _, is_whole) = gunzip([&first[..], &second[..at]]);
            assert!(read.starts_with(b"one") && !is_whole, "{at}");
        }
        assert!(gunzip([]).2, "nothing at all is an empty body");
    }

    #[test]
    fn what_is_no_member_is_left_out_once_and_is_an_error_afterwards() {
        let whole = gzip(b"one");
        let padded = [&whole[..], &[0; 100]].concat();
        assert_eq!(gunzip([&padded[..]]), (b"one".to_vec(), 3, true));
        let (read, _, is_whole) = gunzip([&padded[..], b"more"]);
        assert!(read == b"one" && !is_whole);
        let broken = [&whole[..], b"\x1f\x8b?"].concat();
        assert!(!gunzip([&broken[..]]).2);
        assert!(!gunzip([&b"plain"[..]]).2);
        let mut wrong = whole.clone();
        let sum = wrong.len() - 8;
        wrong[sum] ^= 1;
        assert!(
            !gunzip([&wrong[..], &whole[..]]).2,
            "the checksum is another's"
        );
    }

    #[test]
    fn a_bomb_goes_off_in_small_pieces() {
        let bomb = gzip(&vec![b'\n'; 20_000_000]);
        let (read, longest, is_whole) = gunzip([&bomb[..]]);
        assert!(is_whole && read.len() == 20_000_000);
        assert!(longest <= 128 * 1024, "{longest}");
    }
}
