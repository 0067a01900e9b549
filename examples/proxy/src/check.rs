//! `ziggurat-proxy check FILE`: all that there is to say about a configuration, without serving it.

use std::{
    collections::HashMap,
    fmt::{self, Write as _},
    fs,
    io::{self, Write as _},
    path::PathBuf,
    process::ExitCode,
};

use clap::Args;
use serde_json::json;
use ziggurat::{
    config::{Finding, Severity, lines},
    gateway::{self, Report},
};

/// Says what is wrong in a configuration, what has no effect, and what means something else than in LiteLLM.
///
/// No environment variable needs to be set. Exit status: 0; 1 if there are warnings and `--strict` is given; 2 if the
/// file, or a deployment in it, cannot be used.
#[derive(Clone, Debug, Args)]
pub(crate) struct Check {
    /// The configuration.
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// Ends with status 1 if there are warnings, or settings without effect. Notes do not count.
    #[arg(long)]
    strict: bool,

    /// Prints JSON: {"file", "status", "errors", "warnings", "not_active", "notes", "findings": [{"severity", "file",
    /// "line", "column", "path", "message", "rule"}], "remarks": []}.
    #[arg(long)]
    json: bool,
}

impl Check {
    pub(crate) fn run(&self) -> ExitCode {
        let checked = Checked {
            file: self.file.display().to_string(),
            report: gateway::check(crate::source::loader(), &self.file),
        };
        let status = checked.status(self.strict);
        let text = match self.json {
            true => format!("{:#}\n", checked.json(status)),
            false => checked.to_string(),
        };
        // Whoever reads may have seen enough; the status tells the rest.
        let _ = io::stdout().write_all(text.as_bytes());
        ExitCode::from(status)
    }
}

struct Checked {
    file: String,
    report: Report,
}

impl Checked {
    fn findings(&self) -> impl Iterator<Item = &Finding> {
        self.report.errors.iter().chain(&self.report.findings)
    }

    fn count(&self, severity: &str) -> usize {
        self.findings()
            .filter(|finding| label(finding) == severity)
            .count()
    }

    fn status(&self, strict: bool) -> u8 {
        let is_clean = self.count(WARNING) + self.count(NOT_ACTIVE) == 0;
        match self.report.errors.is_empty() {
            false => 2,
            true => u8::from(strict && !is_clean),
        }
    }

    fn json(&self, status: u8) -> serde_json::Value {
        let finding = |finding: &Finding| {
            let place = finding.location.as_ref();
            json!({
                "severity": label(finding),
                "file": place.map_or(self.file.as_str(), |place| &place.file),
                "line": place.map(|place| place.line),
                "column": place.map(|place| place.column),
                "path": finding.path,
                "message": finding.message,
                "rule": finding.rule,
            })
        };
        json!({
            "file": self.file,
            "status": status,
            "errors": self.count(ERROR),
            "warnings": self.count(WARNING),
            "not_active": self.count(NOT_ACTIVE),
            "notes": self.count(NOTE),
            "findings": self.findings().map(finding).collect::<Vec<_>>(),
            "remarks": self.report.notes,
        })
    }
}

const ERROR: &str = "error";
const WARNING: &str = "warning";
const NOT_ACTIVE: &str = "not_active";
const NOTE: &str = "note";

fn label(finding: &Finding) -> &'static str {
    match finding.severity {
        Severity::Error => ERROR,
        Severity::NotActive => NOT_ACTIVE,
        Severity::Note => NOTE,
        _ => WARNING,
    }
}

/// Each finding with its line, and a caret under its place; then how many there are.
impl fmt::Display for Checked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut texts: HashMap<&str, String> = HashMap::new();
        for place in self
            .findings()
            .filter_map(|finding| finding.location.as_ref())
        {
            // A file that is gone by now has no lines to show, nor has a pipe.
            let read = || match fs::metadata(&*place.file) {
                Ok(file) if file.is_file() => fs::read_to_string(&*place.file).unwrap_or_default(),
                _ => String::new(),
            };
            texts.entry(&place.file).or_insert_with(read);
        }
        let lines: HashMap<_, _> = texts
            .iter()
            .map(|(file, text)| (*file, lines(text)))
            .collect();
        for finding in self.findings() {
            let severity = label(finding).replace('_', " ");
            let Some(place) = &finding.location else {
                writeln!(f, "{severity}: {finding}")?;
                continue;
            };
            let text = finding.to_string();
            let text = text.trim_start_matches(&place.to_string());
            writeln!(f, "{place}: {severity}{text}")?;
            if let Some(excerpt) = finding.excerpt(&lines[&*place.file]) {
                let (number, caret) = (place.line, excerpt.caret);
                writeln!(f, "{number:>6} | {}", excerpt.line)?;
                writeln!(f, "       | {:caret$}^", "")?;
            }
        }
        for note in &self.report.notes {
            writeln!(f, "note: {note}")?;
        }
        let mut counts = String::new();
        for (severity, one, many) in [
            (ERROR, "error", "errors"),
            (WARNING, "warning", "warnings"),
            (
                NOT_ACTIVE,
                "setting without effect",
                "settings without effect",
            ),
            (NOTE, "note", "notes"),
        ] {
            let count = self.count(severity);
            let name = if count == 1 { one } else { many };
            write!(counts, ", {count} {name}")?;
        }
        writeln!(f, "{}{}", self.file, counts.replacen(',', ":", 1))
    }
}
