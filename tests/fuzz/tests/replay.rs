//! The corpora, replayed without a fuzzer.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use std::{fs, path::Path};

use ziggurat_fuzz::{TARGETS, Target};

fn corpus() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/corpus"))
}

fn replay(name: &str, target: Target) {
    let files = fs::read_dir(corpus().join(name)).unwrap();
    let mut files: Vec<_> = files.map(|file| file.unwrap().path()).collect();
    files.sort();
    assert!(files.len() >= 8, "`{name}` has hardly a corpus");
    for file in files {
        println!("{}", file.display()); // shown if it fails
        let bytes = fs::read(file).unwrap();
        target(&bytes);
        target(&bytes[..bytes.len() / 2]);
    }
}

#[test]
fn whatever_was_found_once_stays_mended() {
    TARGETS
        .iter()
        .for_each(|(name, target)| replay(name, *target));
}

#[test]
fn every_corpus_has_a_target() {
    let corpora = fs::read_dir(corpus()).unwrap();
    let mut corpora: Vec<_> = corpora.map(|entry| entry.unwrap().file_name()).collect();
    corpora.sort();
    let names: Vec<_> = TARGETS.iter().map(|(name, _)| *name).collect();
    assert_eq!(corpora, names);
}
