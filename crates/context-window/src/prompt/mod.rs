//! What a request asks for, as far as tokens go.

mod image;
mod json;
mod sum;
mod tools;
mod walk;

use http::Extensions;
use memchr::memmem;
use ziggurat_core::{LlmRequest, TokenCount, TokenCounts, overrides::Parameters};

pub(crate) use self::image::DEAREST;

/// Members that are part of the prompt.
const MEMBERS: [&str; 7] = [
    "messages",
    "system",
    "prompt",
    "input",
    "instructions",
    "tools",
    "functions",
];

/// Tokens beside those of texts and messages: the reply's 3, the 9 of tools, the head and end of their declaration.
const FRAME: u64 = 64;

/// No part of a body needs more tokens per byte: `{"type":"image","detail":"high"}` has 32 bytes, and 765 tokens.
const DEAREST_BYTE: u64 = 32;

/// The prompt of a request: members of the body, and those that a fallback hop puts in their place.
#[derive(Clone, Copy, Debug)]
pub struct Prompt<'a> {
    request: &'a LlmRequest,
    /// Only what changes the prompt or the wanted length.
    parameters: Option<&'a Parameters>,
    /// Whether the parameters change the prompt itself, so that counts of the body do not hold.
    changed: bool,
}

impl<'a> Prompt<'a> {
    /// Looks at a request, with these parameters in place of members of its body.
    #[must_use]
    pub fn new(request: &'a LlmRequest, parameters: Option<&'a Parameters>) -> Self {
        let names = parameters.map_or(&[][..], |it| &it.0);
        Self {
            request,
            parameters,
            changed: names.iter().any(|(name, _)| MEMBERS.contains(&&**name)),
        }
    }

    /// Looks at a request by its extensions; `None` if nobody read its body.
    #[must_use]
    pub fn of(extensions: &'a Extensions) -> Option<Self> {
        extensions
            .get()
            .map(|request| Self::new(request, extensions.get()))
    }

    /// Returns a member as JSON text; `null` counts as absent.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&'a str> {
        let own = self.parameters.and_then(|Parameters(own)| {
            let found = own.iter().find(|(key, _)| **key == *name)?;
            std::str::from_utf8(&found.1).ok()
        });
        let text = match own {
            Some(text) => text.trim(),
            None => self.request.document().get(name)?.text(),
        };
        (text != "null").then_some(text)
    }

    /// Returns the size of all that may be part of the prompt, in bytes of JSON.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        let own = self.parameters.filter(|_| self.changed);
        let own = own.map_or(0, |it| it.0.iter().map(|(_, value)| value.len()).sum());
        (self.request.document().raw().len() + own) as u64
    }

    /// Returns the longest answer that is asked for: `max_completion_tokens`, else `max_tokens`, else
    /// `max_output_tokens`.
    #[must_use]
    pub fn output(&self) -> Option<u64> {
        ["max_completion_tokens", "max_tokens", "max_output_tokens"]
            .iter()
            .find_map(|name| self.get(name)?.parse().ok())
    }

    /// Returns the most tokens that the prompt can need, if a cheap look shows that they are within `limit`.
    ///
    /// It holds where no token is shorter than a byte. Nothing is decoded: up to 1/32 of the limit the size decides;
    /// above that, one search for images.
    #[must_use]
    pub fn most(&self, limit: u64) -> Option<u64> {
        let bytes = self.bytes() + FRAME;
        let most = bytes * DEAREST_BYTE;
        if most <= limit {
            return Some(most);
        }
        if bytes > limit {
            return None;
        }
        // In a declaration, `1` of an `enum` becomes ` | "1"`.
        let tools = ["tools", "functions"].map(|name| self.get(name).map_or(0, str::len));
        let mut most = bytes + 3 * (tools[0] + tools[1]) as u64;
        let document = self.request.document();
        // An image is known by its `type`: where there is none, there is nothing to search for.
        let raw = document.may_have_member("type").then(|| document.raw());
        let own = self.parameters.filter(|_| self.changed);
        let own = own
            .into_iter()
            .flat_map(|it| &*it.0)
            .map(|(_, value)| value);
        for text in own.chain(raw) {
            // A letter of `image` may be written as `\u0069`.
            if memmem::find(text, b"\\u006").is_some() {
                return None;
            }
            most += DEAREST * memmem::find_iter(text, b"image").count() as u64;
        }
        (most <= limit).then_some(most)
    }

    /// Counts by the rules of the crate page, with a function that counts the tokens of a text, up to a limit.
    ///
    /// Counting stops above `limit`. `None` if there is no prompt, or one that cannot be read.
    pub fn count(
        &self,
        limit: u64,
        text: impl FnMut(&str, u64) -> TokenCount,
    ) -> Option<TokenCount> {
        walk::count(self, limit, text)
    }

    /// The parameters that make a count of this prompt one of its own.
    pub(crate) fn key(&self) -> Option<&'a Parameters> {
        self.parameters.filter(|_| self.changed)
    }

    pub(crate) fn counts(&self) -> &'a TokenCounts {
        self.request.tokens()
    }
}
