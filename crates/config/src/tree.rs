//! The positions of all keys and values of a file, read in a pass of their own: the deserializer
//! does not keep them.

use std::{collections::HashMap, sync::Arc};

use saphyr_parser::{Event, Marker, Parser, ScalarStyle};

use crate::location::{Path, Step};

/// Deepest nesting, through aliases too. The deserializer's own limit, so nothing is lost.
const MAX_HEIGHT: usize = 128;

/// Line and column, both from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) line: usize,
    pub(crate) column: usize,
}

/// Something that YAML's grammar allows and its meaning does not.
pub(crate) struct Fault {
    pub(crate) path: Path,
    pub(crate) at: Mark,
    pub(crate) message: String,
}

/// The shape of a file with its positions.
#[derive(Default)]
pub(crate) struct Tree {
    root: Option<Arc<Node>>,
    pub(crate) faults: Vec<Fault>,
}

struct Node {
    at: Mark,
    height: usize,
    kind: Kind,
}

enum Kind {
    Scalar { text: String, plain: bool },
    List(Vec<Arc<Node>>),
    Map(Vec<Entry>),
}

struct Entry {
    key: String,
    at: Mark,
    value: Arc<Node>,
}

// === impl Tree ===

impl Tree {
    /// Reads the first document. Text that this parser refuses gives an empty tree: the start of
    /// the file then stands for all positions, and the deserializer says what is wrong.
    pub(crate) fn parse(text: &str) -> Self {
        let mut builder = Builder::default();
        let complete = builder.run(Parser::new_from_str(text)).is_some();
        Self {
            root: builder.root.filter(|_| complete),
            faults: builder.faults,
        }
    }

    /// Returns where a value stands: at the value, or at its key if the value is left empty.
    pub(crate) fn value_at(&self, path: &Path) -> Option<Mark> {
        let (key, node) = self.find(path)?;
        match &node.kind {
            Kind::Scalar { text, .. } if matches!(text.as_str(), "" | "~") => key,
            _ => Some(node.at),
        }
    }

    /// Returns whether nothing is there: no such key, or a list or mapping without content.
    pub(crate) fn is_empty(&self, path: &Path) -> bool {
        self.find(path).is_none_or(|(_, node)| match &node.kind {
            Kind::Scalar { .. } => false,
            Kind::List(items) => items.is_empty(),
            Kind::Map(entries) => entries.is_empty(),
        })
    }

    /// Returns where a key stands; for an item of a list, the item.
    pub(crate) fn key_at(&self, path: &Path) -> Option<Mark> {
        self.find(path)?.0
    }

    /// Returns the text of a scalar written without quotes and tag.
    pub(crate) fn plain_text(&self, path: &Path) -> Option<&str> {
        match &self.find(path)?.1.kind {
            Kind::Scalar { text, plain: true } => Some(text),
            _ => None,
        }
    }

    fn find(&self, path: &Path) -> Option<(Option<Mark>, &Node)> {
        let root = self.root.as_deref()?;
        let mut found = (Some(root.at), root);
        for step in path.steps() {
            let (at, node) = found.1.child(step)?;
            found = (Some(at), node);
        }
        Some(found)
    }
}

// === impl Node ===

impl Node {
    fn child(&self, step: &Step) -> Option<(Mark, &Self)> {
        match (&self.kind, step) {
            (Kind::List(items), Step::Index(index)) => items.get(*index).map(|n| (n.at, &**n)),
            (Kind::Map(entries), Step::Key(key)) => {
                let own = entries.iter().find(|entry| entry.key == *key);
                own.map(|entry| (entry.at, &*entry.value))
                    .or_else(|| entries.iter().find_map(|entry| entry.merged(step)))
            }
            _ => None,
        }
    }

    fn is_map(&self) -> bool {
        matches!(self.kind, Kind::Map(_))
    }

    fn is_mergeable(&self) -> bool {
        match &self.kind {
            Kind::Map(_) => true,
            Kind::List(items) => items.iter().all(|item| item.is_map()),
            Kind::Scalar { .. } => false,
        }
    }
}

impl Entry {
    /// Looks for a key in the mapping, or the list of mappings, behind a merge key.
    fn merged(&self, step: &Step) -> Option<(Mark, &Node)> {
        if self.key != "<<" {
            return None;
        }
        match &self.value.kind {
            Kind::List(items) => items.iter().find_map(|item| item.child(step)),
            _ => self.value.child(step),
        }
    }
}

// === impl Mark ===

impl Mark {
    pub(crate) const START: Self = Self { line: 1, column: 1 };
}

impl From<Marker> for Mark {
    fn from(marker: Marker) -> Self {
        Self {
            line: marker.line(),
            column: marker.col() + 1,
        }
    }
}

/// Builds the tree from the parser's events, with the open containers on a stack.
#[derive(Default)]
struct Builder {
    open: Vec<Open>,
    anchors: HashMap<usize, Arc<Node>>,
    root: Option<Arc<Node>>,
    faults: Vec<Fault>,
}

struct Open {
    at: Mark,
    anchor: usize,
    content: Content,
}

enum Content {
    List(Vec<Arc<Node>>),
    Map {
        entries: Vec<Entry>,
        key: Option<(String, Mark)>,
    },
}

// === impl Builder ===

impl Builder {
    /// Returns `None` if the text ends in an error or nests too deeply.
    fn run(&mut self, mut parser: Parser<'_, saphyr_parser::StrInput<'_>>) -> Option<()> {
        while let Some(event) = parser.next_event() {
            let (event, span) = event.ok()?;
            let at = Mark::from(span.start);
            match event {
                Event::Scalar(text, style, anchor, tag) => {
                    let plain = style == ScalarStyle::Plain && tag.is_none();
                    let text = text.into_owned();
                    self.place(at, anchor, Kind::Scalar { text, plain })?;
                }
                Event::SequenceStart(anchor, _) => self.start(at, anchor, Content::List(vec![]))?,
                Event::MappingStart(anchor, _) => {
                    let (entries, key) = (vec![], None);
                    self.start(at, anchor, Content::Map { entries, key })?;
                }
                Event::SequenceEnd | Event::MappingEnd => self.end()?,
                Event::Alias(id) => {
                    let node = self.anchors.get(&id).cloned()?;
                    self.put(at, node)?;
                }
                Event::DocumentEnd => {
                    self.check_end(parser);
                    return Some(());
                }
                Event::Nothing
                | Event::StreamStart
                | Event::StreamEnd
                | Event::DocumentStart(_) => {}
            }
        }
        Some(())
    }

    /// What follows the first document must not be another one.
    fn check_end(&mut self, mut parser: Parser<'_, saphyr_parser::StrInput<'_>>) {
        while let Some(Ok((event, span))) = parser.next_event() {
            if let Event::DocumentStart(_) = event {
                self.faults.push(Fault {
                    path: Path::default(),
                    at: span.start.into(),
                    message: "a second document begins; a configuration is one".to_owned(),
                });
                return;
            }
        }
    }

    fn start(&mut self, at: Mark, anchor: usize, content: Content) -> Option<()> {
        self.open.push(Open {
            at,
            anchor,
            content,
        });
        (self.open.len() <= MAX_HEIGHT).then_some(())
    }

    fn end(&mut self) -> Option<()> {
        let open = self.open.pop()?;
        let kind = match open.content {
            Content::List(items) => Kind::List(items),
            Content::Map { entries, .. } => Kind::Map(entries),
        };
        self.place(open.at, open.anchor, kind)
    }

    fn place(&mut self, at: Mark, anchor: usize, kind: Kind) -> Option<()> {
        let below = match &kind {
            Kind::Scalar { .. } => None,
            Kind::List(items) => items.iter().map(|item| item.height).max(),
            Kind::Map(entries) => entries.iter().map(|entry| entry.value.height).max(),
        };
        let height = 1 + below.unwrap_or(0);
        let node = Arc::new(Node { at, height, kind });
        if anchor > 0 {
            self.anchors.insert(anchor, Arc::clone(&node));
        }
        self.put(at, node)
    }

    /// Hangs a finished node into the innermost open container; `at` is where it is mentioned.
    fn put(&mut self, at: Mark, node: Arc<Node>) -> Option<()> {
        if node.height > MAX_HEIGHT {
            return None;
        }
        let mut fault = None;
        match self.open.last_mut().map(|open| &mut open.content) {
            None => self.root = Some(node),
            Some(Content::List(items)) => items.push(node),
            Some(Content::Map { entries, key }) => match key.take() {
                None => *key = Some((node.key_text(), at)),
                Some((key, at)) => {
                    let value = node;
                    fault = fault_of(entries, &key, &value).map(|text| (key.clone(), at, text));
                    entries.push(Entry { key, at, value });
                }
            },
        }
        if let Some((key, at, message)) = fault {
            let path = self.path().key(&key);
            self.faults.push(Fault { path, at, message });
        }
        Some(())
    }

    /// The path of the innermost open container.
    fn path(&self) -> Path {
        let mut path = Path::default();
        let outer = self.open.len().saturating_sub(1);
        for open in &self.open[..outer] {
            path.push(match &open.content {
                Content::List(items) => Step::Index(items.len()),
                Content::Map { key, .. } => {
                    Step::Key(key.as_ref().map(|(key, _)| key.clone()).unwrap_or_default())
                }
            });
        }
        path
    }
}

impl Node {
    fn key_text(&self) -> String {
        match &self.kind {
            Kind::Scalar { text, .. } => text.clone(),
            Kind::List(_) | Kind::Map(_) => String::new(),
        }
    }
}

fn fault_of(entries: &[Entry], key: &str, value: &Node) -> Option<String> {
    if let Some(first) = entries.iter().find(|entry| entry.key == key) {
        let line = first.at.line;
        return Some(format!("the key stands here twice, first on line {line}"));
    }
    (key == "<<" && !value.is_mergeable())
        .then(|| "only a mapping, or a list of mappings, can be merged".to_owned())
}
