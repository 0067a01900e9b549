use ziggurat::config::{Config, Finding, lines};

const SECRET: &str = "sk-from-the-environment";

/// What is found grows with the text: each place has a few findings at most.
const FINDINGS_PER_BYTE: usize = 4;

/// A configuration: whatever the text is, it is read or refused, in bounded words, and what the environment holds is not
/// shown.
pub fn config(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    if text.contains("model_facts") || text.contains("include") {
        return; // names a file, which may be any
    }
    let lines = lines(text);
    let findings = match Config::from_str(text, "c.yaml", |_| Some(SECRET.to_owned())) {
        Ok(config) => {
            assert!(!config.deployments.is_empty(), "a proxy of nothing");
            assert!(!format!("{config:?}").contains(SECRET), "a secret is shown");
            for finding in config.meaning() {
                check(&finding, &lines);
            }
            config.findings
        }
        Err(errors) => errors.errors,
    };
    assert!(findings.len() <= 16 + FINDINGS_PER_BYTE * bytes.len());
    for finding in findings {
        check(&finding, &lines);
    }
}

fn check(finding: &Finding, lines: &[&str]) {
    assert!(!finding.to_string().contains(SECRET), "{finding}");
    if let Some(excerpt) = finding.excerpt(lines) {
        assert!(excerpt.caret <= excerpt.line.chars().count(), "{excerpt:?}");
    }
}
