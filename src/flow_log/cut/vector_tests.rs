//! Compares the cutter with [`byte_wise`] on input that is difficult to cut in vectors of 64 bytes.
#![allow(clippy::unwrap_used)]

use super::arbitrary::{chunk_sizes, text};
use super::byte_wise::{CutResult, cut_array, cut_blob};
use super::oracle::cut;
use super::vector::{Masks, StringState, VECTOR};
use super::*;
use fearless_simd::{Level, dispatch};
use proptest::collection::vec;
use proptest::prelude::*;

const OPENER: &[u8] = b"{\"records\":[";

/// All instruction sets of this machine.
fn levels() -> Vec<Level> {
    let best = Level::new();
    #[cfg(target_arch = "x86_64")]
    let lesser =
        [best.as_sse4_2().map(fearless_simd::Simd::level), best.as_avx2().map(fearless_simd::Simd::level)];
    #[cfg(not(target_arch = "x86_64"))]
    let lesser = [None];
    [Some(Level::baseline()), Some(best)].into_iter().chain(lesser).flatten().collect()
}

/// The result for `array` after an opener. Asserts that the byte-wise cutter has the same result, for several
/// chunk sizes and all instruction sets.
fn agreed(array: &[u8], sizes: &[usize]) -> CutResult {
    let blob = [OPENER, array].concat();
    let expected = cut_blob(&blob);
    for level in levels() {
        for sizes in [&[], sizes, &[OPENER.len(), usize::MAX]] {
            let cutter = Cutter::from_start().with_level(level);
            assert_eq!(cut(cutter, &blob, sizes), expected, "{level:?} {sizes:?} {}", blob.escape_ascii());
        }
        let cutter = Cutter::after_record(1000).with_level(level);
        assert_eq!(cut(cutter, array, sizes), cut_array(array, 1000));
    }
    expected
}

/// A piece of a record, mostly with matching brackets: a string, backslashes outside strings, backslashes
/// before a quote, or filler of about a vector's length.
fn piece() -> impl Strategy<Value = String> {
    let backslashes = (1usize..5).prop_map(|count| "\\".repeat(count));
    prop_oneof![
        6 => text(),
        2 => backslashes.clone(),
        1 => (backslashes, text()).prop_map(|(run, text)| run + &text),
        1 => (60usize..140).prop_map(|count| format!("\"{}\"", "\\".repeat(count & !1))),
        2 => (0usize..140).prop_map(|count| "x".repeat(count)),
        3 => prop::sample::select(vec!["{}", "[]", "[{},{}]", "{\"a\":[[]]}", ",", ":", " "]).prop_map(str::to_owned),
        1 => prop::sample::select(vec!["\"", "}", "]", "{", "[", "\\\""]).prop_map(str::to_owned),
    ]
}

/// The bytes between two records, rarely invalid.
fn gap() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => Just(",".to_owned()),
        3 => "[ ,\r\n\t]{0,5}",
        1 => (0usize..140).prop_map(|count| " ".repeat(count) + ","),
        1 => prop::sample::select(vec!["\"", "\\", "\\\"", "]", "}", "[", "x", "\"]}{\"", "]}"]).prop_map(str::to_owned),
    ]
}

proptest! {
    #[test]
    fn unusual_records_are_cut_as_by_the_byte_wise_cutter(
        records in vec((vec(piece(), 0..6), gap()), 0..40),
        closer in prop::sample::select(vec!["]}", "]", " ] } ", "", "]]", "]} x"]),
        sizes in chunk_sizes(),
    ) {
        let records: Vec<_> = records.iter().map(|(pieces, gap)| format!("{{{}}}{gap}", pieces.concat())).collect();
        agreed((records.concat() + closer).as_bytes(), &sizes);
    }

    #[test]
    fn vectors_of_special_bytes_are_cut_as_by_the_byte_wise_cutter(
        bytes in vec(prop::sample::select(b"\\\\\\\"\"{}[],x ".to_vec()), 0..300),
        quoted in any::<bool>(),
        sizes in chunk_sizes(),
    ) {
        agreed(&[if quoted { b"{\"".as_slice() } else { b"{" }, &bytes].concat(), &sizes);
    }

    #[test]
    fn the_masks_of_a_vector_agree_with_its_bytes(
        vector in prop::array::uniform32(prop::array::uniform2(prop_oneof![
            prop::sample::select(b"\\\\\\\"{}[]".to_vec()), any::<u8>(),
        ])),
        quoted in any::<bool>(),
        escaped in any::<bool>(),
    ) {
        let vector: &[u8; VECTOR] = vector.as_flattened().try_into().unwrap();
        let before = StringState { quoted, escaped: quoted && escaped };
        let (mut after, mut brackets, mut valid) = (before, 0, true);
        for (place, byte) in vector.iter().enumerate() {
            match byte {
                _ if after.escaped => after.escaped = false,
                b'\\' => (after.escaped, valid) = (after.quoted, valid && after.quoted),
                b'"' => after.quoted = !after.quoted,
                b'{' | b'}' | b'[' | b']' if !after.quoted => brackets |= 1 << place,
                _ => {}
            }
        }
        for level in levels() {
            let masks = dispatch!(level, simd => Masks::of(simd, vector));
            prop_assert_eq!(before.advance(masks), valid.then_some((brackets, after)));
        }
    }
}

/// Calls `with` for all strings of `length` bytes of `alphabet`.
fn each_string(alphabet: &[u8], length: usize, with: &mut impl FnMut(&[u8])) {
    let mut places = vec![0; length];
    loop {
        with(&places.iter().map(|&place| alphabet[place]).collect::<Vec<_>>());
        let Some(next) = places.iter().position(|place| place + 1 < alphabet.len()) else { return };
        places[..next].fill(0);
        places[next] += 1;
    }
}

#[test]
fn any_six_bytes_across_two_vectors_are_cut_correctly() {
    // The chunk begins in the array, so its vectors begin at multiples of 64.
    for before in ["{\"a\":[{", "{\"", "{},{\"a\":1}", "{},"] {
        let fill = match before {
            "{\"" => "x".repeat(2 * VECTOR),
            _ => " ".repeat(2 * VECTOR),
        };
        each_string(b"\"\\{},", 6, &mut |bytes| {
            let head = &fill[..2 * VECTOR - before.len() - 3];
            let array = [before.as_bytes(), head.as_bytes(), bytes, b"\"}", fill.as_bytes()].concat();
            let found = cut(Cutter::after_record(0), &array, &[]);
            assert_eq!(found, cut_array(&array, 0), "{}", array.escape_ascii());
        });
    }
}

#[test]
fn a_run_of_backslashes_carries_over_vectors_and_chunks() {
    for run in 0..3 * VECTOR {
        for lead in [0, 1, 61, 62, 63] {
            let [lead, run, fill] =
                [("x", lead), ("\\", run), ("y", VECTOR)].map(|(byte, count)| byte.repeat(count));
            // An odd run escapes the quote after it, so the string goes on to the next quote.
            let array = format!("{{\"{lead}{run}\"{fill}]}}\":1}},{{}}{}", " ".repeat(VECTOR));
            let found = agreed(array.as_bytes(), &[run.len() + 1, 64]);
            assert_eq!(found.error.is_none(), run.len() % 2 == 1, "{array}");
        }
    }
}

#[test]
fn an_error_has_its_exact_offset_and_all_records_before_it() {
    let records = 300;
    let array = "{},".repeat(records);
    for at in 0..array.len() {
        for wrong in [b'x', b'"', b'\\', b'[', b'}'] {
            let mut bytes = array.clone().into_bytes();
            bytes.insert(at, wrong);
            let found = cut(Cutter::after_record(0), &bytes, &[]);
            // In a record, only brackets are invalid, and a quote hides the rest.
            match (at % 3, wrong) {
                (1, b'"') => assert_eq!((found.error, found.open), (None, Some(at as u64 - 1))),
                (1, b'x' | b'\\') => assert_eq!((found.error, found.records.len()), (None, records)),
                // The bracket matches, the record's own does not any more; or it ends the record early.
                (1, _) => assert_eq!(found.error.unwrap().offset, at as u64 + 1),
                _ => assert_eq!(found.error.unwrap().offset, at as u64),
            }
            assert_eq!(found, cut_array(&bytes, 0));
        }
    }
}

#[test]
fn nothing_behind_unreturned_records_is_visible() {
    // All in one vector: the scanner has seen the end when the first record is returned.
    let mut cutter = Cutter::after_record(1000);
    cutter.push(format!(",{{}},{{}}]}}{}", " ".repeat(VECTOR)).into());
    for end in [1003, 1006] {
        assert_eq!(cutter.next_record().unwrap().unwrap().range.end, end);
        assert_eq!((cutter.resume_offset(), cutter.open_record(), cutter.closed()), (end, None, None));
    }
    assert_eq!(cutter.next_record(), Ok(None));
    assert_eq!(cutter.closed(), Some(Closed { end: 1008 + VECTOR as u64, verbatim: false }));

    let mut cutter = Cutter::after_record(0);
    cutter.push(format!("{{}},{{\"a\":{}", " ".repeat(VECTOR)).into());
    assert_eq!(cutter.next_record().unwrap().unwrap().range.end, 2);
    assert_eq!(cutter.open_record(), None);
    assert_eq!(cutter.next_record(), Ok(None));
    assert_eq!((cutter.resume_offset(), cutter.open_record()), (2, Some(3)));
}

#[test]
fn records_of_several_scans_are_in_order_and_contiguous() {
    for gap in [",", ", ", "\r\n,\t", "", ",,"] {
        let array = vec!["{}"; 1000].join(gap) + "]}";
        let found = agreed(array.as_bytes(), &[1000]);
        assert_eq!(found.records.len(), 1000);
        let one_comma = gap.bytes().filter(|byte| *byte == b',').count() == 1;
        assert!(found.records[1..].iter().all(|record| record.contiguous == one_comma));
        assert_eq!(found.closed.unwrap().verbatim, one_comma);
    }
}

#[test]
fn the_end_of_a_blob_excludes_the_invalid_byte_after_it() {
    for tail in ["", " ", "\n\n"] {
        let found = cut(Cutter::from_start(), format!("{{\"records\":[{{}}]}}{tail}x").as_bytes(), &[]);
        let end = 16 + tail.len() as u64;
        assert_eq!(found.error, Some(CutError { offset: end, expected: Expected::End, found: b'x' }));
        assert_eq!(found.closed, Some(Closed { end, verbatim: true }));
    }
}
