//! Rewrites of messages and tools, made only if a cheap look shows that they are needed.

use bytes::Bytes;
use memchr::memmem::Finder;
use ziggurat_core::JsonBody;

use crate::spans::{Edits, Members, elements};

/// What a deployment's messages need.
pub(crate) struct Rewrites {
    /// The role that the model does not know, and the one it knows in its place.
    role: Option<(Finder<'static>, &'static str, &'static str)>,
    image: Finder<'static>,
    format: Finder<'static>,
    /// Set if the upstream refuses `cache_control`.
    cache_control: Option<Finder<'static>>,
}

impl Rewrites {
    /// Finds out what a model needs; `strict` upstreams refuse members they do not know.
    pub(crate) fn of(model: &str, strict: bool) -> Self {
        let developer = ziggurat_models::supports_developer_role(model);
        // Of a reasoning model that is not in the table, only `developer` is sure.
        let name = model.rsplit('/').next().unwrap_or(model);
        let unsure = developer && ziggurat_models::facts(None, name).is_none();
        let system = ziggurat_models::supports_system_messages(model) && !unsure;
        let role = match (developer, system) {
            (true, true) => None,
            (true, false) => Some((Finder::new(r#""system""#), r#""system""#, r#""developer""#)),
            (false, true) => Some((
                Finder::new(r#""developer""#),
                r#""developer""#,
                r#""system""#,
            )),
            (false, false) => Some((Finder::new(r#""system""#), r#""system""#, r#""user""#)),
        };
        Self {
            role,
            image: Finder::new(r#""image_url""#),
            format: Finder::new(r#""format""#),
            cache_control: strict.then(|| Finder::new(r#""cache_control""#)),
        }
    }

    /// Rewrites messages and tools of a request.
    pub(crate) fn apply(&self, body: &mut JsonBody) {
        if let Some(messages) = body.get("messages")
            && self.is_needed(messages)
            && let Some(new) = text(messages).and_then(|messages| self.messages(messages))
        {
            body.set("messages", new);
        }
        if let Some(finder) = &self.cache_control
            && let Some(tools) = body.get("tools")
            && finder.find(tools).is_some()
            && let Some(new) = text(tools).and_then(tools_without_cache_control)
        {
            body.set("tools", new);
        }
        if body.contains("tool_choice") && !body.contains("tools") && !body.contains("functions") {
            body.remove("tool_choice");
        }
    }

    fn is_needed(&self, messages: &[u8]) -> bool {
        let has = |finder: &Finder<'_>| finder.find(messages).is_some();
        self.role.as_ref().is_some_and(|(finder, ..)| has(finder))
            || self.has_odd_image(messages)
            || self.cache_control.as_ref().is_some_and(has)
    }

    /// Whether an image is given as a string, or with a member that only gateways know.
    fn has_odd_image(&self, messages: &[u8]) -> bool {
        let needle = self.image.needle().len();
        let mut images = self.image.find_iter(messages).peekable();
        if images.peek().is_none() {
            return false;
        }
        let is_string = |at: usize| {
            let mut rest = messages[at + needle..]
                .iter()
                .filter(|b| !b.is_ascii_whitespace());
            rest.next() == Some(&b':') && rest.next() == Some(&b'"')
        };
        images.any(is_string) || self.format.find(messages).is_some()
    }

    fn messages(&self, messages: &str) -> Option<Bytes> {
        let mut edits = Edits::new(messages);
        for message in elements(messages)? {
            if let Some(new) = self.message(message) {
                edits.replace(message, new);
            }
        }
        edits.finish()
    }

    fn message(&self, message: &str) -> Option<String> {
        let members = Members::of(message)?;
        let mut edits = Edits::new(message);
        if let Some((_, unknown, known)) = self.role
            && let Some(role) = members.get("role")
            && role == unknown
        {
            edits.replace(role, known);
        }
        let parts = members
            .get("content")
            .and_then(elements)
            .unwrap_or_default();
        for part in parts {
            if let Some(new) = self.part(part) {
                edits.replace(part, new);
            }
        }
        self.finish(edits, &members, message)
    }

    fn part(&self, part: &str) -> Option<String> {
        let members = Members::of(part)?;
        let mut edits = Edits::new(part);
        if let Some(image) = members.get("image_url") {
            if image.starts_with('"') {
                edits.replace(image, format!(r#"{{"url":{image}}}"#));
            } else if let Some(object) = Members::of(image)
                && object.get("format").is_some()
            {
                edits.replace(image, object.without("format"));
            }
        }
        self.finish(edits, &members, part)
    }

    /// Does the edits of an object, and cuts its `cache_control` where upstreams refuse it.
    fn finish(&self, edits: Edits<'_>, members: &Members<'_>, object: &str) -> Option<String> {
        let edited = edits
            .finish()
            .and_then(|new| String::from_utf8(new.into()).ok());
        if self.cache_control.is_none() || members.get("cache_control").is_none() {
            return edited;
        }
        let edited = edited.as_deref().unwrap_or(object);
        Some(Members::of(edited)?.without("cache_control"))
    }
}

fn tools_without_cache_control(tools: &str) -> Option<Bytes> {
    let mut edits = Edits::new(tools);
    for tool in elements(tools)? {
        let members = Members::of(tool)?;
        let mut inner = Edits::new(tool);
        if let Some(function) = members.get("function")
            && let Some(object) = Members::of(function)
            && object.get("cache_control").is_some()
        {
            inner.replace(function, object.without("cache_control"));
        }
        let inner = inner
            .finish()
            .and_then(|new| String::from_utf8(new.into()).ok());
        let tool_edited = inner.as_deref().unwrap_or(tool);
        if members.get("cache_control").is_some() {
            edits.replace(tool, Members::of(tool_edited)?.without("cache_control"));
        } else if let Some(inner) = inner {
            edits.replace(tool, inner);
        }
    }
    edits.finish()
}

fn text(json: &[u8]) -> Option<&str> {
    std::str::from_utf8(json).ok()
}
