//! What the compiler says when a type lacks one of the open traits.
//!
//! Each example compiles as it stands, which every build shows. With `--cfg broken` it does not: only the message and the
//! notes of our own are compared, not what a compiler draws around them.

use std::{env, process::Command};

use serde_json::Value;

/// Compiles an example with what it needs left out, and returns the messages of the errors with their notes.
fn errors(example: &str) -> Vec<String> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(["rustc", "--quiet", "--offline", "--profile", "check"])
        .args(["--example", example, "--message-format", "json"])
        .args(["--", "--cfg", "broken"])
        .output()
        .expect("cargo runs");
    assert!(!output.status.success(), "`{example}` compiles");
    let messages = output.stdout.split(|&byte| byte == b'\n');
    let messages = messages.filter_map(|line| serde_json::from_slice::<Value>(line).ok());
    let errors = messages.filter(|line| line["message"]["level"] == "error");
    let errors: Vec<_> = errors.map(|line| told(&line["message"])).collect();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(!errors.is_empty(), "cargo failed by itself: {stderr}");
    errors
}

/// The words of a message, those at its places, and those of its notes; a line for each.
fn told(message: &Value) -> String {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut lines = vec![text(&message["message"])];
    lines.extend(
        list(&message["spans"])
            .iter()
            .map(|span| text(&span["label"])),
    );
    lines.extend(list(&message["children"]).iter().map(told));
    lines.join("\n")
}

macro_rules! says {
    ($($(#[$attribute:meta])* $name:ident: $($line:literal),+;)*) => {$(
        $(#[$attribute])*
        #[test]
        fn $name() {
            let errors = errors(stringify!($name));
            for line in [$($line),+] {
                assert!(errors[0].contains(line), "no `{line}` in: {}", errors[0]);
            }
        }
    )*};
}

says! {
    admit: "cannot say whether it would take a request",
        "wrap the service in `ziggurat_core::Open`, and put layers of other crates below it";
    classify: "`ByHeader` cannot tell a failed answer from a good one",
        "`ziggurat_core::ByStatus` and `ziggurat_core::GrpcStatus` are ready-made ones";
    dialect: "`Mine` is not the dialect of a provider", "does not implement `Dialect`";
    exchange: "`Reply` cannot read the answer to a call", "does not implement `Exchange`";
    pick: "`First` is no policy for a `Balance`", "does not implement `Pick`";
    count_tokens: "`ByWords` cannot count the tokens of a prompt", "does not implement `CountTokens`";
    detect: "`AnyByte` cannot tell content from what comes before it", "does not implement `Detect`";
    scan: "`FirstByte` cannot look for the first content of a response", "does not implement `Scan`";
    // The contract suite asks for these before anything runs.
    not_sync: "`Cell<u8>` cannot be shared between threads safely", "`LayerOver<";
    not_unpin: "`PhantomPinned` cannot be unpinned", "`LayerOver<";
}
