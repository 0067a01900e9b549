//! The configurations of the recipes have nothing in them that `check` would warn of, but for keys that are not set here.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use std::{fs, process::Command};

#[test]
fn nothing_in_a_recipe_is_wrong_or_without_effect() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/configs");
    let mut checked = 0;
    for file in fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let mut command = Command::new(env!("CARGO_BIN_EXE_ziggurat-proxy"));
        let output = command.env_clear().args(["check", "--json"]).arg(&path);
        let output = output.output().unwrap();
        assert!(output.status.success(), "{}", path.display());
        let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        for finding in report["findings"].as_array().unwrap() {
            let message = finding["message"].as_str().unwrap();
            let unset = message.contains("environment variable") && message.contains("is not set");
            assert!(unset || finding["severity"] == "note", "{finding}");
        }
        checked += 1;
    }
    assert!(checked >= 9);
}
