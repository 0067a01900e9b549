use std::fmt;

use crate::areas::Area;

/// The name of the region that a service is in.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Name {
    text: Box<str>,
    area: Option<Area>,
}

/// One spelling for all: lower-case, no spaces (`East US 2`), `-` between the parts.
pub(crate) fn normal(name: &str) -> String {
    let plain = |c: char| match c {
        '_' => '-',
        c => c.to_ascii_lowercase(),
    };
    name.chars()
        .filter(|c| !c.is_whitespace())
        .map(plain)
        .collect()
}

impl Name {
    pub(crate) fn new(name: &str) -> Self {
        let text = normal(name);
        Self {
            area: Area::of(&text),
            text: text.into(),
        }
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    /// Says whether the region is the one asked for, or in it.
    pub(crate) fn satisfies(&self, asked: &str, wider_europe: bool) -> bool {
        let asked = normal(asked);
        if asked.is_empty() {
            return false;
        }
        self.text.as_ref() == asked
            || self.is_in(&asked, wider_europe)
            || self.is_part_of(&asked, wider_europe)
    }

    /// Says whether the region is known to be in the area of this name.
    fn is_in(&self, word: &str, wider_europe: bool) -> bool {
        self.area.is_some_and(|area| {
            area.words().contains(&word)
                || wider_europe && area.is_wider_europe() && Area::Eu.words().contains(&word)
        })
    }

    /// Says whether the name of the region begins with the one asked for, up to a separator: `eu-west` of `eu-west-1`.
    fn is_part_of(&self, asked: &str, wider_europe: bool) -> bool {
        let rest = self.text.strip_prefix(asked);
        if !rest.is_some_and(|rest| rest.starts_with('-')) {
            return false;
        }
        // Where a region is counts more than what it is called: `eu-gb` is not in the EU.
        let first = asked.split('-').next().unwrap_or(asked);
        self.area.is_none() || !Area::is_word(first) || self.is_in(first, wider_europe)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.text, f)
    }
}
