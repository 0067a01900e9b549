//! The JSON Schema that lies beside the proxy.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use std::process::Command;

#[test]
fn the_file_is_what_the_reader_takes() {
    let output = Command::new(env!("CARGO_BIN_EXE_ziggurat-proxy"))
        .arg("schema")
        .output()
        .unwrap();
    assert!(output.status.success());
    let printed = String::from_utf8(output.stdout).unwrap();
    let is_current = printed == include_str!("../config.schema.json");
    assert!(
        is_current,
        "run: cargo run --bin ziggurat-proxy -- schema > examples/proxy/config.schema.json"
    );
}
