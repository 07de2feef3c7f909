//! Long stretches that belong to no record.
#![allow(clippy::unwrap_used)]

use super::arbitrary::{chunk_sizes, object, value};
use super::oracle::{check, cut};
use super::*;
use crate::flow_log::fingerprint::FINGERPRINT_BYTES;
use proptest::collection::vec;
use proptest::prelude::*;

/// What may stand between two records: mostly plain, sometimes long.
fn gap() -> impl Strategy<Value = String> {
    let narrow = usize::try_from(MAX_GAP).unwrap();
    let long = (narrow - 3..narrow + 3, "[ ,\n]", 0usize..3).prop_map(|(length, fill, commas)| {
        let commas = ",".repeat(commas);
        fill.repeat(length - commas.len()) + &commas
    });
    prop_oneof![4 => Just(",".to_owned()), 1 => "[ ,\n]{0,5}", 3 => long, 1 => (0usize..5000).prop_map(|n| " ".repeat(n) + ",")]
}

/// The array of a blob.
fn array() -> impl Strategy<Value = String> {
    (vec((gap(), object(value().boxed())), 0..6), gap()).prop_map(|(records, last)| {
        records.iter().flat_map(|(gap, record)| [gap, record]).cloned().collect::<String>() + &last
    })
}

proptest! {
    #[test]
    fn long_gaps_are_let_go_as_byte_wise_reading_says(array in array(), sizes in chunk_sizes()) {
        check(format!("{{\"records\":[{array}]}}").as_bytes(), &sizes);
        let rest = [array.as_bytes(), b"]}"].concat();
        prop_assert_eq!(cut(Cutter::after_record(5000), &rest, &sizes), byte_wise::cut_array(&rest, 5000));
    }

    #[test]
    fn the_bytes_of_a_guard_are_held_before_every_end_of_a_record(array in array(), sizes in chunk_sizes()) {
        let blob = format!("{{\"records\":[{array}]}}").into_bytes();
        let at = |offset: u64| usize::try_from(offset).unwrap();
        let mut cutter = Cutter::from_start();
        let mut rest = Bytes::from(blob.clone());
        let mut sizes = sizes.iter().cycle();
        let mut records: Vec<Record> = Vec::new();
        while !rest.is_empty() {
            let size = *sizes.next().unwrap_or(&usize::MAX);
            cutter.push(rest.split_to(size.clamp(1, rest.len())));
            while let Some(record) = cutter.next_record().unwrap() {
                records.push(record);
            }
        }
        for record in &records {
            let guarded = record.range.end.saturating_sub(FINGERPRINT_BYTES)..record.range.end;
            let held = cutter.slice(guarded.clone()).unwrap().to_bytes();
            prop_assert_eq!(&held, &blob[at(guarded.start)..at(guarded.end)]);
        }
        // What one slice of a message would span.
        for two in records.windows(2).filter(|two| two[1].follows_plainly) {
            let range = two[0].range.start..two[1].range.end;
            prop_assert_eq!(cutter.slice(range.clone()).unwrap().to_bytes(), &blob[at(range.start)..at(range.end)]);
        }
        if cutter.closed().unwrap().plain {
            prop_assert_eq!(cutter.slice(0..blob.len() as u64).unwrap().to_bytes(), &blob);
        }
    }

    #[test]
    fn each_later_block_is_cut_whatever_stands_in_a_broken_one(
        blocks in vec(vec(object(value().boxed()), 1..4), 2..6),
        broken in any::<prop::sample::Index>(),
        garbage in vec(prop_oneof![prop::sample::select(b"{}[]\",:\\ \n".to_vec()), any::<u8>()], 0..200),
        sizes in chunk_sizes(),
    ) {
        let broken = broken.index(blocks.len());
        let mut blob = b"{\"records\":[".to_vec();
        let mut starts = Vec::new();
        let mut records = Vec::new();
        for (number, block) in blocks.iter().enumerate() {
            starts.push(blob.len());
            for record in block {
                if number > 0 || blob.len() > 12 {
                    blob.push(b',');
                }
                records.push((number, blob.len() as u64..(blob.len() + record.len()) as u64));
                blob.extend(record.as_bytes());
            }
            if number == broken {
                blob.truncate(starts[number]);
                blob.extend(&garbage);
                // Records behind the broken block are counted from its new end on.
                records.retain(|(block, _)| *block != number);
            }
        }
        blob.extend(b"]}");
        for (number, start) in starts.iter().enumerate().skip(broken + 1) {
            let found = cut(Cutter::after_record(*start as u64), &blob[*start..], &sizes);
            let ranges: Vec<_> = found.records.iter().map(|record| record.range.clone()).collect();
            let expected: Vec<_> = records.iter().filter(|(block, _)| *block >= number).map(|(_, range)| range.clone()).collect();
            prop_assert_eq!((found.error, ranges), (None, expected));
            prop_assert!(!found.records[0].follows_plainly);
            prop_assert_eq!(found.closed, Some(Closed { end: blob.len() as u64, plain: false }));
        }
    }
}

/// Pushes `chunk` so often after `before`, as one run would: what is found is released at once.
fn most_held(before: &str, chunk: &str, times: usize) -> usize {
    let mut cutter = Cutter::from_start();
    let chunk = Bytes::from(chunk.to_owned());
    let mut most = 0;
    for bytes in [Bytes::from(before.to_owned())].into_iter().chain(vec![chunk; times]) {
        cutter.push(bytes);
        while let Some(record) = cutter.next_record().unwrap() {
            cutter.release(record.range.end);
        }
        most = most.max(cutter.held_bytes());
    }
    most
}

#[test]
fn separators_without_end_are_let_go_as_they_are_scanned() {
    let megabyte = 1 << 20;
    for before in
        ["", "{", "{\"records\":[", "{\"records\":[{}", "{\"records\":[{},{}]", "{\"records\":[{}]}"]
    {
        let held = most_held(before, &" ".repeat(megabyte), 8);
        assert!(held <= 2 << 10, "{held} bytes held behind {before}");
    }
    for (before, fill) in [("{\"records\":[", ","), ("{\"records\":[{}", ", ")] {
        let held = most_held(before, &fill.repeat(megabyte / fill.len()), 8);
        assert!(held <= 2 << 10, "{held} bytes held behind {before}");
    }
}

#[test]
fn small_records_far_apart_pin_no_read_buffers() {
    // As if all went into one message, nothing is released.
    let mut cutter = Cutter::from_start();
    cutter.push("{\"records\":[".into());
    let window = Bytes::from("{\"a\":1},".to_owned() + &" ".repeat(1 << 20));
    for _ in 0..16 {
        cutter.push(window.clone());
        while cutter.next_record().unwrap().is_some() {}
    }
    assert!(cutter.held_bytes() <= 16 * (2 << 10), "{} bytes held", cutter.held_bytes());
}

#[test]
fn a_gap_of_any_length_is_kept_or_let_go_by_its_length_alone() {
    let narrow = usize::try_from(MAX_GAP).unwrap();
    for (length, held) in [(narrow, true), (narrow + 1, false)] {
        let gap = " ".repeat(length - 1) + ",";
        for sizes in [vec![], vec![1], vec![64], vec![63, 65], vec![narrow]] {
            let blob = format!("{{\"records\":[{{}}{gap}{{}}]}}");
            let found = cut(Cutter::from_start(), blob.as_bytes(), &sizes);
            assert_eq!(found.records[1].follows_plainly, held, "{length} {sizes:?}");
            assert_eq!(found.closed.unwrap().plain, held);
        }
        for (blob, stretch) in [("{\"records\":[ {}]}", 12), ("{\"records\":[{}]} ", 2)] {
            let blob = blob.replace(' ', &" ".repeat(length - stretch));
            let found = cut(Cutter::from_start(), blob.as_bytes(), &[100]);
            assert_eq!(found.closed.unwrap().plain, held, "{blob}");
        }
    }
}

#[test]
fn a_run_may_resume_behind_a_long_gap_in_the_array_only() {
    let blank = " ".repeat(2000);
    let passed = |before: &str| {
        let mut cutter = Cutter::from_start();
        cutter.push(format!("{before}{blank}").into());
        while cutter.next_record().unwrap().is_some() {
            assert_eq!(cutter.passed_to(), None);
        }
        (cutter.passed_to(), cutter.pushed_to())
    };
    for before in ["", "{", "{\"records\":[{", "{\"records\":[{}]", "{\"records\":[{}]}"] {
        assert_eq!(passed(before).0, None, "{before}");
    }
    for before in ["{\"records\":[", "{\"records\":[{}", "{\"records\":[{},{},"] {
        let (passed, end) = passed(before);
        assert_eq!(passed, Some(end), "{before}");
    }
    let mut cutter = Cutter::after_record(500);
    cutter.push(",".into());
    assert_eq!((cutter.next_record(), cutter.passed_to()), (Ok(None), None));
    cutter.push(blank.into());
    assert_eq!((cutter.next_record(), cutter.passed_to()), (Ok(None), Some(2501)));
    assert_eq!(cutter.slice(2341..2501).unwrap().len(), 160);
}
