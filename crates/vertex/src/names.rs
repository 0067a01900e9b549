//! Names of functions, in the letters that Google takes.

use std::{borrow::Cow, collections::BTreeMap, fmt::Write};

/// Longest name that both of Google's services take.
const LONGEST: usize = 64;

/// Hexadecimal digits of the hash that keeps rewritten names apart.
const DIGITS: usize = 16;

/// The functions of a request whose names Google does not take: their own names, by those that they are sent under.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names(BTreeMap<String, String>);

impl Names {
    /// Returns the name to send. It depends on nothing but the name, so that a conversation always has the same.
    pub(crate) fn google<'a>(&mut self, name: Cow<'a, str>) -> Cow<'a, str> {
        if is_taken(&name) {
            return name;
        }
        let rewritten = rewritten(&name);
        self.0.insert(rewritten.clone(), name.into_owned());
        rewritten.into()
    }

    /// Returns the name that the client knows.
    pub(crate) fn own<'a>(&self, name: Cow<'a, str>) -> Cow<'a, str> {
        match self.0.get(&*name) {
            Some(own) => own.clone().into(),
            None => name,
        }
    }
}

/// Google's alphabet: a letter or an underscore, then digits, dots and dashes too.
fn is_taken(name: &str) -> bool {
    let begins = name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_');
    begins && name.len() <= LONGEST && name.chars().all(is_letter)
}

fn is_letter(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || matches!(letter, '_' | '.' | '-')
}

/// Keeps what can be read of a name; a hash of the whole keeps it apart from others.
fn rewritten(name: &str) -> String {
    let letters = name.chars().map(|it| if is_letter(it) { it } else { '_' });
    let mut out = String::with_capacity(LONGEST);
    if !name.starts_with(|first: char| first.is_ascii_alphabetic()) {
        out.push('_');
    }
    out.extend(letters.take(LONGEST - out.len() - DIGITS - 1));
    let written = write!(out, "_{:0width$x}", hash(name), width = DIGITS);
    written.expect("writing to a text does not fail");
    out
}

/// FNV-1a: the same in every process and release, as a conversation may outlive them.
fn hash(name: &str) -> u64 {
    const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0100_0000_01b3;
    name.bytes().fold(OFFSET, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(PRIME)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_rewritten_only_if_needed_and_stay_apart() {
        let mut names = Names::default();
        for taken in ["f", "_f", "a.b-c_1", &"x".repeat(64)] {
            assert_eq!(names.google(taken.into()), taken);
            assert_eq!(names.own(taken.into()), taken);
        }
        let long = "y".repeat(65);
        let longer = "y".repeat(66);
        let others = ["a b", "a/b", "1a", "", "größe", "größe ", &long, &longer];
        let sent: Vec<_> = others
            .iter()
            .map(|&name| names.google(name.into()))
            .collect();
        for (at, (own, sent_as)) in others.iter().zip(&sent).enumerate() {
            assert!(is_taken(sent_as), "{own} as {sent_as}");
            assert_eq!(names.own(sent_as.clone()), *own);
            assert!(!sent[..at].contains(sent_as), "{own} as {sent_as}");
        }
    }
}
