#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::TestRunner;
use std::fs;
use std::path::Path;

/// A change to an input.
#[derive(Clone, Debug)]
enum Mutation {
    Set(Index, u8),
    Insert(Index, u8),
    Remove(Index, u8),
    Truncate(Index),
    /// Inserts a piece of any input.
    Splice(Index, Index, Index, Index),
    /// Inserts a byte many times.
    Fill(Index, u8, usize),
}

impl Mutation {
    fn any() -> impl Strategy<Value = Self> {
        let place = any::<Index>;
        let byte = || prop_oneof![3 => prop::sample::select(b"{}[]\",:\\ \n0".to_vec()), 1 => any::<u8>()];
        prop_oneof![
            (place(), byte()).prop_map(|(at, byte)| Self::Set(at, byte)),
            (place(), byte()).prop_map(|(at, byte)| Self::Insert(at, byte)),
            (place(), any::<u8>()).prop_map(|(at, count)| Self::Remove(at, count)),
            place().prop_map(Self::Truncate),
            (place(), place(), place(), place()).prop_map(|(at, other, a, b)| Self::Splice(at, other, a, b)),
            (place(), byte(), 1usize..5000).prop_map(|(at, byte, count)| Self::Fill(at, byte, count)),
        ]
    }

    fn apply(&self, input: &mut Vec<u8>, corpus: &[Vec<u8>]) {
        let bound = input.len() + 1;
        match self {
            Self::Set(at, byte) => input.iter_mut().skip(at.index(bound)).take(1).for_each(|it| *it = *byte),
            Self::Insert(at, byte) => input.insert(at.index(bound), *byte),
            Self::Remove(at, count) => {
                let from = at.index(bound);
                input.drain(from..(from + usize::from(*count)).min(bound - 1));
            }
            Self::Truncate(at) => input.truncate(at.index(bound)),
            Self::Splice(at, other, a, b) => {
                let other = other.get(corpus);
                let (a, b) = (a.index(other.len() + 1), b.index(other.len() + 1));
                let at = at.index(bound);
                input.splice(at..at, other[a.min(b)..a.max(b)].iter().copied());
            }
            Self::Fill(at, byte, count) => {
                let at = at.index(bound);
                input.splice(at..at, std::iter::repeat_n(*byte, *count));
            }
        }
    }
}

/// Runs `target` on its corpus and on `PROPTEST_CASES` mutations of it.
fn run(name: &str, target: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(name);
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    let corpus: Vec<_> = files.iter().map(|file| fs::read(file).unwrap()).collect();
    assert!(corpus.len() >= 10, "the corpus of {name} has {} files", corpus.len());
    for input in &corpus {
        target(input);
    }
    let mutated =
        (any::<Index>(), prop::collection::vec(Mutation::any(), 1..6)).prop_map(|(first, mutations)| {
            let mut input = first.get(&corpus).clone();
            for mutation in &mutations {
                mutation.apply(&mut input, &corpus);
            }
            input
        });
    let run = TestRunner::default().run(&mutated, |input| {
        target(&input);
        Ok(())
    });
    run.unwrap_or_else(|failure| panic!("{name}: {failure}"));
}

#[test]
fn the_cutter_holds_on_its_corpus_and_mutations() {
    run("cut", super::cut);
}

#[test]
fn the_splitter_holds_on_its_corpus_and_mutations() {
    run("split", super::split);
}

#[test]
fn the_envelope_holds_on_its_corpus_and_mutations() {
    run("envelope", super::envelope);
}

#[test]
fn listings_hold_on_their_corpus_and_mutations() {
    run("listing", super::listing);
}

#[test]
fn table_rows_hold_on_their_corpus_and_mutations() {
    run("table_rows", super::table_rows);
}

#[test]
fn put_token_answers_hold_on_their_corpus_and_mutations() {
    run("put_token_answer", super::put_token_answer);
}

#[test]
fn connection_strings_hold_on_their_corpus_and_mutations() {
    run("connection_string", super::connection_string);
}
