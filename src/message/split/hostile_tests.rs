//! Records designed to use much memory, or to multiply when they are split.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::flow_log::cut::{CutError, Expected, MAX_NESTING};
use bytes::Bytes;

const MAX_BODY: usize = 64 << 10;
const CHUNK: usize = 256 << 10;
const OPENING: &str = r#"{"flowRecords":{"flows":[{"flowGroups":[{"flowTuples":["#;
const CLOSING: &str = "]}]}]}}";

/// A piece of a record: text, or many bytes of repeated filler.
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

/// Runs both passes and counts parts, bytes of bodies, and tuples. Asserts that memory is bounded.
fn run(pieces: &[Piece]) -> Result<(usize, usize, usize), SplitError> {
    let chunks = chunks(pieces);
    let mut first = LayoutPass::new(0, MAX_BODY as u64);
    let mut layout = None;
    for chunk in &chunks {
        layout = first.push(chunk)?;
        let held = first.held_memory();
        assert!(held <= 2 * MAX_LAYOUT, "the first pass holds {held} bytes");
    }
    let mut second = SplitPass::new(layout.unwrap());
    let (mut parts, mut bytes, mut tuples) = (0, 0, 0);
    for chunk in chunks {
        second.push(chunk);
        while let Some(part) = second.next() {
            let part = part?;
            assert!(part.message.body.len() <= MAX_BODY && part.message.body.pieces().count() == 1);
            (parts, bytes, tuples) = (parts + 1, bytes + part.message.body.len(), tuples + part.tuples);
            let held = second.held_memory();
            assert!(held <= 2 * MAX_BODY + 2 * CHUNK, "the second pass holds {held} bytes");
        }
        let held = second.held_memory();
        assert!(held <= 2 * MAX_BODY + CHUNK, "the second pass holds {held} bytes");
    }
    Ok((parts, bytes, tuples))
}

fn reason(pieces: &[Piece]) -> SplitObstacle {
    match run(pieces) {
        Err(SplitError::Unsplittable { reason, .. }) => reason,
        other => panic!("{other:?}"),
    }
}

#[test]
fn whitespace_around_tuples_is_not_held() {
    let length = 4 << 20;
    let enclosing = OPENING.len() + CLOSING.len() + 14;
    let blank = || Fill(" ", length);
    let found =
        run(&[Text(OPENING), blank(), Text("\"a\""), blank(), Text(",\"b\""), blank(), Text(CLOSING)]);
    assert_eq!(found.unwrap(), (2, 2 * enclosing + 6, 2));
    let groups = r#"{"flowRecords":{"flows":[{"flowGroups":["#;
    let group = r#"{"flowTuples":[1]}"#;
    let found =
        run(&[Text(groups), blank(), Text(group), blank(), Text(","), Text(group), blank(), Text("]}]}}")]);
    assert_eq!(found.unwrap(), (2, 2 * (enclosing + 1), 2));
}

#[test]
fn tuples_of_two_bytes_are_split_one_part_at_a_time() {
    let (parts, bytes, tuples) =
        run(&[Text(OPENING), Fill("\"\",", 4 << 20), Text("\"\""), Text(CLOSING)]).unwrap();
    assert_eq!(tuples, (4 << 20) / CHUNK * (CHUNK / 3) + 1);
    assert!(parts < 200 && bytes < 5 << 20, "{parts} parts of {bytes} bytes");
}

#[test]
fn groups_without_tuples_are_split_in_bounded_memory() {
    let groups = r#"{"flowRecords":{"flows":[{"flowGroups":["#;
    for group in ["{},", r#"{"flowTuples":[]},"#, "{\"flowTuples\":[ ],\"rule\":\"R\"},"] {
        let (parts, bytes, tuples) =
            run(&[Text(groups), Fill(group, 4 << 20), Text("{}"), Text("]}]}}")]).unwrap();
        assert_eq!(tuples, 0);
        assert!(parts < 80 && bytes < 5 << 20, "{parts} parts of {bytes} bytes");
    }
}

#[test]
fn unsplittable_records_are_found_in_bounded_memory() {
    let long = || Fill("x", 8 << 20);
    let huge_tuple = [Text(OPENING), Text("\""), long(), Text("\""), Text(CLOSING)];
    assert!(matches!(reason(&huge_tuple), SplitObstacle::TooLarge { .. }));
    let keys = || Fill(r#""k":1,"#, 6 << 20);
    let keys_before =
        [Text("{"), keys(), Text(r#""properties":{"flows":[{"flows":[{"flowTuples":[1]}]}]}}"#)];
    assert!(matches!(reason(&keys_before), SplitObstacle::TooLarge { .. }));
    let keys_behind =
        [Text(r#"{"properties":{"flows":[{"flows":[{"flowTuples":[1]}]}]},"#), keys(), Text("\"k\":1}")];
    assert_eq!(reason(&keys_behind), SplitObstacle::LayoutTooLarge { max: MAX_LAYOUT });
    assert_eq!(reason(&[Text("{"), keys(), Text("\"k\":1}")]), SplitObstacle::NoList);
    // Suffixes of 20 bytes take 28, so a million of them are too many.
    let groups = [
        Text(r#"{"flowRecords":{"flows":[{"flowGroups":["#),
        Fill(r#"{"flowTuples":[1],"behind":"01234"},"#, 8 << 20),
        Text("{}]}]}}"),
    ];
    assert_eq!(reason(&groups), SplitObstacle::LayoutTooLarge { max: MAX_LAYOUT });
}

#[test]
fn endless_nesting_is_rejected_at_the_limit() {
    let error = run(&[Text("{\"a\":"), Fill("[", 1 << 20)]).unwrap_err();
    let offset = 5 + u64::from(MAX_NESTING) - 1;
    assert_eq!(error, SplitError::Broken(CutError { offset, expected: Expected::LessNesting, found: b'[' }));
}

#[test]
fn enclosing_json_that_would_multiply_the_record_is_rejected() {
    let split = |filler: usize| {
        let head = format!("{{\"k\":\"{}\",{}", "x".repeat(filler), &OPENING[1..]);
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
    let enclosing = MAX_BODY as u64 / 2 + 1;
    assert_eq!(reason, SplitObstacle::TooMuchEnclosing { enclosing, max_body: MAX_BODY as u64 });
    for filler in [MAX_BODY - 200, 2 * MAX_BODY] {
        assert!(split(filler).is_err());
    }
}

#[test]
fn small_enclosing_json_is_always_accepted() {
    let record = format!("{OPENING}\"first\",\"second\"{CLOSING}");
    let enclosing = OPENING.len() + CLOSING.len() + 14;
    let parts = split(&Rope::from(Bytes::from(record)), 0, enclosing as u64 + 8).unwrap().unwrap();
    assert_eq!(parts.map(|part| part.unwrap().tuples).collect::<Vec<_>>(), [1, 1]);
}
