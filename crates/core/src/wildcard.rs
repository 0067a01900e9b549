use std::{borrow::Cow, fmt, sync::Arc};

/// The longest name that a pattern is compared with: no model's is longer.
const LONGEST: usize = 256;

/// A pattern of names: each `*` stands for any text, none included.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Wildcard {
    text: Arc<str>,
}

/// What the `*`s of a [`Wildcard`] stood for in a name.
///
/// A request extension, put by whoever chose a group by a pattern, read by a leaf whose model is a pattern too.
#[derive(Clone, PartialEq, Eq)]
pub struct Captures {
    name: Arc<str>,
    parts: Arc<[(usize, usize)]>,
}

// === impl Wildcard ===

impl Wildcard {
    /// Reads a pattern; `None` if the text has no `*`, and so stands only for itself.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        text.contains('*').then(|| Self { text: text.into() })
    }

    /// Returns the pattern as written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns how much of a name the pattern determines: of two that match, the one with more is the more specific.
    #[must_use]
    pub fn specificity(&self) -> usize {
        self.text.len() - self.stars()
    }

    /// Returns the number of `*`s.
    #[must_use]
    pub fn stars(&self) -> usize {
        self.text.matches('*').count()
    }

    /// Compares a name with the whole pattern. Where more than one way is possible, the first `*` takes as much as it can,
    /// then the second, and so on. Names of more than 256 bytes, with control characters, or with a part between slashes that
    /// is `.` or `..`, do not match: a leaf may put them into a path.
    ///
    /// ```
    /// use ziggurat_core::Wildcard;
    ///
    /// let pattern = Wildcard::new("openai/*").unwrap();
    /// let captures = pattern.matches("openai/gpt-4o").unwrap();
    /// assert_eq!(captures.fill("azure/*"), "azure/gpt-4o");
    /// assert!(pattern.matches("anthropic/claude").is_none());
    /// ```
    #[must_use]
    pub fn matches(&self, name: &str) -> Option<Captures> {
        let is_dots = |part: &str| matches!(part, "." | "..");
        if name.len() > LONGEST || name.contains(char::is_control) || name.split('/').any(is_dots) {
            return None;
        }
        let (head, rest) = self.text.split_once('*')?;
        if !name.starts_with(head) {
            return None;
        }
        // From the right: each literal as far to the right as it goes, so that what is left of it takes the most.
        let mut end = name.len();
        let mut parts = Vec::with_capacity(self.stars());
        for literal in rest.rsplit('*') {
            let open = &name[head.len()..end];
            let at = match parts.is_empty() {
                // The last one stands at the end.
                true => open.strip_suffix(literal)?.len(),
                false => open.rfind(literal)?,
            };
            let start = head.len() + at;
            parts.push((start + literal.len(), end));
            end = start;
        }
        // Each part began as the text behind a literal; what is before the first literal belongs to the first `*`.
        parts.push((head.len(), end));
        parts.remove(0);
        parts.reverse();
        Some(Captures {
            name: name.into(),
            parts: parts.into(),
        })
    }
}

impl fmt::Debug for Wildcard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.text, f)
    }
}

// === impl Captures ===

impl Captures {
    /// Returns the whole name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns what each `*` stood for.
    pub fn parts(&self) -> impl Iterator<Item = &str> {
        self.parts
            .iter()
            .map(|&(start, end)| &self.name[start..end])
    }

    /// Puts the parts in the place of the `*`s of another text, from the left. A text without `*` stays as it is; one with
    /// fewer `*`s than there are parts gives way to the whole name; `*`s without a part stay.
    #[must_use]
    pub fn fill<'a>(&'a self, text: &'a str) -> Cow<'a, str> {
        let stars = text.matches('*').count();
        if stars == 0 {
            return Cow::Borrowed(text);
        }
        if stars < self.parts.len() {
            return Cow::Borrowed(&self.name);
        }
        let mut parts = self.parts();
        let mut literals = text.split('*');
        let mut filled = literals.next().unwrap_or_default().to_owned();
        for literal in literals {
            filled += parts.next().unwrap_or("*");
            filled += literal;
        }
        Cow::Owned(filled)
    }
}

impl fmt::Debug for Captures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.parts()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(pattern: &str, name: &str) -> Option<Vec<String>> {
        let captures = Wildcard::new(pattern).unwrap().matches(name)?;
        Some(captures.parts().map(str::to_owned).collect())
    }

    #[test]
    fn both_ends_hold_and_the_first_star_takes_the_most() {
        for (pattern, name, expected) in [
            ("*", "", Some(vec![""])),
            ("*", "a/b", Some(vec!["a/b"])),
            ("a-*", "a-b", Some(vec!["b"])),
            ("a-*", "xa-b", None),
            ("*-b", "a-b", Some(vec!["a"])),
            ("*-b", "a-bc", None),
            ("a*a", "a", None),
            ("a*a", "aa", Some(vec![""])),
            ("*/*", "a/b/c", Some(vec!["a/b", "c"])),
            ("*/*", "ab", None),
            ("a*b*c", "abbc", Some(vec!["b", ""])),
            ("a*b*c", "axbybzc", Some(vec!["xby", "z"])),
            ("**", "ab", Some(vec!["ab", ""])),
            ("*ü*", "aüb", Some(vec!["a", "b"])),
            ("a*", "a\n", None),
            ("*", "a..b/...", Some(vec!["a..b/..."])),
            ("*", "..", None),
            ("a/*", "a/.", None),
            ("a/*", "a/b/../c", None),
        ] {
            let expected = expected.map(|parts| parts.into_iter().map(str::to_owned).collect());
            assert_eq!(parts(pattern, name), expected, "{pattern} {name}");
        }
        assert_eq!(parts("*", &"a".repeat(LONGEST + 1)), None);
        assert_eq!(Wildcard::new("gpt-4o"), None);
    }

    #[test]
    fn parts_fill_another_pattern() {
        let captures = Wildcard::new("*/*").unwrap().matches("a/b").unwrap();
        for (text, filled) in [
            ("x", "x"),
            ("x/*", "a/b"),
            ("*:*", "a:b"),
            ("*:*:*", "a:b:*"),
        ] {
            assert_eq!(captures.fill(text), filled, "{text}");
        }
    }
}
