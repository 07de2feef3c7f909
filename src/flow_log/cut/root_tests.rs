//! Root objects with other members than `records`.
#![allow(clippy::unwrap_used)]

use super::arbitrary::{chunk_sizes, rooted_blob};
use super::oracle::{check, cut};
use super::*;
use bytes::Bytes;
use proptest::prelude::*;
use std::ops::Range;

proptest! {
    #[test]
    fn other_members_of_the_root_are_skipped(
        (blob, member) in rooted_blob(), sizes in chunk_sizes(),
    ) {
        check(blob.as_bytes(), &sizes);
        let whole = cut(Cutter::from_start(), blob.as_bytes(), &sizes);
        prop_assert_eq!(whole.error, None, "{}", blob);
        // The same records as without the other members, at other offsets.
        let alone = format!("{{{}}}", &blob[member.clone()]);
        let records = cut(Cutter::from_start(), alone.as_bytes(), &[]).records;
        let shift = |range: &Range<u64>| range.start + member.start as u64 - 1..range.end + member.start as u64 - 1;
        let found: Vec<_> = whole.records.iter().map(|record| record.range.clone()).collect();
        prop_assert_eq!(found, records.iter().map(|record| shift(&record.range)).collect::<Vec<_>>());
    }

    #[test]
    fn a_resumed_run_skips_the_members_after_the_array(
        (blob, _) in rooted_blob(), sizes in chunk_sizes(),
    ) {
        let whole = cut(Cutter::from_start(), blob.as_bytes(), &[]);
        for (index, record) in whole.records.iter().enumerate() {
            let end = record.range.end;
            let rest = &blob.as_bytes()[usize::try_from(end).unwrap()..];
            let resumed = cut(Cutter::after_record(end), rest, &sizes);
            prop_assert_eq!(&resumed, &byte_wise::cut_array(rest, end));
            prop_assert_eq!(resumed.records.len(), whole.records.len() - index - 1);
            prop_assert_eq!(resumed.closed, Some(Closed { end: blob.len() as u64, verbatim: false }));
        }
    }

    #[test]
    fn a_mutated_root_is_cut_as_by_the_byte_wise_cutter(
        (blob, member) in rooted_blob(),
        mutations in prop::collection::vec(
            (any::<prop::sample::Index>(), 0u8..3, prop::sample::select(b"{}[]\",:\\ \nu0r-".to_vec())), 1..4,
        ),
        sizes in chunk_sizes(),
    ) {
        let mut bytes = blob.into_bytes();
        for (place, kind, byte) in mutations {
            // Mostly before the array's end, where the member's name is.
            let at = place.index(if kind == 0 { bytes.len() } else { member.end.min(bytes.len()) });
            match kind {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                _ => { bytes.remove(at); }
            }
        }
        check(&bytes, &sizes);
    }
}

#[test]
fn a_root_with_other_members_is_not_sent_verbatim() {
    let members = r#""v":1,"s":"]}{[\"\\","n":null,"l":[{"records":[{"x":1}]},[]],"o":{"a":{"b":[-1.5e+3]}}"#;
    for blob in [
        format!("{{{members},\"records\":[{{}},{{}}]}}"),
        format!("{{\"records\":[{{}},{{}}],{members}}}"),
        format!("\u{feff} {{{members} ,\n\"records\" : [{{}},{{}}] , \"last\" : true }} "),
    ] {
        check(blob.as_bytes(), &[1]);
        let found = cut(Cutter::from_start(), blob.as_bytes(), &[3]);
        assert_eq!((found.records.len(), found.error), (2, None), "{blob}");
        assert!(found.records[1].contiguous);
        assert_eq!(found.closed, Some(Closed { end: blob.len() as u64, verbatim: false }));
    }
}

#[test]
fn a_member_of_the_root_may_nest_as_deep_as_a_record() {
    let blob =
        |levels: usize| format!("{{\"a\":{}{},\"records\":[{{}}]}}", "[".repeat(levels), "]".repeat(levels));
    let bound = MAX_NESTING as usize;
    check(blob(bound).as_bytes(), &[]);
    assert_eq!(cut(Cutter::from_start(), blob(bound).as_bytes(), &[]).records.len(), 1);
    let error = CutError { offset: 5 + bound as u64, expected: Expected::LessNesting, found: b'[' };
    assert_eq!(cut(Cutter::from_start(), blob(bound + 1).as_bytes(), &[]).error, Some(error));
}

#[test]
fn members_of_the_root_of_any_length_are_not_held() {
    let piece = |fill: &str| Bytes::from(fill.repeat((1 << 20) / fill.len()));
    let shapes = [
        ("\"", "text]}{[", "\""),
        ("[[", "[],", "[]]]"),
        ("{", "\"k\":{\"a\":1},", "\"k\":1}"),
        ("", "12345678", ""),
    ];
    for (open, fill, close) in shapes {
        for before in [true, false] {
            let mut cutter = Cutter::from_start();
            let mut found = 0;
            let mut push = |bytes: Bytes, most: usize| {
                cutter.push(bytes);
                while cutter.next_record().unwrap().is_some() {
                    found += 1;
                }
                assert!(cutter.held_memory() <= most, "{} bytes held", cutter.held_memory());
            };
            let few = 4 << 10;
            push(if before { "{\"a\":" } else { "{\"records\":[{}],\"a\":" }.into(), few);
            push(open.to_owned().into(), few);
            (0..8).for_each(|_| push(piece(fill), few));
            push(close.to_owned().into(), few);
            push(if before { ",\"records\":[{}]}" } else { "}" }.into(), few);
            let length = cutter.input_end();
            assert_eq!(
                (found, cutter.closed()),
                (1, Some(Closed { end: length, verbatim: false })),
                "{open}{fill}"
            );
        }
    }
}
