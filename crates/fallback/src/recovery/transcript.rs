use std::collections::HashMap;

/// What the client has been told of an answer, and how far another answer has repeated it.
#[derive(Default)]
pub(super) struct Transcript {
    tracks: HashMap<Place, Track>,
    /// Lists that the answer went on without.
    left: Vec<Place>,
    /// About so many bytes are kept.
    size: usize,
    /// Whether another answer goes on.
    goes_on: bool,
    /// Whether nothing is kept any more: it was too much, or something that is not understood.
    is_lost: bool,
}

/// A choice, and what of it: zero is its message, a higher number one of the lists that go on beside that.
pub(super) type Place = (u64, usize);

/// What is said one after the other.
#[derive(Default)]
struct Track {
    said: Vec<Said>,
    /// The piece that is repeated next, and how much of it was.
    at: (usize, usize),
    /// Whether a list has texts that the message beside it has not.
    stands_alone: bool,
}

struct Said {
    part: Part,
    text: String,
}

/// The part of an answer that a piece belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// A text that comes in pieces, by the name of its member.
    Text(String),
    /// The name of a function that is called.
    ToolName(u64),
    /// Its arguments, in pieces.
    ToolArguments(u64),
    /// Anything else, as JSON: by the name of its member.
    Whole(String),
    /// A text of a block that comes in pieces, by the place of the block and the kind of the pieces.
    Piece([u64; 2], String),
    /// Anything else of a block, by its place and kind.
    Block([u64; 2], String),
    /// Why it ended.
    Finish,
}

/// An answer says something else than the one before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Diverged;

// === impl Transcript ===

impl Transcript {
    /// Takes the next piece of an answer. Returns how many of its bytes the client knows already; the others are new.
    pub(super) fn take(&mut self, index: u64, part: &Part, text: &str) -> Result<usize, Diverged> {
        self.take_at((index, 0), part, text, true)
    }

    /// Takes a piece at this place. What is new of it is not known to the client before it `goes_out`.
    pub(super) fn take_at(
        &mut self,
        place: Place,
        part: &Part,
        text: &str,
        goes_out: bool,
    ) -> Result<usize, Diverged> {
        if self.is_lost {
            return Ok(0);
        }
        let track = self.tracks.entry(place).or_default();
        let known = track.repeat(part, text)?;
        if known > 0 && known < text.len() && !part.comes_in_pieces() {
            return Err(Diverged);
        }
        if known < text.len() && goes_out {
            let new = &text[known..];
            self.size += new.len();
            if track.add(part, new) {
                self.size += size_of::<Said>();
            }
        }
        Ok(known)
    }

    /// Notes that a list has texts that the message beside it has not.
    pub(super) fn stands_alone(&mut self, place: Place) {
        if !self.is_lost {
            self.tracks.entry(place).or_default().stands_alone = true;
        }
    }

    /// Says whether all that the client knows of the message of a choice was repeated.
    pub(super) fn has_repeated(&self, index: u64) -> bool {
        let message = self.tracks.get(&(index, 0));
        message.is_none_or(Track::is_repeated)
    }

    /// Goes on with a message: lists beside it have been repeated by now, or are gone on without.
    pub(super) fn leave(&mut self, index: u64, lists: usize) -> Result<(), Diverged> {
        for place in (1..=lists).map(|list| (index, list)) {
            let track = self.tracks.get(&place);
            match track.filter(|track| !track.is_repeated()) {
                None => {}
                Some(track) if track.may_be_left(place) => {
                    self.tracks.remove(&place);
                    self.left.push(place);
                }
                Some(_) => return Err(Diverged),
            }
        }
        Ok(())
    }

    /// Says whether the answer went on without this list.
    pub(super) fn has_left(&self, place: Place) -> bool {
        self.left.contains(&place)
    }

    /// Says whether a tool was being called when the answer began that is taken now.
    pub(super) fn knows_call(&self, index: u64, call: u64) -> bool {
        let (name, arguments) = (Part::ToolName(call), Part::ToolArguments(call));
        let message = self.tracks.get(&(index, 0));
        message.is_some_and(|message| {
            let mut said = message.said.iter();
            said.any(|said| said.part == name || said.part == arguments)
        })
    }

    /// Takes what is said at once; says whether it is new to the client.
    pub(super) fn is_new(&mut self, part: &Part, text: &str) -> Result<bool, Diverged> {
        let known = self.take(0, part, text)?;
        Ok(known < text.len())
    }

    /// Expects another answer from its beginning.
    pub(super) fn rewind(&mut self) {
        self.goes_on = true;
        for track in self.tracks.values_mut() {
            track.at = (0, 0);
        }
    }

    /// Expects an answer that begins where this one ends.
    pub(super) fn wind_on(&mut self) {
        self.goes_on = true;
        for track in self.tracks.values_mut() {
            track.wind_on();
        }
    }

    /// Returns all that the client knows, if it is one text in this part of the first choice, after these others.
    pub(super) fn only(&self, before: &[(Part, &str)], part: &Part) -> Option<&str> {
        let message = self.tracks.get(&(0, 0));
        let message = message.filter(|_| self.tracks.len() == 1)?;
        let (last, others) = message.said.split_last()?;
        let is_before = |(said, (part, text)): (&Said, &(Part, &str))| {
            said.part == *part && said.text == **text
        };
        let are_before = others.len() == before.len() && others.iter().zip(before).all(is_before);
        (last.part == *part && are_before).then_some(&last.text)
    }

    /// Says whether all that the client knows was repeated, or may be left.
    pub(super) fn is_repeated(&self) -> bool {
        let is_done =
            |(place, track): (&Place, &Track)| track.is_repeated() || track.may_be_left(*place);
        self.is_lost || self.tracks.iter().all(is_done)
    }

    /// Keeps no more, unless what was kept is still needed.
    pub(super) fn lose(&mut self) -> Result<(), Diverged> {
        if !self.is_repeated() {
            return Err(Diverged);
        }
        let mut left = std::mem::take(&mut self.left);
        let unfinished = self.tracks.iter().filter(|(_, track)| !track.is_repeated());
        left.extend(unfinished.map(|(place, _)| *place));
        *self = Self {
            left,
            goes_on: self.goes_on,
            is_lost: true,
            ..Self::default()
        };
        Ok(())
    }

    /// Says whether another answer goes on. The events of the first pass as they are.
    pub(super) const fn goes_on(&self) -> bool {
        self.goes_on
    }

    pub(super) const fn is_lost(&self) -> bool {
        self.is_lost
    }

    /// Counts what is kept beside it.
    pub(super) const fn keep(&mut self, bytes: usize) {
        self.size += bytes;
    }

    /// Counts no more what was [kept](Self::keep).
    pub(super) const fn let_go(&mut self, bytes: usize) {
        self.size = self.size.saturating_sub(bytes);
    }

    pub(super) const fn size(&self) -> usize {
        self.size
    }
}

// === impl Track ===

impl Track {
    /// Goes over what is known as far as the piece repeats it. Returns how many of its bytes that are.
    fn repeat(&mut self, part: &Part, text: &str) -> Result<usize, Diverged> {
        let mut known = 0;
        while known < text.len() && !self.is_repeated() {
            let said = &self.said[self.at.0];
            let rest = &said.text.as_bytes()[self.at.1..];
            if rest.is_empty() {
                self.at = (self.at.0 + 1, 0);
                continue;
            }
            let text = &text.as_bytes()[known..];
            let length = rest.len().min(text.len());
            if said.part != *part || rest[..length] != text[..length] {
                return Err(Diverged);
            }
            self.at.1 += length;
            known += length;
        }
        // Both are text: where one ends that is alike so far, a character of the other ends.
        Ok(known)
    }

    /// Adds what is new; says whether it begins another piece.
    fn add(&mut self, part: &Part, text: &str) -> bool {
        let begins = match self.said.last_mut() {
            Some(last) if last.part == *part && part.comes_in_pieces() => {
                last.text.push_str(text);
                false
            }
            _ => {
                self.said.push(Said {
                    part: part.clone(),
                    text: text.to_owned(),
                });
                true
            }
        };
        self.wind_on();
        begins
    }

    fn wind_on(&mut self) {
        let last = self.said.last().map_or(0, |last| last.text.len());
        self.at = (self.said.len().saturating_sub(1), last);
    }

    fn is_repeated(&self) -> bool {
        let (piece, byte) = self.at;
        let rest = self.said.get(piece).map_or(0, |it| it.text.len() - byte);
        rest == 0 && piece + 1 >= self.said.len()
    }

    /// Says whether an answer may go on without the rest of a list: the message says its texts as well, and the signature of what
    /// the client has belongs to that.
    fn may_be_left(&self, (_, list): Place) -> bool {
        let (piece, byte) = self.at;
        let repeated = std::iter::once(byte).chain(std::iter::repeat(0));
        let mut rest = self.said[piece..].iter().zip(repeated);
        list > 0
            && !self.stands_alone
            && rest.all(|(said, repeated)| match &said.part {
                Part::Piece(..) => true,
                Part::Block(_, kind) if repeated == 0 => kind == "signature",
                _ => repeated == said.text.len(),
            })
    }
}

// === impl Part ===

impl Part {
    /// Says whether pieces that follow each other are one text, wherever it was cut.
    fn comes_in_pieces(&self) -> bool {
        matches!(
            self,
            Self::Text(_) | Self::ToolArguments(_) | Self::Piece(..)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content() -> Part {
        Part::Text("content".into())
    }

    fn told(pieces: &[(&Part, &str)]) -> Transcript {
        let mut transcript = Transcript::default();
        for (part, text) in pieces {
            assert_eq!(transcript.take(0, part, text), Ok(0));
        }
        transcript.rewind();
        transcript
    }

    #[test]
    fn a_text_is_repeated_however_it_is_cut() {
        let text = "a tower of brick";
        for cut in 0..text.len() {
            let mut transcript = told(&[(&content(), "a to"), (&content(), "wer")]);
            let (one, two) = text.split_at(cut);
            let known = transcript.take(0, &content(), one).unwrap()
                + transcript.take(0, &content(), two).unwrap();
            assert_eq!(known, "a tower".len(), "{cut}");
            assert!(transcript.is_repeated());
            assert!(transcript.size() >= text.len());
        }
    }

    #[test]
    fn another_text_another_part_and_another_end_diverge() {
        let reasoning = Part::Text("reasoning".into());
        let mut transcript = told(&[(&content(), "a tower")]);
        assert_eq!(transcript.take(0, &content(), "a t"), Ok(3));
        assert!(!transcript.is_repeated());
        assert_eq!(transcript.take(0, &content(), "ree"), Err(Diverged));
        let mut transcript = told(&[(&reasoning, "hm"), (&content(), "a")]);
        assert_eq!(transcript.take(0, &content(), "a"), Err(Diverged));
        let mut transcript = told(&[(&reasoning, "a")]);
        assert_eq!(transcript.take(0, &content(), "a"), Err(Diverged));
        let mut transcript = told(&[(&content(), "a tower")]);
        assert_eq!(transcript.take(0, &content(), "a"), Ok(1));
        assert_eq!(transcript.take(0, &Part::Finish, "stop"), Err(Diverged));
    }

    #[test]
    fn what_does_not_come_in_pieces_is_repeated_whole() {
        let name = Part::ToolName(0);
        let mut transcript = told(&[(&name, "get")]);
        assert!(transcript.knows_call(0, 0));
        assert!(!transcript.knows_call(0, 1));
        assert_eq!(transcript.take(0, &name, "get_weather"), Err(Diverged));
    }

    #[test]
    fn a_text_alone_may_stand_behind_what_is_named() {
        let block = || Part::Block([0, 0], "start".into());
        let transcript = told(&[(&block(), "text"), (&content(), "a"), (&content(), "b")]);
        assert_eq!(
            transcript.only(&[(block(), "text")], &content()),
            Some("ab")
        );
        for before in [&[(block(), "tool")][..], &[(content(), "text")], &[]] {
            assert_eq!(transcript.only(before, &content()), None);
        }
        assert_eq!(transcript.only(&[(block(), "text")], &Part::Finish), None);
    }

    #[test]
    fn choices_are_apart() {
        let mut transcript = told(&[(&content(), "a")]);
        assert_eq!(transcript.take(1, &content(), "b"), Ok(0));
        assert!(!transcript.is_repeated());
        assert_eq!(transcript.take(0, &content(), "a"), Ok(1));
        assert!(transcript.is_repeated());
    }

    #[test]
    fn characters_are_not_cut() {
        let mut transcript = told(&[(&content(), "ä")]);
        assert_eq!(transcript.take(0, &content(), "ö"), Err(Diverged));
    }
}
