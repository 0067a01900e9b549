//! The pages for people: what they show is what the files and the programs say, and what they link to is there.

use std::path::{Path, PathBuf};

use serde_json::Value;
use ziggurat::Gateway;

use crate::curl::{self, commands};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Every page of the project.
fn pages() -> Vec<PathBuf> {
    let mut pages = vec![root().join("README.md")];
    for folder in ["crates", "examples", "tests"] {
        for entry in std::fs::read_dir(root().join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if !path.is_dir() {
                continue;
            }
            let files = std::fs::read_dir(path).unwrap();
            let files = files.map(|file| file.unwrap().path());
            pages.extend(files.filter(|file| file.extension().is_some_and(|it| it == "md")));
        }
    }
    pages
}

/// The blocks of code of a page, each with the language that it names.
fn blocks(page: &str) -> Vec<(&str, String)> {
    let mut blocks = Vec::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        let Some(language) = line.trim_start().strip_prefix("```") else {
            continue;
        };
        let indent = line.len() - line.trim_start().len();
        let body = lines.by_ref();
        let body = body.take_while(|line| line.trim() != "```");
        let body: String = body
            .flat_map(|line| [line.get(indent..).unwrap_or(""), "\n"])
            .collect();
        blocks.push((language, body));
    }
    blocks
}

/// What a page links to outside of its code.
fn links(page: &str) -> Vec<&str> {
    let mut prose = page.split("```").step_by(2);
    let mut links = Vec::new();
    for text in prose.by_ref() {
        let parts = text.split("](").skip(1);
        links.extend(parts.filter_map(|part| part.split_once(')').map(|(link, _)| link)));
    }
    links
}

/// The anchor of a heading, as GitHub makes it.
fn anchor(heading: &str) -> String {
    let kept = heading.trim().chars();
    let kept = kept.filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| match c {
        ' ' => '-',
        _ => c.to_ascii_lowercase(),
    })
    .collect()
}

/// Lines without comments, as far as they say something.
fn said(yaml: &str) -> Vec<&str> {
    let lines = yaml.lines().map(|line| match line.find("# ") {
        Some(0) => "",
        Some(at) if line[..at].ends_with(' ') => line[..at].trim_end(),
        _ => line.trim_end(),
    });
    lines.filter(|line| !line.is_empty()).collect()
}

#[test]
fn links_lead_somewhere() {
    for path in pages() {
        let page = read(&path);
        for link in links(&page) {
            // Others are of the web, or rustdoc's.
            if link.starts_with("http") || link.contains("::") {
                continue;
            }
            let (file, heading) = link.split_once('#').unwrap_or((link, ""));
            let to = match file {
                "" => path.clone(),
                _ => path.parent().unwrap().join(file),
            };
            assert!(to.exists(), "{}: {link}", path.display());
            if !heading.is_empty() {
                let target = read(&to);
                let prose: String = target.split("```").step_by(2).collect();
                let mut headings = prose.lines().filter_map(|line| line.strip_prefix('#'));
                let found = headings.any(|line| anchor(line.trim_start_matches('#')) == heading);
                assert!(found, "{}: {link}", path.display());
            }
        }
    }
}

/// A configuration is one that loads, a command one that curl could be given, JSON what a parser takes.
#[test]
fn what_is_shown_can_be_used() {
    let loader = Gateway::loader(|name| match name.ends_with("_BASE") {
        true => Some("https://example.org".to_owned()),
        false => name.ends_with("_KEY").then(|| "sk-any".to_owned()),
    });
    let mut configurations = 0;
    for path in pages() {
        let page = read(&path);
        let name = path.display().to_string();
        for (language, text) in blocks(&page) {
            match language {
                "yaml" if text.starts_with("model_list") => {
                    let config = loader.from_str(&text, &name).unwrap();
                    assert!(config.left_out.is_empty(), "{name}: {:?}", config.left_out);
                    configurations += 1;
                }
                "sh" => {
                    for command in commands(&text, "text") {
                        let body = serde_json::from_str::<Value>(&command.body);
                        assert!(command.body.is_empty() || body.is_ok(), "{name}: {text}");
                    }
                }
                "json" => {
                    serde_json::from_str::<Value>(&text).unwrap_or_else(|e| panic!("{name}: {e}"));
                }
                _ => {}
            }
        }
    }
    assert!(configurations >= 2, "the README's and that of the check");
}

/// Excerpts of a file that a page names: they stand in it as they are.
#[test]
fn code_that_is_quoted_stands_in_its_file() {
    let mut quoted = 0;
    for path in pages() {
        let page = read(&path);
        let sources: Vec<_> = links(&page)
            .into_iter()
            .filter(|link| link.ends_with(".rs"))
            .map(|link| read(&path.parent().unwrap().join(link)))
            .collect();
        for (language, text) in blocks(&page) {
            if language == "rust,ignore" {
                let found = sources.iter().any(|source| source.contains(&text));
                assert!(found, "{}: {text}", path.display());
                quoted += 1;
            }
        }
    }
    assert!(quoted >= 3, "{quoted}");
}

/// The page of a layer or dialect says the same things in the same words, and which extensions of `core` it knows.
#[test]
fn pages_of_layers_are_whole() {
    let table = read(&root().join("crates/core/README.md"));
    let (_, table) = table.split_once("\n## Extensions\n").unwrap();
    let extensions: Vec<_> = table
        .lines()
        .filter_map(|row| row.strip_prefix("| `"))
        .flat_map(|row| row.split(" | ").next().unwrap().split(['`', ',']))
        .map(|name| name.trim().trim_start_matches("overrides::"))
        .filter(|name| name.starts_with(char::is_uppercase))
        // Every layer knows what a failure is, and the name of a wish is that of many layers.
        .filter(|name| !["Failure", "Timeout"].contains(name))
        .collect();
    for name in extensions_of_core() {
        let known = extensions.contains(&&*name) || ["Failure", "Timeout"].contains(&&*name);
        assert!(known, "the table of core has no {name}");
    }
    let leaf = read(&root().join("crates/provider/README.md"));
    let mut missing_of = Vec::new();
    for name in LAYERS {
        let folder = root().join("crates").join(name);
        let page = read(&folder.join("README.md"));
        for heading in [
            "Alone / in a stack",
            "Order",
            "Cancellation",
            "Extensions",
            "Errors",
        ] {
            let found = page.contains(&format!("\n## {heading}\n"));
            assert!(found, "{name} has no {heading}");
        }
        let source = sources(&folder.join("src"));
        let imported = source.split("use ziggurat_core::").skip(1);
        let imported = imported.map(|rest| rest.split(';').next().unwrap());
        let wishes = source.split("overrides::").skip(1);
        let known: String = imported
            .chain(wishes.map(first_word))
            .flat_map(|it| [it, " "])
            .collect();
        // What all dialects know is told once, and the retry layer reads the ids of deployments in its ledger.
        let told = match name {
            "anthropic" | "bedrock" | "openai" | "vertex" | "watsonx" => page + &leaf,
            "retry" => page + "DeploymentId",
            _ => page,
        };
        let known = known.split(|c: char| !c.is_ascii_alphanumeric());
        let missing = known.filter(|word| extensions.contains(word) && !told.contains(word));
        missing_of.extend(missing.map(|word| format!("{name}: {word}")));
    }
    assert_eq!(missing_of, [""; 0]);
}

const LAYERS: [&str; 17] = [
    "anthropic",
    "balance",
    "bedrock",
    "context-window",
    "cooldown",
    "edge",
    "fallback",
    "observe",
    "openai",
    "provider",
    "region",
    "retry",
    "router",
    "stream-timeout",
    "timeout",
    "vertex",
    "watsonx",
];

/// What core's sources call an extension, and all wishes.
fn extensions_of_core() -> Vec<String> {
    let folder = root().join("crates/core/src");
    let wishes = read(&folder.join("overrides.rs"));
    let named = |item: &str| first_word(item).to_owned();
    let mut names: Vec<_> = wishes.split("\npub struct ").skip(1).map(named).collect();
    let text = sources(&folder).replace(": a response extension", "A response extension");
    for part in text
        .split("A request extension")
        .flat_map(|it| it.split("A response extension"))
        .skip(1)
    {
        // The type whose documentation it is.
        let docs = part.lines().take_while(|line| !line.is_empty());
        let item = docs.filter(|line| !line.trim_start().starts_with("//"));
        let item = item.map(|line| line.replace("pub enum ", "pub struct "));
        names.extend(item.filter_map(|line| Some(named(line.strip_prefix("pub struct ")?))));
    }
    assert!(names.len() > 20, "{names:?}");
    names
}

fn first_word(text: &str) -> &str {
    let end = text.find(|c: char| !c.is_ascii_alphanumeric());
    &text[..end.unwrap_or(text.len())]
}

/// All sources below a folder.
fn sources(folder: &Path) -> String {
    let entries = std::fs::read_dir(folder).unwrap();
    let texts = entries.map(|entry| match entry.unwrap().path() {
        path if path.is_dir() => sources(&path),
        path => read(&path),
    });
    texts.collect()
}

#[test]
fn recipes_show_what_their_files_say() {
    let folder = root().join("examples/proxy");
    let page = read(&folder.join("recipes.md"));
    let mut shown = Vec::new();
    for section in page.split("\n## ").skip(1) {
        let title = section.lines().next().unwrap();
        let mut files = links(section);
        files.retain(|link| link.starts_with("configs/"));
        let [file] = files[..] else {
            panic!("one file in {title}: {files:?}")
        };
        let text = read(&folder.join(file));
        let lines = said(&text);
        for (language, block) in blocks(section) {
            if language == "yaml" {
                let block = said(&block);
                let found = lines.windows(block.len()).any(|window| window == block);
                assert!(found, "{file} has no\n{block:#?}");
            }
        }
        let told = curl::told_with(&text, 2);
        let in_page: String = blocks(section).into_iter().map(|(_, text)| text).collect();
        let in_page = commands(&in_page, &curl::long_text(2));
        assert!(!in_page.is_empty(), "{title}");
        for command in in_page {
            assert!(told.contains(&command), "{file} does not tell {command:?}");
        }
        shown.push(file);
    }
    let files = std::fs::read_dir(folder.join("configs")).unwrap();
    for file in files {
        let name = file.unwrap().file_name().into_string().unwrap();
        let name = format!("configs/{name}");
        assert!(shown.contains(&&*name), "{name} has no recipe");
    }
}

/// Whoever is told of a rule by `check` finds it in the page for those who come from LiteLLM.
#[test]
fn the_rules_that_check_names_are_explained() {
    let page = read(&root().join("examples/proxy/coming-from-litellm.md"));
    let explained: Vec<_> = page
        .lines()
        .filter_map(|line| line.strip_prefix("| R"))
        .flat_map(|line| line.split(" | ").next().unwrap().split(", "))
        .flat_map(|rule| range(rule.trim_start_matches('R')))
        .collect();
    let mut named = 0;
    for file in ["differences.rs", "limits.rs", "chains.rs"] {
        let source = read(&root().join("crates/config/src/meaning").join(file));
        for word in source.split(|c: char| !c.is_ascii_alphanumeric()) {
            let number = word.strip_prefix('R').unwrap_or_default();
            if number.starts_with(|c: char| c.is_ascii_digit()) {
                assert!(explained.contains(&number.to_owned()), "{word} of {file}");
                named += 1;
            }
        }
    }
    assert!(named > 30, "{named}");
}

/// `64-R66` are three rules; any other text is one.
fn range(rule: &str) -> Vec<String> {
    let numbers = rule.split_once("-R").map(|(a, b)| (a.parse(), b.parse()));
    match numbers {
        Some((Ok(first), Ok(last))) => (first..=last).map(|n: u32| n.to_string()).collect(),
        _ => vec![rule.to_owned()],
    }
}
