//! Files without a text that can be read: each is told with its place, none is waited for.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use std::{fs, path::PathBuf};

use ziggurat_config::Loader;

const GOOD: &str = "model_list: [{model_name: a, litellm_params: {model: openai/x, api_key: k}}]\n";

/// A directory of its own, gone with the test.
struct Directory(PathBuf);

impl Directory {
    fn new(name: &str) -> Self {
        let name = format!("ziggurat-unreadable-{}-{name}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// Writes a file, and returns what is wrong with it, without the directory.
    fn told(&self, name: &str, bytes: &[u8]) -> String {
        let path = self.0.join(name);
        fs::write(&path, bytes).unwrap();
        self.check(&path)
    }

    fn check(&self, path: &PathBuf) -> String {
        let errors = Loader::new(|_| None).inspect(path).errors;
        let lines: Vec<_> = errors.iter().map(ToString::to_string).collect();
        lines
            .join("\n")
            .replace(&format!("{}/", self.0.display()), "")
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        // Gone with the directory of temporary files at the latest.
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn bytes_that_are_no_text() {
    let dir = Directory::new("bytes");
    let latin = [GOOD.as_bytes(), b"# \xc3\xa9t\xe9"].concat();
    assert_eq!(dir.told("l", &latin), "l:2:5: is not UTF-8 from here on");
    let utf16 = |swap: bool| {
        let marked = format!("\u{feff}{GOOD}");
        let units = marked.encode_utf16();
        let bytes = units.flat_map(|unit| match swap {
            true => unit.to_be_bytes(),
            false => unit.to_le_bytes(),
        });
        bytes.collect::<Vec<_>>()
    };
    for swap in [true, false] {
        let told = dir.told("u", &utf16(swap));
        assert_eq!(told, "u:1:1: is UTF-16; save it as UTF-8");
    }
    let control = "not readable as YAML: control characters are not allowed";
    let nul = [GOOD.as_bytes(), b"x: a\x00b"].concat();
    assert_eq!(dir.told("n", &nul), format!("n:2:5: {control}"));
    let delete = ["\u{feff}".as_bytes(), GOOD.as_bytes(), b"\x7f"].concat();
    assert_eq!(dir.told("d", &delete), format!("d:2:1: {control}"));
}

#[test]
fn signs_that_begin_no_value() {
    let dir = Directory::new("signs");
    for (line, told) in [
        ("  \tb: 1", "3: a tab cannot indent; use spaces"),
        ("\tb: 1", "1: a tab cannot indent; use spaces"),
        (
            "  b: @c",
            "6: a value cannot begin with `@`; text needs quotes",
        ),
        (
            "  b: `c`",
            "6: a value cannot begin with ```; text needs quotes",
        ),
        (
            "  b: c: d",
            "7: a value cannot hold `: `; is a new line missing, or are quotes?",
        ),
    ] {
        let (column, message) = told.split_once(": ").unwrap();
        let expected = format!("s:3:{column}: not readable as YAML: {message}");
        assert_eq!(
            dir.told("s", format!("{GOOD}router_settings:\n{line}\n").as_bytes()),
            expected
        );
    }
}

#[test]
fn what_is_no_file_or_never_ends() {
    let dir = Directory::new("places");
    let told = dir.check(&dir.0);
    assert!(
        told.ends_with(": cannot be read: Is a directory (os error 21)"),
        "{told}"
    );
    let told = dir.check(&dir.0.join("gone"));
    assert_eq!(
        told,
        "gone: cannot be read: No such file or directory (os error 2)"
    );
    let told = dir.check(&PathBuf::from("/dev/zero"));
    assert_eq!(told, "/dev/zero: cannot be read: longer than 64 MiB");
    let include = |file: &str| format!("{GOOD}include: [{file}]");
    fs::write(dir.0.join("latin"), b"a\nb\xe9").unwrap();
    assert_eq!(
        dir.told("i", include("latin").as_bytes()),
        "i:2:11: include[0]: `latin` is not UTF-8 from here on, at latin:2:2"
    );
    assert_eq!(
        dir.told("i", include("/dev/zero").as_bytes()),
        "i:2:11: include[0]: `/dev/zero` cannot be read: not a file"
    );
}
