use std::io::IoSlice;

use bytes::Buf;

/// Most pieces of one frame that are looked at. A frame from the network is one.
const PIECES: usize = 8;

/// The bytes of a data frame, looked at without taking them.
pub(crate) struct Pieces<'a> {
    slices: [IoSlice<'a>; PIECES],
    count: usize,
    /// Whether the frame shows all that it has.
    pub(crate) whole: bool,
}

impl<'a> Pieces<'a> {
    pub(crate) fn of(data: &'a impl Buf) -> Self {
        let mut slices = [IoSlice::new(&[]); PIECES];
        let count = data.chunks_vectored(&mut slices);
        let seen: usize = slices[..count].iter().map(|slice| slice.len()).sum();
        Self {
            slices,
            count,
            whole: seen == data.remaining(),
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.slices[..self.count].iter().map(|slice| &**slice)
    }
}
