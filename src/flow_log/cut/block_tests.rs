//! The cutter beside [`byte_wise`], with what could go wrong in blocks of 64 bytes.
#![allow(clippy::unwrap_used)]

use super::arbitrary::{chunk_sizes, text};
use super::block::{BLOCK, Masks, Text};
use super::byte_wise::{cut_array, cut_blob};
use super::oracle::{Outcome, cut};
use super::*;
use fearless_simd::dispatch;
use proptest::collection::vec;
use proptest::prelude::*;

const OPENER: &[u8] = b"{\"records\":[";

/// Each set of instructions that this machine has.
fn levels() -> Vec<Level> {
    let best = Level::new();
    #[cfg(target_arch = "x86_64")]
    let lesser =
        [best.as_sse4_2().map(fearless_simd::Simd::level), best.as_avx2().map(fearless_simd::Simd::level)];
    #[cfg(not(target_arch = "x86_64"))]
    let lesser = [None];
    [Some(Level::baseline()), Some(best)].into_iter().chain(lesser).flatten().collect()
}

/// What the cutter says of `array` behind an opener, which must be what byte-wise reading says, however it is
/// cut into chunks and whatever instructions look at it.
fn agreed(array: &[u8], sizes: &[usize]) -> Outcome {
    let blob = [OPENER, array].concat();
    let expected = cut_blob(&blob);
    for level in levels() {
        for sizes in [&[], sizes, &[OPENER.len(), usize::MAX]] {
            let cutter = Cutter { level, ..Cutter::from_start() };
            assert_eq!(cut(cutter, &blob, sizes), expected, "{level:?} {sizes:?} {}", blob.escape_ascii());
        }
        let cutter = Cutter { level, ..Cutter::after_record(1000) };
        assert_eq!(cut(cutter, array, sizes), cut_array(array, 1000));
    }
    expected
}

/// Pieces of a record, of which most keep its brackets matched: strings, backslashes outside strings, also
/// right before a quote, fill of about a block's length.
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

/// What stands between two records, seldom what can't.
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
    fn records_with_awkward_bytes_are_cut_as_byte_wise_reading_cuts_them(
        records in vec((vec(piece(), 0..6), gap()), 0..40),
        closer in prop::sample::select(vec!["]}", "]", " ] } ", "", "]]", "]} x"]),
        sizes in chunk_sizes(),
    ) {
        let records: Vec<_> = records.iter().map(|(pieces, gap)| format!("{{{}}}{gap}", pieces.concat())).collect();
        agreed((records.concat() + closer).as_bytes(), &sizes);
    }

    #[test]
    fn blocks_of_nothing_but_awkward_bytes_are_cut_as_byte_wise_reading_cuts_them(
        bytes in vec(prop::sample::select(b"\\\\\\\"\"{}[],x ".to_vec()), 0..300),
        quoted in any::<bool>(),
        sizes in chunk_sizes(),
    ) {
        agreed(&[if quoted { b"{\"".as_slice() } else { b"{" }, &bytes].concat(), &sizes);
    }

    #[test]
    fn the_masks_of_a_block_say_what_its_bytes_say(
        block in prop::array::uniform32(prop::array::uniform2(prop_oneof![
            prop::sample::select(b"\\\\\\\"{}[]".to_vec()), any::<u8>(),
        ])),
        quoted in any::<bool>(),
        escaped in any::<bool>(),
    ) {
        let block: &[u8; BLOCK] = block.as_flattened().try_into().unwrap();
        let before = Text { quoted, escaped: quoted && escaped };
        let (mut after, mut brackets, mut told) = (before, 0, true);
        for (place, byte) in block.iter().enumerate() {
            match byte {
                _ if after.escaped => after.escaped = false,
                b'\\' => (after.escaped, told) = (after.quoted, told && after.quoted),
                b'"' => after.quoted = !after.quoted,
                b'{' | b'}' | b'[' | b']' if !after.quoted => brackets |= 1 << place,
                _ => {}
            }
        }
        for level in levels() {
            let masks = dispatch!(level, simd => Masks::of(simd, block));
            prop_assert_eq!(before.take(masks), told.then_some((brackets, after)));
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
fn any_six_bytes_across_the_border_of_two_blocks_are_cut_as_byte_wise_reading_cuts_them() {
    // The chunk begins in the array, so its blocks begin at multiples of 64.
    for before in ["{\"a\":[{", "{\"", "{},{\"a\":1}", "{},"] {
        let fill = match before {
            "{\"" => "x".repeat(2 * BLOCK),
            _ => " ".repeat(2 * BLOCK),
        };
        each_string(b"\"\\{},", 6, &mut |bytes| {
            let head = &fill[..2 * BLOCK - before.len() - 3];
            let array = [before.as_bytes(), head.as_bytes(), bytes, b"\"}", fill.as_bytes()].concat();
            let found = cut(Cutter::after_record(0), &array, &[]);
            assert_eq!(found, cut_array(&array, 0), "{}", array.escape_ascii());
        });
    }
}

#[test]
fn a_run_of_backslashes_of_any_length_carries_over_blocks_and_chunks() {
    for run in 0..3 * BLOCK {
        for lead in [0, 1, 61, 62, 63] {
            let [lead, run, fill] =
                [("x", lead), ("\\", run), ("y", BLOCK)].map(|(byte, count)| byte.repeat(count));
            // An odd run escapes the quote behind it, so the string goes on to the next; an even one does not.
            let array = format!("{{\"{lead}{run}\"{fill}]}}\":1}},{{}}{}", " ".repeat(BLOCK));
            let found = agreed(array.as_bytes(), &[run.len() + 1, 64]);
            assert_eq!(found.error.is_none(), run.len() % 2 == 1, "{array}");
        }
    }
}

#[test]
fn an_error_among_many_records_has_its_exact_offset_and_all_records_before_it() {
    let records = 300;
    let array = "{},".repeat(records);
    for at in 0..array.len() {
        for wrong in [b'x', b'"', b'\\', b'[', b'}'] {
            let mut bytes = array.clone().into_bytes();
            bytes.insert(at, wrong);
            let found = cut(Cutter::after_record(0), &bytes, &[]);
            // In a record, just behind its `{`, all but a bracket is let pass, and a quote hides the rest.
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
fn what_stands_behind_a_record_is_not_told_before_it_is_asked_for() {
    // All in one block: the scanner has seen the end when the first record is given out.
    let mut cutter = Cutter::after_record(1000);
    cutter.push(format!(",{{}},{{}}]}}{}", " ".repeat(BLOCK)).into());
    for end in [1003, 1006] {
        assert_eq!(cutter.next_record().unwrap().unwrap().range.end, end);
        assert_eq!((cutter.resume_offset(), cutter.open_record(), cutter.closed()), (end, None, None));
    }
    assert_eq!(cutter.next_record(), Ok(None));
    assert_eq!(cutter.closed(), Some(Closed { end: 1008 + BLOCK as u64, plain: false }));

    let mut cutter = Cutter::after_record(0);
    cutter.push(format!("{{}},{{\"a\":{}", " ".repeat(BLOCK)).into());
    assert_eq!(cutter.next_record().unwrap().unwrap().range.end, 2);
    assert_eq!(cutter.open_record(), None);
    assert_eq!(cutter.next_record(), Ok(None));
    assert_eq!((cutter.resume_offset(), cutter.open_record()), (2, Some(3)));
}

#[test]
fn records_of_more_than_one_scan_come_in_order_and_keep_what_they_follow() {
    for gap in [",", ", ", "\r\n,\t", "", ",,"] {
        let array = vec!["{}"; 1000].join(gap) + "]}";
        let found = agreed(array.as_bytes(), &[1000]);
        assert_eq!(found.records.len(), 1000);
        let plainly = gap.bytes().filter(|byte| *byte == b',').count() == 1;
        assert!(found.records[1..].iter().all(|record| record.follows_plainly == plainly));
        assert_eq!(found.closed.unwrap().plain, plainly);
    }
}

#[test]
fn the_end_of_a_blob_leaves_out_the_byte_that_can_not_follow_it() {
    for tail in ["", " ", "\n\n"] {
        let found = cut(Cutter::from_start(), format!("{{\"records\":[{{}}]}}{tail}x").as_bytes(), &[]);
        let end = 16 + tail.len() as u64;
        assert_eq!(found.error, Some(CutError { offset: end, expected: Expected::End, found: b'x' }));
        assert_eq!(found.closed, Some(Closed { end, plain: true }));
    }
}
