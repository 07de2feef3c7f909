#![allow(clippy::unwrap_used)]

use super::arbitrary::{blob, chunk_sizes};
use super::byte_wise::CutResult;
use super::oracle::{check, cut, records};
use super::*;
use proptest::prelude::*;
use std::ops::Range;

/// The result of a cutter from the start for `input` in one chunk.
fn cut_whole(input: impl AsRef<[u8]>) -> CutResult {
    cut(Cutter::from_start(), input.as_ref(), &[])
}

fn ranges(records: &[Record]) -> Vec<Range<u64>> {
    records.iter().map(|record| record.range.clone()).collect()
}

proptest! {
    #[test]
    fn a_valid_blob_is_cut_as_serde_json_cuts_it(blob in blob(), sizes in chunk_sizes()) {
        prop_assert!(records(blob.as_bytes()).is_some(), "the generator made an invalid blob: {blob}");
        check(blob.as_bytes(), &sizes);
    }

    #[test]
    fn a_mutated_blob_never_panics_and_agrees_with_serde_json(
        blob in blob(),
        mutations in prop::collection::vec((any::<prop::sample::Index>(), 0u8..3, mutant()), 1..4),
        sizes in chunk_sizes(),
    ) {
        let mut bytes = blob.into_bytes();
        for (place, kind, byte) in mutations {
            let at = place.index(bytes.len());
            match kind {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                _ => { bytes.remove(at); }
            }
            if bytes.is_empty() {
                break;
            }
        }
        check(&bytes, &sizes);
    }

    #[test]
    fn any_bytes_never_panic(bytes in prop::collection::vec(mutant(), 0..200), sizes in chunk_sizes()) {
        check(&bytes, &sizes);
        check(&[b"{\"records\":[{".as_slice(), &bytes].concat(), &sizes);
    }

    #[test]
    fn a_run_resumed_after_any_record_finds_exactly_the_rest(blob in blob(), sizes in chunk_sizes()) {
        let whole = cut_whole(&blob);
        for (index, record) in whole.records.iter().enumerate() {
            let end = record.range.end;
            let tail = &blob.as_bytes()[usize::try_from(end).unwrap()..];
            let resumed = cut(Cutter::after_record(end), tail, &sizes);
            prop_assert_eq!(ranges(&resumed.records), ranges(&whole.records[index + 1..]));
            prop_assert_eq!(resumed.resume, whole.resume);
            prop_assert_eq!(resumed.error, None);
            prop_assert_eq!(resumed.closed.map(|closed| closed.end), Some(blob.len() as u64));
            prop_assert!(resumed.records.first().is_none_or(|first| !first.contiguous));
        }
    }

    #[test]
    fn every_prefix_of_a_blob_has_the_records_that_end_in_it(blob in blob()) {
        let whole = cut_whole(&blob);
        for length in 0..blob.len() {
            let part = cut_whole(&blob.as_bytes()[..length]);
            let complete = whole.records.iter().take_while(|record| record.range.end <= length as u64).count();
            prop_assert_eq!(part.error, None);
            prop_assert_eq!(&part.records, &whole.records[..complete]);
            prop_assert_eq!(part.resume, whole.records[..complete].last().map_or(0, |last| last.range.end));
            let open = whole.records.get(complete).map(|next| next.range.start).filter(|at| *at < length as u64);
            prop_assert_eq!(part.open, open);
        }
    }

    #[test]
    fn any_number_of_separators_is_tolerated(
        parts in prop::collection::vec(("[ ,\n]{0,4}", "\\{\\}"), 0..5), last in "[ ,\n]{0,4}", sizes in chunk_sizes(),
    ) {
        let mut blob = String::from("{\"records\":[");
        let mut expected = Vec::new();
        for (separator, record) in &parts {
            blob.push_str(separator);
            let start = blob.len() as u64;
            blob.push_str(record);
            let commas = separator.bytes().filter(|byte| *byte == b',').count();
            let contiguous = commas == 1 && !expected.is_empty();
            expected.push(Record { range: start..blob.len() as u64, contiguous });
        }
        blob.push_str(&last);
        blob.push_str("]}");
        let found = cut(Cutter::from_start(), blob.as_bytes(), &sizes);
        prop_assert_eq!(found.error, None);
        prop_assert_eq!(&found.records, &expected);
        prop_assert_eq!(found.closed.unwrap().verbatim, records(blob.as_bytes()).is_some());
    }
}

/// A byte, mostly one that is significant in JSON.
fn mutant() -> impl Strategy<Value = u8> {
    prop_oneof![4 => prop::sample::select(b"{}[]\",:\\ \nu0r".to_vec()), 1 => any::<u8>()]
}

#[test]
fn every_split_of_a_small_blob_gives_the_same_result() {
    let blob =
        "\u{feff} {\"records\" :\t[ {\"a\\\"\\\\\":\"]}\\u00e9é😀\"},{}\r\n,{\"b\":[[],{\"c\":{}}]} ] } \n";
    let whole = cut_whole(blob);
    assert_eq!(whole.records.len(), 3);
    for first in 1..blob.len() {
        for second in 1..=blob.len() - first {
            assert_eq!(cut(Cutter::from_start(), blob.as_bytes(), &[first, second, usize::MAX]), whole);
        }
    }
}

#[test]
fn strings_of_every_length_around_a_vectors_are_skipped() {
    for length in 0..140 {
        for tail in ["", "\\\"", "\\\\", "\\\\\\\"", "]}"] {
            let fill = "x".repeat(length);
            check(format!("{{\"records\":[{{\"{fill}{tail}\":\"{tail}{fill}\"}},{{}}]}}").as_bytes(), &[]);
        }
    }
}

#[test]
fn nesting_is_accepted_up_to_its_limit() {
    let nested = |levels: usize| {
        let arrays = levels - 1;
        format!("{{\"records\":[{{\"a\":{}{}}}]}}", "[".repeat(arrays), "]".repeat(arrays))
    };
    let bound = MAX_NESTING as usize;
    assert_eq!(cut_whole(nested(bound)).error, None);
    assert_eq!(cut_whole(nested(bound)).records.len(), 1);
    // The record's `{` is at offset 12; its first `[`, at 17, is level 2.
    let error = CutError { offset: 17 + bound as u64 - 1, expected: Expected::LessNesting, found: b'[' };
    assert_eq!(cut_whole(nested(bound + 1)).error, Some(error));
    check(nested(bound).as_bytes(), &[7]);
    check(nested(bound + 1).as_bytes(), &[7]);
}

#[test]
fn other_bytes_are_rejected_at_the_first_invalid_one() {
    let cases: [(&[u8], u64, Expected, u8); 26] = [
        (b"[]", 0, Expected::Opener, b'['),
        (b"<?xml", 0, Expected::Opener, b'<'),
        (b"\xEF\xBB{", 2, Expected::Opener, b'{'),
        (b" \xEF\xBB\xBF{", 1, Expected::Opener, 0xEF),
        (b"{}", 1, Expected::Records, b'}'),
        (b"{\"record\":[]}", 12, Expected::Records, b'}'),
        (b"{\"rec ords\":1}", 13, Expected::Records, b'}'),
        (b"{\"Records\":[] }", 14, Expected::Records, b'}'),
        (b"{records:[]}", 1, Expected::Name, b'r'),
        (b"{,\"records\":[]}", 1, Expected::Name, b','),
        (b"{\"a\":1,}", 7, Expected::Name, b'}'),
        (b"{\"records\"[]}", 10, Expected::Colon, b'['),
        (b"{\"a\":,\"records\":[]}", 5, Expected::Value, b','),
        (b"{\"records\":{}}", 11, Expected::Array, b'{'),
        (b"{\"records\":null}", 11, Expected::Array, b'n'),
        (b"{\"a\":[}],\"records\":[]}", 6, Expected::Closer(b']'), b'}'),
        (b"{\"a\":1 2,\"records\":[]}", 7, Expected::Separator, b'2'),
        (b"{\"records\":[]:1}", 13, Expected::Separator, b':'),
        (b"{\"records\":[{}],\"records\":[]}", 24, Expected::OneRecords, b'"'),
        (b"{\"rec\\u006frds\":[]}", 14, Expected::PlainName, b'"'),
        (b"{\"records\":[1]}", 12, Expected::Record, b'1'),
        (b"{\"records\":[[]]}", 12, Expected::Record, b'['),
        (b"{\"records\":[{\"a\":[}]}", 18, Expected::Closer(b']'), b'}'),
        (b"{\"records\":[{\"a\":1]}", 18, Expected::Closer(b'}'), b']'),
        (b"{\"records\":[{}]} x", 17, Expected::End, b'x'),
        (b"{\"records\":[{}]}\0", 16, Expected::End, 0),
    ];
    for (input, offset, expected, found) in cases {
        let error = Some(CutError { offset, expected, found });
        assert_eq!(cut_whole(input).error, error, "{}", input.escape_ascii());
        check(input, &[1]);
    }
}

#[test]
fn an_error_is_permanent_and_comes_after_the_valid_records() {
    let mut cutter = Cutter::from_start();
    cutter.push("{\"records\":[{},{\"a\":]".into());
    assert_eq!(cutter.next_record().unwrap().unwrap().range, 12..14);
    let error = cutter.next_record().unwrap_err();
    cutter.push("}]}".into());
    assert_eq!(cutter.next_record(), Err(error));
    assert_eq!(cutter.resume_offset(), 14);
    assert_eq!(error.to_string(), "blob offset 20: expected `}`, found `]`");
}

#[test]
fn an_error_shows_one_byte_and_no_other_content() {
    let error = cut_whole(b"{\"records\":[\xFFsecret").error.unwrap();
    assert_eq!(error.to_string(), "blob offset 12: expected a record, `,` or `]`, found `\\xff`");
}

#[test]
fn released_bytes_are_no_longer_held() {
    let mut cutter = Cutter::after_record(1000);
    cutter.push(",{\"a\":".into());
    cutter.push("1},{}".into());
    assert_eq!(cutter.next_record().unwrap().unwrap().range, 1001..1008);
    cutter.release(1003);
    assert_eq!(cutter.slice(1003..1011).unwrap().to_bytes(), "a\":1},{}");
    for requested in [1002..1005, 1003..1012, 0..1] {
        let error = NotHeld { requested: requested.clone(), held: 1003..1011 };
        assert_eq!(cutter.slice(requested).unwrap_err(), error);
    }
    cutter.release(5000);
    assert_eq!((cutter.input_end(), cutter.resume_offset()), (1011, 1008));
    assert_eq!(cutter.next_record().unwrap().unwrap().range, 1009..1011);
    cutter.release(0);
    assert_eq!(cutter.input_end(), 1011);
}

#[test]
fn a_grown_blob_is_cut_from_the_last_record_on() {
    let first = "{\"records\":[{\"n\":1}]}";
    let grown = "{\"records\":[{\"n\":1},\r\n{\"n\":2}]}";
    let resume = cut_whole(first).resume;
    let next = cut(Cutter::after_record(resume), &grown.as_bytes()[usize::try_from(resume).unwrap()..], &[]);
    assert_eq!(ranges(&next.records), vec![22..29]);
    assert_eq!(next.closed, Some(Closed { end: 31, verbatim: false }));
    let unseparated = cut(Cutter::after_record(19), b"{}]}", &[]);
    assert_eq!(unseparated.closed, Some(Closed { end: 23, verbatim: false }));
}
