//! Long gaps between, before and after records.
#![allow(clippy::unwrap_used)]

use super::arbitrary::{chunk_sizes, object, value};
use super::oracle::{check, cut};
use super::*;
use crate::flow_log::fingerprint::FINGERPRINT_BYTES;
use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;

/// The bytes between two records: mostly one comma, sometimes long.
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
    fn long_gaps_are_cut_as_by_the_byte_wise_cutter(array in array(), sizes in chunk_sizes()) {
        check(format!("{{\"records\":[{array}]}}").as_bytes(), &sizes);
        let rest = [array.as_bytes(), b"]}"].concat();
        prop_assert_eq!(cut(Cutter::after_record(5000), &rest, &sizes), byte_wise::cut_array(&rest, 5000));
    }

    #[test]
    fn a_fingerprints_bytes_are_held_before_every_record_end(array in array(), sizes in chunk_sizes()) {
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
            let covered = record.range.end.saturating_sub(FINGERPRINT_BYTES)..record.range.end;
            let held = cutter.slice(covered.clone()).unwrap().to_bytes();
            prop_assert_eq!(&held, &blob[at(covered.start)..at(covered.end)]);
        }
        // A message may have one slice over both.
        for two in records.windows(2).filter(|two| two[1].contiguous) {
            let range = two[0].range.start..two[1].range.end;
            prop_assert_eq!(cutter.slice(range.clone()).unwrap().to_bytes(), &blob[at(range.start)..at(range.end)]);
        }
        if cutter.closed().unwrap().verbatim {
            prop_assert_eq!(cutter.slice(0..blob.len() as u64).unwrap().to_bytes(), &blob);
        }
    }

    #[test]
    fn each_block_after_a_broken_one_is_cut(
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
                // Later records are placed after the block's new end.
                records.retain(|(block, _)| *block != number);
            }
        }
        blob.extend(b"]}");
        for (number, start) in starts.iter().enumerate().skip(broken + 1) {
            let found = cut(Cutter::after_record(*start as u64), &blob[*start..], &sizes);
            let ranges: Vec<_> = found.records.iter().map(|record| record.range.clone()).collect();
            let expected: Vec<_> = records.iter().filter(|(block, _)| *block >= number).map(|(_, range)| range.clone()).collect();
            prop_assert_eq!((found.error, ranges), (None, expected));
            prop_assert!(!found.records[0].contiguous);
            prop_assert_eq!(found.closed, Some(Closed { end: blob.len() as u64, verbatim: false }));
        }
    }
}

/// The most memory held while `chunk` is pushed `times` times after `before` and records are released at once.
fn most_held(before: &str, chunk: &str, times: usize) -> usize {
    let mut cutter = Cutter::from_start();
    let chunk = Bytes::from(chunk.to_owned());
    let mut most = 0;
    for bytes in [Bytes::from(before.to_owned())].into_iter().chain(vec![chunk; times]) {
        cutter.push(bytes);
        while let Some(record) = cutter.next_record().unwrap() {
            cutter.release(record.range.end);
        }
        most = most.max(cutter.held_memory());
    }
    most
}

#[test]
fn endless_separators_are_discarded_while_they_are_scanned() {
    let megabyte = 1 << 20;
    for before in
        ["", "{", "{\"records\":[", "{\"records\":[{}", "{\"records\":[{},{}]", "{\"records\":[{}]}"]
    {
        let held = most_held(before, &" ".repeat(megabyte), 8);
        assert!(held <= 2 << 10, "{held} bytes held after {before}");
    }
    for (before, fill) in [("{\"records\":[", ","), ("{\"records\":[{}", ", ")] {
        let held = most_held(before, &fill.repeat(megabyte / fill.len()), 8);
        assert!(held <= 2 << 10, "{held} bytes held after {before}");
    }
}

#[test]
fn small_records_far_apart_keep_no_read_buffers_allocated() {
    // Nothing is released, as if all records went into one message.
    let mut cutter = Cutter::from_start();
    cutter.push("{\"records\":[".into());
    let window = Bytes::from("{\"a\":1},".to_owned() + &" ".repeat(1 << 20));
    for _ in 0..16 {
        cutter.push(window.clone());
        while cutter.next_record().unwrap().is_some() {}
    }
    assert!(cutter.held_memory() <= 16 * (2 << 10), "{} bytes held", cutter.held_memory());
}

#[test]
fn whether_a_gap_is_held_depends_on_its_length_alone() {
    let narrow = usize::try_from(MAX_GAP).unwrap();
    for (length, held) in [(narrow, true), (narrow + 1, false)] {
        let gap = " ".repeat(length - 1) + ",";
        for sizes in [vec![], vec![1], vec![64], vec![63, 65], vec![narrow]] {
            let blob = format!("{{\"records\":[{{}}{gap}{{}}]}}");
            let found = cut(Cutter::from_start(), blob.as_bytes(), &sizes);
            assert_eq!(found.records[1].contiguous, held, "{length} {sizes:?}");
            assert_eq!(found.closed.unwrap().verbatim, held);
        }
        for (blob, stretch) in [("{\"records\":[ {}]}", 12), ("{\"records\":[{}]} ", 2)] {
            let blob = blob.replace(' ', &" ".repeat(length - stretch));
            let found = cut(Cutter::from_start(), blob.as_bytes(), &[100]);
            assert_eq!(found.closed.unwrap().verbatim, held, "{blob}");
        }
    }
}

#[test]
fn a_run_may_resume_after_a_long_gap_in_the_array_only() {
    let blank = " ".repeat(2000);
    let resumes_at = |before: &str| {
        let mut cutter = Cutter::from_start();
        cutter.push(format!("{before}{blank}").into());
        while cutter.next_record().unwrap().is_some() {
            assert_eq!(cutter.gap_resume_offset(), None);
        }
        (cutter.gap_resume_offset(), cutter.input_end())
    };
    for before in ["", "{", "{\"records\":[{", "{\"records\":[{}]", "{\"records\":[{}]}"] {
        assert_eq!(resumes_at(before).0, None, "{before}");
    }
    for before in ["{\"records\":[", "{\"records\":[{}", "{\"records\":[{},{},"] {
        let (offset, end) = resumes_at(before);
        assert_eq!(offset, Some(end), "{before}");
    }
    let mut cutter = Cutter::after_record(500);
    cutter.push(",".into());
    assert_eq!((cutter.next_record(), cutter.gap_resume_offset()), (Ok(None), None));
    cutter.push(blank.into());
    assert_eq!((cutter.next_record(), cutter.gap_resume_offset()), (Ok(None), Some(2501)));
    assert_eq!(cutter.slice(2341..2501).unwrap().len(), 160);
}
