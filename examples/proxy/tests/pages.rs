//! The pages of the proxy say what the program says.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use std::{collections::BTreeSet, fs, path::Path, process::Command};

fn page(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}

/// The first block of code of a language.
fn block<'a>(page: &'a str, language: &str) -> &'a str {
    let (_, rest) = page.split_once(&format!("\n```{language}\n")).unwrap();
    rest.split_once("```").unwrap().0
}

fn run(args: &[&str], folder: &Path) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ziggurat-proxy"));
    let output = command.env_clear().current_dir(folder).args(args);
    String::from_utf8(output.output().unwrap().stdout).unwrap()
}

#[test]
fn what_check_says_of_the_example() {
    let page = page("coming-from-litellm.md");
    let folder = std::env::temp_dir().join(format!("ziggurat-pages-{}", std::process::id()));
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("config.yaml"), block(&page, "yaml")).unwrap();
    let said = run(&["check", "config.yaml"], &folder);
    fs::remove_dir_all(&folder).unwrap();
    assert_eq!(said, block(&page, "text"));
}

/// Every flag of the program is in the page, and every flag of the page in the program.
#[test]
fn flags() {
    let flags = |text: &str| -> BTreeSet<String> {
        let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-' || c == '_'));
        let long = words.filter(|word| word.starts_with("--") && word.len() > 2);
        long.map(str::to_owned).collect()
    };
    let page = page("README.md");
    let (_, section) = page.split_once("\n## Flags\n").unwrap();
    let rows = section.split("\n## ").next().unwrap().lines();
    let rows: String = rows.filter(|line| line.starts_with("| `")).collect();
    let help = run(&["--help"], Path::new("."));
    let lines = help.lines().map(str::trim_start);
    let lines = lines.filter(|line| line.starts_with('-'));
    let mut known = flags(&lines.collect::<Vec<_>>().join("\n"));
    // What every program has.
    known.retain(|flag| flag != "--help" && flag != "--version");
    assert_eq!(flags(&rows), known);
}
