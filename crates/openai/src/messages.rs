//! Rewrites of messages and tools, made only if a cheap look shows that they are needed.

use bytes::Bytes;
use memchr::memmem::Finder;
use ziggurat_core::JsonBody;

use crate::{
    spans::{Edits, Members, elements},
    tools,
};

/// What a deployment's messages need.
pub(crate) struct Rewrites {
    /// The role that the model does not know, and the one it knows in its place.
    role: Option<(Finder<'static>, &'static str, &'static str)>,
    image: Finder<'static>,
    format: Finder<'static>,
    strict: Option<Strict>,
}

/// What shows that there is something that the upstream refuses.
struct Strict {
    cache_control: Finder<'static>,
    /// The end of `anyOf`, `oneOf` and `allOf`.
    combinator: Finder<'static>,
}

impl Rewrites {
    /// Finds out what a model needs; `strict` upstreams refuse members they do not know.
    pub(crate) fn of(model: &str, strict: bool) -> Self {
        let developer = ziggurat_models::supports_developer_role(model);
        let system = ziggurat_models::supports_system_messages(model);
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
            strict: strict.then(|| Strict {
                cache_control: Finder::new(r#""cache_control""#),
                combinator: Finder::new(r#"Of""#),
            }),
        }
    }

    /// Rewrites messages and tools of a request.
    pub(crate) fn apply(&self, body: &mut JsonBody) {
        if let Some(messages) = body.get("messages")
            && self.is_needed(body, messages)
            && let Some(new) = text(messages).and_then(|messages| self.messages(messages))
        {
            body.set("messages", new);
        }
        if let Some(strict) = &self.strict
            && let Some(tools) = body.get("tools")
            && strict.refuses(tools)
            && let Some(new) = text(tools).and_then(tools::without_what_is_refused)
        {
            body.set("tools", new);
        }
        if body.contains("tool_choice") && !body.contains("tools") && !body.contains("functions") {
            body.remove("tool_choice");
        }
    }

    fn is_needed(&self, body: &JsonBody, messages: &[u8]) -> bool {
        let has = |finder: &Finder<'_>| finder.find(messages).is_some();
        let strict = self.strict.as_ref();
        self.role.as_ref().is_some_and(|(finder, ..)| has(finder))
            // Texts are long: they are searched only where there is such a member at all.
            || body.may_have_member("image_url") && self.has_odd_image(messages)
            || body.may_have_member("cache_control")
                && strict.is_some_and(|strict| has(&strict.cache_control))
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
        if self.strict.is_none() || members.get("cache_control").is_none() {
            return edited;
        }
        let edited = edited.as_deref().unwrap_or(object);
        Some(Members::of(edited)?.without("cache_control"))
    }
}

impl Strict {
    /// Whether tools may have what is refused.
    fn refuses(&self, tools: &[u8]) -> bool {
        self.cache_control.find(tools).is_some() || self.combinator.find(tools).is_some()
    }
}

fn text(json: &[u8]) -> Option<&str> {
    std::str::from_utf8(json).ok()
}
