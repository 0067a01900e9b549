//! Files that include others.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use std::{
    fs,
    path::{Path, PathBuf},
};

use ziggurat_config::{Config, Severity};

/// A directory that goes when the test ends.
struct Files(PathBuf);

impl Files {
    fn new(name: &str, files: &[(&str, &str)]) -> Self {
        let name = format!("ziggurat-include-{}-{name}", std::process::id());
        let files_of = Self(std::env::temp_dir().join(name));
        for (name, text) in files {
            let path = files_of.path(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        files_of
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// A text with the directory cut off.
    fn short(&self, text: &(impl ToString + ?Sized)) -> String {
        let directory = format!("{}/", self.0.display());
        text.to_string().replace(&directory, "")
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

const MAIN: &str = "include: [more/models.yaml, settings.yaml]
model_list:
- {model_name: a, litellm_params: {model: gpt-4o, api_key: os.environ/KEY}}
environment_variables: {KEY: k}
router_settings: {num_retries: 1, fallbacks: [{a: [b]}]}
general_settings:
";

#[test]
fn r3_r4_included_files_are_merged_key_by_key() {
    let files = Files::new(
        "merged",
        &[
            ("main.yaml", MAIN),
            (
                "more/models.yaml",
                "include: [../main.yaml, own/deep.yaml]\nmodel_list:\n\
                 - {model_name: b, litellm_params: {model: o1, rpm: x}}\n\
                 - {model_name: c, litellm_params: {model: o1}}\n",
            ),
            (
                "more/own/deep.yaml",
                "model_list: [{model_name: d, litellm_params: {model: o1, tmieout: 1}}]\n",
            ),
            (
                "settings.yaml",
                "router_settings:\n  cooldown_time: 3\n  num_retries: 4\n  fallbacks: [{c: [d, z]}]\n\
                 general_settings: {master_key: m}\nenvironment_variables: {KEY: k}\n",
            ),
        ],
    );
    let config = Config::from_path(files.path("main.yaml")).unwrap();
    let names: Vec<_> = config.deployments.iter().map(|it| &it.model_name).collect();
    assert_eq!(names, ["a", "c", "d"]);
    assert_eq!(
        files.short(&config.left_out[0].reason()),
        "more/models.yaml:3:52: model_list[1].litellm_params.rpm: expected a number, found text"
    );
    assert_eq!(config.settings.num_retries, 1);
    assert_eq!(config.settings.cooldown.time().as_secs(), 3);
    assert_eq!(config.general.master_key.as_ref().unwrap().expose(), "m");
    let chains: Vec<_> = config
        .fallbacks
        .general
        .iter()
        .map(|(name, _)| name)
        .collect();
    assert_eq!(chains, ["a", "c"]);
    let found: Vec<_> = config.findings.iter().map(|it| files.short(it)).collect();
    assert_eq!(
        found,
        [
            "settings.yaml:3:16: router_settings.num_retries: has no effect: the including file \
             has another value at main.yaml:5:32 (R4)",
            "more/own/deep.yaml:1:58: model_list[3].litellm_params.tmieout: sent to the provider \
             as it is; did you mean `timeout`?",
            "main.yaml:5:52: router_settings.fallbacks[0].a[0]: no usable deployment is named `b`",
            "settings.yaml:4:23: router_settings.fallbacks[1].c[1]: no usable deployment is named \
             `z`",
        ]
    );
    let read: Vec<_> = config.files().map(|it| files.short(it)).collect();
    assert_eq!(
        read,
        [
            "main.yaml",
            "more/models.yaml",
            "more/own/deep.yaml",
            "settings.yaml"
        ]
    );
}

#[test]
fn r3_what_cannot_be_included_stops_the_start() {
    let wrong = |include: &str| {
        let files = Files::new(
            "wrong",
            &[
                (
                    "main.yaml",
                    &format!(
                        "{include}\nmodel_list: [{{model_name: a, litellm_params: {{model: o1}}}}]\n"
                    ),
                ),
                ("broken.yaml", "a: b: c\n"),
                ("list.yaml", "- a\n"),
            ],
        );
        let errors = Config::from_path(files.path("main.yaml"))
            .unwrap_err()
            .errors;
        assert!(errors.iter().all(|it| it.severity == Severity::Error));
        errors.iter().map(|it| files.short(it)).collect::<Vec<_>>()
    };
    let [missing] = &wrong("include: [gone.yaml]")[..] else {
        panic!("one error");
    };
    assert!(
        missing.starts_with("main.yaml:1:11: include[0]: `gone.yaml` cannot be read: "),
        "{missing}"
    );
    assert_eq!(
        wrong("include: ['.']"),
        ["main.yaml:1:11: include[0]: `.` cannot be read: not a file"]
    );
    assert_eq!(
        wrong("include: one.yaml"),
        ["main.yaml:1:10: include: expected a list of files, found text"]
    );
    assert_eq!(
        wrong("include: [1, '']"),
        [
            "main.yaml:1:11: include[0]: expected the path of a file, found a number",
            "main.yaml:1:14: include[1]: expected the path of a file, found text",
        ]
    );
    assert_eq!(
        wrong("include: [broken.yaml, list.yaml]"),
        [
            "broken.yaml:1:5: not readable as YAML: a value cannot hold `: `; is a new line missing, or are quotes?",
            "list.yaml:1:1: expected a mapping of sections, found a list",
        ]
    );
}

#[test]
fn a_text_without_a_file_includes_from_the_working_directory() {
    let files = Files::new(
        "text",
        &[(
            "more.yaml",
            "model_list: [{model_name: b, litellm_params: {model: o1}}]",
        )],
    );
    let more = files.path("more.yaml");
    assert!(Path::new(&more).is_absolute());
    let text = format!("include: ['{}']", more.display());
    let config = Config::from_str(&text, "c.yaml", |_| None).unwrap();
    assert_eq!(config.deployments[0].model_name, "b");
}
