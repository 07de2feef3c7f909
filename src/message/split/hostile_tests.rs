//! Records that are made to cost memory or to multiply.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::flow_log::cut::{Expected, MAX_NESTING};
use bytes::Bytes;

const MAX_BODY: usize = 64 << 10;
const CHUNK: usize = 256 << 10;
const OPENING: &str = r#"{"flowRecords":{"flows":[{"flowGroups":[{"flowTuples":["#;
const CLOSING: &str = "]}]}]}}";

/// A record in chunks: text, and so many bytes of repeated fill.
enum Piece {
    Text(&'static str),
    Fill(&'static str, usize),
}
use Piece::{Fill, Text};

fn chunks(pieces: &[Piece]) -> Vec<Bytes> {
    let chunk = |piece: &Piece| match piece {
        Text(text) => vec![Bytes::from_static(text.as_bytes())],
        Fill(fill, length) => {
            let chunk = Bytes::from(fill.repeat(CHUNK / fill.len()));
            vec![chunk; length / CHUNK]
        }
    };
    pieces.iter().flat_map(chunk).collect()
}

/// Both passes: how many parts, bytes in their bodies and tuples. Asserts that memory stays flat.
fn run(pieces: &[Piece]) -> Result<(usize, usize, usize), SplitError> {
    let chunks = chunks(pieces);
    let mut survey = Survey::new(0, MAX_BODY as u64);
    let mut skeleton = None;
    for chunk in &chunks {
        skeleton = survey.push(chunk)?;
        let held = survey.held_bytes();
        assert!(held <= 2 * MAX_SKELETON, "the survey holds {held} bytes");
    }
    let mut divider = Divider::new(skeleton.unwrap());
    let (mut parts, mut bytes, mut tuples) = (0, 0, 0);
    for chunk in chunks {
        divider.push(chunk);
        while let Some(part) = divider.next() {
            let part = part?;
            assert!(part.message.body.len() <= MAX_BODY && part.message.body.pieces().count() == 1);
            (parts, bytes, tuples) = (parts + 1, bytes + part.message.body.len(), tuples + part.tuples);
            let held = divider.held_bytes();
            assert!(held <= 2 * MAX_BODY + 2 * CHUNK, "the divider holds {held} bytes");
        }
        let held = divider.held_bytes();
        assert!(held <= 2 * MAX_BODY + CHUNK, "the divider holds {held} bytes");
    }
    Ok((parts, bytes, tuples))
}

fn reason(pieces: &[Piece]) -> Reason {
    match run(pieces) {
        Err(SplitError::Unsplittable { reason, .. }) => reason,
        other => panic!("{other:?}"),
    }
}

#[test]
fn blanks_around_tuples_are_not_held_however_many() {
    let length = 4 << 20;
    let around = OPENING.len() + CLOSING.len() + 14;
    let blank = || Fill(" ", length);
    let found =
        run(&[Text(OPENING), blank(), Text("\"a\""), blank(), Text(",\"b\""), blank(), Text(CLOSING)]);
    assert_eq!(found.unwrap(), (2, 2 * around + 6, 2));
    let groups = r#"{"flowRecords":{"flows":[{"flowGroups":["#;
    let group = r#"{"flowTuples":[1]}"#;
    let found =
        run(&[Text(groups), blank(), Text(group), blank(), Text(","), Text(group), blank(), Text("]}]}}")]);
    assert_eq!(found.unwrap(), (2, 2 * (around + 1), 2));
}

#[test]
fn tuples_of_two_bytes_are_split_one_part_at_a_time() {
    let (parts, bytes, tuples) =
        run(&[Text(OPENING), Fill("\"\",", 4 << 20), Text("\"\""), Text(CLOSING)]).unwrap();
    assert_eq!(tuples, (4 << 20) / CHUNK * (CHUNK / 3) + 1);
    assert!(parts < 200 && bytes < 5 << 20, "{parts} parts of {bytes} bytes");
}

#[test]
fn groups_without_tuples_are_split_in_flat_memory() {
    let groups = r#"{"flowRecords":{"flows":[{"flowGroups":["#;
    for group in ["{},", r#"{"flowTuples":[]},"#, "{\"flowTuples\":[ ],\"rule\":\"R\"},"] {
        let (parts, bytes, tuples) =
            run(&[Text(groups), Fill(group, 4 << 20), Text("{}"), Text("]}]}}")]).unwrap();
        assert_eq!(tuples, 0);
        assert!(parts < 80 && bytes < 5 << 20, "{parts} parts of {bytes} bytes");
    }
}

#[test]
fn what_fits_no_body_is_found_in_flat_memory() {
    let long = || Fill("x", 8 << 20);
    let huge_tuple = [Text(OPENING), Text("\""), long(), Text("\""), Text(CLOSING)];
    assert!(matches!(reason(&huge_tuple), Reason::TooLarge { .. }));
    let keys = || Fill(r#""k":1,"#, 6 << 20);
    let keys_before =
        [Text("{"), keys(), Text(r#""properties":{"flows":[{"flows":[{"flowTuples":[1]}]}]}}"#)];
    assert!(matches!(reason(&keys_before), Reason::TooLarge { .. }));
    let keys_behind =
        [Text(r#"{"properties":{"flows":[{"flows":[{"flowTuples":[1]}]}]},"#), keys(), Text("\"k\":1}")];
    assert_eq!(reason(&keys_behind), Reason::Skeleton { max: MAX_SKELETON });
    assert_eq!(reason(&[Text("{"), keys(), Text("\"k\":1}")]), Reason::NoList);
    // Ends of 20 bytes cost 28, so that a million of them are too many.
    let groups = [
        Text(r#"{"flowRecords":{"flows":[{"flowGroups":["#),
        Fill(r#"{"flowTuples":[1],"behind":"01234"},"#, 8 << 20),
        Text("{}]}]}}"),
    ];
    assert_eq!(reason(&groups), Reason::Skeleton { max: MAX_SKELETON });
}

#[test]
fn nesting_without_end_is_refused_at_the_bound() {
    let error = run(&[Text("{\"a\":"), Fill("[", 1 << 20)]).unwrap_err();
    let offset = 5 + u64::from(MAX_NESTING) - 1;
    assert_eq!(error, SplitError::Broken(CutError { offset, expected: Expected::LessNesting, found: b'[' }));
}

#[test]
fn surroundings_that_would_multiply_the_record_are_refused() {
    let split = |around: usize| {
        let head = format!("{{\"k\":\"{}\",{}", "x".repeat(around), &OPENING[1..]);
        let record = format!("{head}{}\"\"{CLOSING}", "\"\",".repeat(100_000));
        let length = record.len();
        let parts = split(&Rope::from(Bytes::from(record)), 0, MAX_BODY as u64)?.unwrap();
        let bytes: usize = parts.map(|part| part.unwrap().message.body.len()).sum();
        assert!(bytes <= 4 * length + MAX_BODY, "{bytes} bytes of {length}");
        Ok(())
    };
    let own = OPENING.len() + CLOSING.len() + 14 + 7;
    assert_eq!(split(MAX_BODY / 2 - own), Ok(()));
    let Err(SplitError::Unsplittable { reason, .. }) = split(MAX_BODY / 2 - own + 1) else { panic!() };
    let around = MAX_BODY as u64 / 2 + 1;
    assert_eq!(reason, Reason::Surroundings { around, max_body: MAX_BODY as u64 });
    for around in [MAX_BODY - 200, 2 * MAX_BODY] {
        assert!(split(around).is_err());
    }
}

#[test]
fn small_surroundings_are_never_too_much() {
    let record = format!("{OPENING}\"first\",\"second\"{CLOSING}");
    let around = OPENING.len() + CLOSING.len() + 14;
    let parts = split(&Rope::from(Bytes::from(record)), 0, around as u64 + 8).unwrap().unwrap();
    assert_eq!(parts.map(|part| part.unwrap().tuples).collect::<Vec<_>>(), [1, 1]);
}
