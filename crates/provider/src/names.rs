//! Names of tools and ids of calls, for dialects whose upstreams take fewer characters than OpenAI's clients send: letters,
//! digits, `_` and `-`.

use std::collections::{HashMap, HashSet};

/// Names of tools as they are sent: each of its own, and told back to the client as it knows them.
#[derive(Clone, Debug, Default)]
pub struct Names {
    /// What is sent, and the client's; only those that differ.
    rewritten: Vec<(String, String)>,
}

/// Ids of calls as they are sent: each of its own, and the same for the results of a call.
#[derive(Clone, Debug)]
pub struct CallIds {
    longest: usize,
    sent: HashSet<String>,
    /// The calls that a client knows by one id: servers of less care use one again.
    calls: HashMap<String, Vec<Call>>,
}

#[derive(Clone, Debug)]
struct Call {
    sent: String,
    answered: bool,
}

// === impl Names ===

impl Names {
    /// Fits all the names of a request; `longest` is the upstream's limit, `reserved` are names that tools of the dialect's
    /// own bear.
    ///
    /// A name that is taken as it is stays, whatever others become. Which suffix tells apart those that become the same
    /// depends on their order: put those of the tools before those of the history, so that it does not change from turn to
    /// turn.
    #[must_use]
    pub fn fit(names: &[&str], longest: usize, reserved: &[&str]) -> Self {
        let mut this = Self::default();
        let is_taken = |name: &str| is_plain(name, longest) && !reserved.contains(&name);
        if names.iter().all(|name| is_taken(name)) {
            return this;
        }
        let mut used: HashSet<String> = reserved.iter().map(|name| (*name).to_owned()).collect();
        let plain = names.iter().filter(|name| is_taken(name));
        used.extend(plain.map(|name| (*name).to_owned()));
        for name in names.iter().filter(|name| !is_taken(name)) {
            if this.rewritten.iter().all(|(_, own)| own != name) {
                let sent = distinct(name, longest, &used);
                used.insert(sent.clone());
                this.rewritten.push((sent, (*name).to_owned()));
            }
        }
        this
    }

    /// Returns the name to send for one of the client's.
    #[must_use]
    pub fn sent<'a>(&'a self, own: &'a str) -> &'a str {
        let found = self.rewritten.iter().find(|(_, known)| known == own);
        found.map_or(own, |(sent, _)| sent)
    }

    /// Returns the client's name for one that was sent.
    #[must_use]
    pub fn own<'a>(&'a self, sent: &'a str) -> &'a str {
        let found = self.rewritten.iter().find(|(known, _)| known == sent);
        found.map_or(sent, |(_, own)| own)
    }
}

// === impl CallIds ===

impl CallIds {
    /// Starts without any; `longest` is the upstream's limit.
    #[must_use]
    pub fn new(longest: usize) -> Self {
        Self {
            longest,
            sent: HashSet::new(),
            calls: HashMap::new(),
        }
    }

    /// Returns the id to send for a call.
    #[must_use]
    pub fn call(&mut self, own: &str) -> String {
        let sent = distinct(own, self.longest, &self.sent);
        self.sent.insert(sent.clone());
        let calls = self.calls.entry(own.to_owned()).or_default();
        if calls.iter().all(|call| call.answered) {
            calls.clear();
        }
        calls.push(Call {
            sent: sent.clone(),
            answered: false,
        });
        sent
    }

    /// Returns the id to send for a result: that of the first call of this id without one, else of the last.
    #[must_use]
    pub fn result(&mut self, own: &str) -> String {
        let Some(calls) = self.calls.get_mut(own) else {
            return fitted(own, self.longest);
        };
        let open = calls.iter().position(|call| !call.answered);
        let at = open.unwrap_or(calls.len() - 1);
        let call = &mut calls[at];
        call.answered = true;
        call.sent.clone()
    }
}

fn is_plain(text: &str, longest: usize) -> bool {
    (1..=longest).contains(&text.len()) && text.chars().all(is_taken)
}

fn is_taken(char: char) -> bool {
    char.is_ascii_alphanumeric() || char == '_' || char == '-'
}

/// Puts an underscore in place of each character that is not taken, and cuts what is too long.
fn fitted(text: &str, longest: usize) -> String {
    let one = |char| if is_taken(char) { char } else { '_' };
    let fitted: String = text.chars().take(longest).map(one).collect();
    match fitted.is_empty() {
        true => "_".to_owned(),
        false => fitted,
    }
}

/// Fits a text, with a number behind it if what comes of it is used.
fn distinct(text: &str, longest: usize, used: &HashSet<String>) -> String {
    let base = fitted(text, longest);
    let numbered = (2_usize..).map(|number| {
        let suffix = format!("_{number}");
        let end = base.len().min(longest.saturating_sub(suffix.len()));
        format!("{}{suffix}", &base[..end])
    });
    let mut candidates = std::iter::once(base.clone()).chain(numbered);
    candidates
        .find(|candidate| !used.contains(candidate))
        .expect("numbers do not end")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_apart_and_are_told_back() {
        let long = "x".repeat(9);
        let names = ["a.b", "a b", "a_b", "a_b_2", &long, "", "json", "a.b"];
        let fitted = Names::fit(&names, 8, &["json"]);
        let sent: Vec<_> = names.iter().map(|name| fitted.sent(name)).collect();
        assert_eq!(
            sent,
            [
                "a_b_3", "a_b_4", "a_b", "a_b_2", "xxxxxxxx", "_", "json_2", "a_b_3"
            ]
        );
        for (sent, own) in sent.iter().zip(names) {
            assert_eq!(fitted.own(sent), own);
        }
        let longer = "x".repeat(10);
        let both = Names::fit(&[&long, &longer], 8, &[]);
        assert_eq!(
            (both.sent(&long), both.sent(&longer)),
            ("xxxxxxxx", "xxxxxx_2")
        );
    }

    #[test]
    fn results_go_to_their_calls() {
        let mut ids = CallIds::new(64);
        let calls = ["x:1", "x_1", "x:1", ""].map(|id| ids.call(id));
        assert_eq!(calls, ["x_1", "x_1_2", "x_1_3", "_"]);
        let results = ["x:1", "x:1", "x_1", "x:1", "other.one"].map(|id| ids.result(id));
        assert_eq!(results, ["x_1", "x_1_3", "x_1_2", "x_1_3", "other_one"]);
        // One id again, after its call was answered.
        assert_eq!(
            (ids.call("x_1"), ids.result("x_1")),
            ("x_1_4".into(), "x_1_4".into())
        );
    }
}
