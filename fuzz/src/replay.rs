//! On stable: every committed input, then mutations for a while. `GEMBOK_FUZZ_SECONDS` says how long for each law (1), and
//! `GEMBOK_FUZZ_SEED` repeats a run.

use std::fs;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::laws::{TARGETS, Target};
use crate::mutate::Mutator;

fn corpus(target: &Target) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target.name);
    let mut inputs: Vec<_> = fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.clone(), fs::read(path).unwrap()))
        .collect();
    inputs.sort();
    inputs
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name)
        .ok()
        .map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is no number: {text}")))
}

fn fuzz(name: &str) {
    let target = TARGETS.iter().find(|target| target.name == name).unwrap();
    let corpus = corpus(target);
    assert!(corpus.len() >= 4, "{name} has a corpus");
    let mut read = 0;
    for (path, input) in &corpus {
        let held = catch_unwind(|| (target.law)(input));
        read += usize::from(held.unwrap_or_else(|_| panic!("the law is broken by {}", path.display())));
    }
    assert!(read >= 4 && read < corpus.len(), "{name}: of {} inputs {read} can be read", corpus.len());
    let drawn = || RandomState::new().build_hasher().finish();
    let seed = number("GEMBOK_FUZZ_SEED").unwrap_or_else(drawn);
    let time = Duration::from_secs(number("GEMBOK_FUZZ_SECONDS").unwrap_or(1));
    let seeds: Vec<Vec<u8>> = corpus.into_iter().map(|(_, input)| input).collect();
    let (mut mutator, begun, mut count) = (Mutator::new(seed), Instant::now(), 0_u64);
    while begun.elapsed() < time {
        for _ in 0..64 {
            let input = mutator.mutate(&seeds, target.words);
            count += 1;
            if catch_unwind(|| (target.law)(&input)).is_err() {
                let found = std::env::temp_dir().join(format!("gembok-fuzz-{name}-{seed}"));
                fs::write(&found, &input).unwrap();
                panic!("{name}: the law is broken by {}, input {count} of seed {seed}", found.display());
            }
        }
    }
    println!("{name}: {count} inputs, seed {seed}");
}

macro_rules! replay {
    ($($test:ident: $name:literal),*) => {
        $(#[test] fn $test() { fuzz($name); })*

        #[test]
        fn every_law_is_replayed() {
            assert_eq!([$($name),*], TARGETS.map(|target| target.name));
        }
    };
}

replay!(
    envelope: "envelope",
    v1_body: "v1-body",
    published_body: "published-body",
    record: "record",
    escrow: "escrow",
    api_key: "api-key",
    config: "config",
    block: "block",
    checkpoint: "checkpoint",
    signing_request: "signing-request",
    normalise: "normalise"
);

#[test]
fn the_corpora_are_small() {
    let bytes: usize = TARGETS.iter().flat_map(corpus).map(|(_, input)| input.len()).sum();
    assert!(bytes < 300_000, "{bytes} bytes");
}
