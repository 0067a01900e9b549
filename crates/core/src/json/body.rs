use std::{
    borrow::Cow,
    collections::VecDeque,
    convert::Infallible,
    fmt,
    ops::{Deref, DerefMut, Range},
    pin::Pin,
    slice,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::{Document, Inner, Printed};

/// Bodies up to this size are printed into one piece, which is cheaper to send than to copy around; larger ones are sent
/// as slices of what came in. At 8 KiB copying costs about as much as three frames instead of one.
const ONE_PIECE: usize = 8 * 1024;

/// A JSON object as a request body: the bytes that came in, with a few members replaced, added or cut.
///
/// The edits are kept beside the text and done when the body is sent. Cloning copies the list of edits and shares the
/// text. [`Debug`](fmt::Debug) shows names of members, no values.
#[derive(Clone)]
pub struct JsonBody {
    document: Document,
    edits: Edits,
    // Boxed: it is there only at the end, and all layers move a request.
    sending: Option<Box<Printed>>,
}

/// A list that is a pointer wide, for most are empty: a request of up to 256 bytes takes half the instructions to move.
#[derive(Clone, Default)]
struct Edits(Option<Box<List>>);

#[derive(Clone, Default)]
struct List(Vec<Edit>);

#[derive(Clone)]
struct Edit {
    name: Cow<'static, str>,
    /// The new value as JSON; `None` cuts the member.
    value: Option<Bytes>,
}

impl JsonBody {
    /// Takes an object as it is.
    #[must_use]
    pub fn new(document: Document) -> Self {
        Self {
            document,
            edits: Edits::default(),
            sending: None,
        }
    }

    /// Returns the object without the edits.
    #[must_use]
    pub fn document(&self) -> &Document {
        &self.document
    }

    /// Gives a member a value, which must be JSON. The member stays where it is; one that is not there is added at the end.
    pub fn set(&mut self, name: impl Into<Cow<'static, str>>, value: impl Into<Bytes>) {
        let (name, value) = (name.into(), value.into());
        if self.document.has_just(&name, &value) {
            // An upstream often has the name for a model that its client has: then the text is sent as it came.
            if !self.edits.is_empty() {
                self.edits.retain(|edit| edit.name != name);
            }
        } else {
            self.edit(name, Some(value));
        }
    }

    /// Cuts a member, all of that name.
    pub fn remove(&mut self, name: impl Into<Cow<'static, str>>) {
        self.edit(name.into(), None);
    }

    /// Says whether a member is there, edits counted.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        match self.edits.iter().find(|edit| edit.name == name) {
            Some(edit) => edit.value.is_some(),
            None => self.document.get(name).is_some(),
        }
    }

    /// Says whether any object in it, at any depth, may have a member of this name. `false` is certain, and costs no search.
    #[must_use]
    pub fn may_have_member(&self, name: &str) -> bool {
        let is_nested = |value: &Bytes| matches!(value.first(), Some(b'{' | b'['));
        let adds = |edit: &Edit| edit.name == name || edit.value.as_ref().is_some_and(is_nested);
        self.document.may_have_member(name) || self.edits.iter().any(adds)
    }

    /// Returns the value of a member as JSON, edits counted.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        match self.edits.iter().find(|edit| edit.name == name) {
            Some(edit) => edit.value.as_deref(),
            None => self.document.get(name).map(super::Value::as_bytes),
        }
    }

    /// Returns the members and their values as JSON, edits counted: first those of the text that stay.
    pub fn members(&self) -> impl Iterator<Item = (Cow<'_, str>, &[u8])> {
        let stay = self.document.members().filter_map(|(name, value)| {
            let edit = self.edits.iter().find(|edit| edit.name == name);
            match edit {
                Some(edit) => Some((name, edit.value.as_deref()?)),
                None => Some((name, value.as_bytes())),
            }
        });
        let is_new = |edit: &&Edit| self.document.get(&edit.name).is_none();
        let new = self.edits.iter().filter(is_new);
        let new = new.filter_map(|edit| Some((Cow::Borrowed(&*edit.name), edit.value.as_deref()?)));
        stay.chain(new)
    }

    /// Prints the object with its edits, ready to be sent.
    #[must_use]
    pub fn print(&self) -> Printed {
        if self.edits.is_empty() {
            return self.document.raw().clone().into();
        }
        let raw = self.document.raw();
        let about = self.about_bytes();
        let out = match about <= ONE_PIECE {
            true => Out::Whole(Vec::with_capacity(about)),
            false => Out::Slices(VecDeque::new()),
        };
        let run = 0..0;
        let mut printer = Printer { raw, run, out };
        match self.only_replacement() {
            Some((old, new)) => {
                printer.copy(0..old.start);
                printer.insert(new);
                printer.copy(old.end..raw.len());
            }
            None => self.print_edits(&mut printer),
        }
        printer.finish()
    }

    /// Prints the object with its edits, in one piece.
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        self.print().into_bytes()
    }

    /// Where the one value that changes lies, and what takes its place; `None` if there is more to do.
    fn only_replacement(&self) -> Option<(&Range<usize>, &Bytes)> {
        let Inner { members, .. } = &*self.document.inner;
        match &self.edits[..] {
            [edit] if !members.may_repeat => {
                let at = self.document.find(&edit.name)?;
                Some((&members.all[at].value, edit.value.as_ref()?))
            }
            _ => None,
        }
    }

    /// The length of what is printed. It is exact where values are replaced, so that what has room for it has none to spare
    /// and becomes [`Bytes`] as it is.
    fn about_bytes(&self) -> usize {
        let mut bytes = self.document.raw().len();
        for edit in &self.edits {
            let value = edit.value.as_ref().map_or(0, Bytes::len);
            match self.document.find(&edit.name) {
                Some(at) => bytes = bytes + value - self.document.inner.members.all[at].value.len(),
                // A comma, quotes and a colon.
                None if edit.value.is_some() => bytes += value + edit.name.len() + 4,
                None => {}
            }
        }
        bytes
    }

    fn edit(&mut self, name: Cow<'static, str>, value: Option<Bytes>) {
        match self.edits.iter_mut().find(|edit| edit.name == name) {
            Some(edit) => edit.value = value,
            None => self.edits.push(Edit { name, value }),
        }
    }

    fn print_edits(&self, printer: &mut Printer<'_>) {
        let members = &self.document.inner.members.all;
        // The text between the last member that stays and the one after it: printed once another one stays.
        let mut gap: Option<Range<usize>> = None;
        let (mut end, mut empty) = (self.document.opening(), true);
        for member in members {
            let from = if empty { 0 } else { end };
            let gap_before = gap.take().unwrap_or(from..member.key.start - 1);
            let named = |edit: &&Edit| self.document.is_named(member, &edit.name);
            match self.edits.iter().find(named) {
                Some(Edit { value: None, .. }) => {
                    gap = Some(gap_before);
                    continue;
                }
                Some(Edit {
                    value: Some(value), ..
                }) => {
                    printer.copy(gap_before);
                    printer.copy(member.key.start - 1..member.value.start);
                    printer.insert(value);
                }
                None => {
                    printer.copy(gap_before);
                    printer.copy(member.key.start - 1..member.value.end);
                }
            }
            (end, empty) = (member.value.end, false);
        }
        if empty {
            printer.copy(0..end);
        }
        for edit in &self.edits {
            if let Some(value) = &edit.value
                && self.document.find(&edit.name).is_none()
            {
                let mut name = Vec::with_capacity(edit.name.len() + 4);
                if !empty {
                    name.push(b',');
                }
                super::quote(&edit.name, &mut name);
                name.push(b':');
                printer.insert(&name.into());
                printer.insert(value);
                empty = false;
            }
        }
        let rest = members.last().map_or(end, |last| last.value.end);
        printer.copy(rest..self.document.raw().len());
    }
}

impl Deref for Edits {
    type Target = Vec<Edit>;

    fn deref(&self) -> &Vec<Edit> {
        static NONE: Vec<Edit> = Vec::new();
        self.0.as_ref().map_or(&NONE, |list| &list.0)
    }
}

impl DerefMut for Edits {
    fn deref_mut(&mut self) -> &mut Vec<Edit> {
        &mut self.0.get_or_insert_default().0
    }
}

impl<'a> IntoIterator for &'a Edits {
    type Item = &'a Edit;
    type IntoIter = slice::Iter<'a, Edit>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// Puts slices of a text and new pieces between them together, in order.
struct Printer<'a> {
    raw: &'a Bytes,
    /// Comes next: what follows it in the text is added to it.
    run: Range<usize>,
    out: Out,
}

enum Out {
    /// One piece, that all is copied to.
    Whole(Vec<u8>),
    Slices(VecDeque<Bytes>),
}

impl Printer<'_> {
    fn copy(&mut self, range: Range<usize>) {
        if self.run.end == range.start {
            self.run.end = range.end;
        } else {
            self.flush();
            self.run = range;
        }
    }

    fn insert(&mut self, piece: &Bytes) {
        self.flush();
        self.run = 0..0;
        match &mut self.out {
            Out::Whole(text) => text.extend_from_slice(piece),
            Out::Slices(pieces) => pieces.push_back(piece.clone()),
        }
    }

    fn flush(&mut self) {
        let run = self.run.clone();
        match &mut self.out {
            Out::Whole(text) => text.extend_from_slice(&self.raw[run]),
            Out::Slices(_) if run.is_empty() => {}
            Out::Slices(pieces) => pieces.push_back(self.raw.slice(run)),
        }
    }

    fn finish(mut self) -> Printed {
        self.flush();
        match self.out {
            Out::Whole(text) => Bytes::from(text).into(),
            Out::Slices(pieces) => pieces.into(),
        }
    }
}

impl From<Document> for JsonBody {
    fn from(document: Document) -> Self {
        Self::new(document)
    }
}

impl fmt::Debug for JsonBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let edits: Vec<_> = self.edits.iter().map(|edit| &edit.name).collect();
        f.debug_struct("JsonBody")
            .field("document", &self.document)
            .field("edits", &edits)
            .finish_non_exhaustive()
    }
}

impl Body for JsonBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.sending.is_none() {
            self.sending = Some(Box::new(self.print()));
        }
        let printed = self.sending.as_mut().expect("just printed");
        Pin::new(printed).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        // Even an empty object is two bytes long.
        self.sending.as_ref().is_some_and(Body::is_end_stream)
    }

    /// Prints the object to know its length, unless sending has begun: use [`Self::print`] where that matters.
    fn size_hint(&self) -> SizeHint {
        self.sending
            .as_ref()
            .map_or_else(|| self.print().size_hint(), Body::size_hint)
    }
}
