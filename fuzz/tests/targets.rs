//! Every target over its corpus, and over mutations of it that are the same each time.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use claviger_fuzz::TARGETS;

/// Mutations of one target. `CLAVIGER_FUZZ_ROUNDS` makes more.
const ROUNDS: usize = 2000;

fn here(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn corpus(name: &str) -> Vec<Vec<u8>> {
    let mut files: Vec<PathBuf> = fs::read_dir(here("corpus").join(name))
        .unwrap_or_else(|error| panic!("corpus/{name}: {error}"))
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    files.iter().map(|file| fs::read(file).unwrap()).collect()
}

/// A generator of numbers (SplitMix64), so that a failure can be repeated.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((word ^ (word >> 31)) % sides.max(1) as u64).unwrap()
    }
}

/// Bytes that mean something to one parser or another.
const SPICE: &[&[u8]] = &[
    b"\0",
    b"\xff",
    b"%",
    b"%00",
    b"%ff",
    b"&",
    b"=",
    b"\"",
    b"\\",
    b"\\u0000",
    b"\\ud800",
    b"{",
    b"}",
    b"[",
    b"]",
    b":",
    b",",
    b".",
    b"..",
    b"-",
    b"_",
    b"~1",
    b"/",
    b"?",
    b"#",
    b"@",
    b" ",
    b"\n",
    b"\r\n",
    b"\t",
    b"null",
    b"true",
    b"1e999",
    b"-1",
    b"99999999999999999999",
    b"\xf0\x9f\x92\xa9",
    b"none",
    b"HS256",
];

fn mutated(dice: &mut Dice, seeds: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = seeds[dice.roll(seeds.len())].clone();
    for _ in 0..=dice.roll(4) {
        let at = dice.roll(bytes.len() + 1);
        match dice.roll(6) {
            0 if at < bytes.len() => bytes[at] ^= 1 << dice.roll(8),
            1 if at < bytes.len() => drop(bytes.remove(at)),
            2 => bytes.truncate(at),
            3 => {
                let other = &seeds[dice.roll(seeds.len())];
                let from = dice.roll(other.len() + 1);
                let part = other[from..].to_vec();
                bytes.splice(at.., part);
            }
            4 => {
                let from = dice.roll(at + 1);
                let part = bytes[from..at].to_vec();
                bytes.splice(at..at, part);
            }
            _ => drop(bytes.splice(at..at, SPICE[dice.roll(SPICE.len())].iter().copied())),
        }
    }
    bytes
}

#[test]
fn every_target_holds_for_its_corpus_and_for_mutations_of_it() {
    let rounds = std::env::var("CLAVIGER_FUZZ_ROUNDS")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(ROUNDS);
    for (name, target) in TARGETS {
        let seeds = corpus(name);
        assert!(!seeds.is_empty(), "corpus/{name} is empty");
        for seed in &seeds {
            target(seed);
        }
        let mut dice = Dice(name.len() as u64);
        for _ in 0..rounds {
            let bytes = mutated(&mut dice, &seeds);
            let seen = std::panic::catch_unwind(|| target(&bytes));
            assert!(seen.is_ok(), "{name} fails for {:?}", String::from_utf8_lossy(&bytes));
        }
    }
}

#[test]
fn every_target_has_its_program_and_corpus_and_there_are_no_others() {
    let named: BTreeSet<String> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    let listed = |folder: &str| -> BTreeSet<String> {
        let entries = fs::read_dir(here(folder)).unwrap();
        entries
            .map(|entry| {
                entry
                    .unwrap()
                    .path()
                    .file_stem()
                    .unwrap()
                    .to_string_lossy()
                    .into_owned()
            })
            .collect()
    };
    assert_eq!(listed("fuzz_targets"), named);
    assert_eq!(listed("corpus"), named);
    let manifest = fs::read_to_string(here("Cargo.toml")).unwrap();
    for name in named {
        assert!(
            manifest.contains(&format!("name = \"{name}\"")),
            "Cargo.toml has no program {name}"
        );
    }
}
