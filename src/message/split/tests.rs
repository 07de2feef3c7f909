#![allow(clippy::unwrap_used)]

use super::tree::{longest_single, parts, record};
use super::*;
use crate::flow_log::cut::arbitrary::chunk_sizes;
use crate::flow_log::cut::{CutError, Expected};
use bytes::Bytes;
use proptest::prelude::*;

/// The bytes after the record in the blob.
const AFTER: &[u8] = b" ,{\"next\":[\"record\"]}]}";

/// `bytes` in chunks of `sizes`, repeated.
fn chunks(bytes: &[u8], sizes: &[usize]) -> Vec<Bytes> {
    let mut rest = Bytes::copy_from_slice(bytes);
    let mut sizes = sizes.iter().cycle();
    std::iter::from_fn(|| {
        let size = *sizes.next().unwrap_or(&usize::MAX);
        (!rest.is_empty()).then(|| rest.split_to(size.clamp(1, rest.len())))
    })
    .collect()
}

/// Runs both passes over `record`, at offset `start` and with other bytes after it. `None` when it doesn't end.
fn run(
    record: &[u8],
    start: u64,
    max_body: usize,
    sizes: [&[usize]; 2],
) -> Result<Option<Vec<Part>>, SplitError> {
    let bytes = [record, AFTER].concat();
    let mut first = LayoutPass::new(start, max_body as u64);
    for chunk in chunks(&bytes, sizes[0]) {
        let Some(layout) = first.push(&chunk)? else { continue };
        let mut second = SplitPass::new(layout);
        let (mut parts, mut largest): (Vec<Part>, _) = (Vec::new(), 0);
        for chunk in chunks(&bytes, sizes[1]) {
            largest = largest.max(chunk.len());
            second.push(chunk);
            for part in second.by_ref() {
                parts.push(part?);
            }
            assert!(second.held_memory() <= 2 * max_body + 2 * largest, "memory is not bounded");
        }
        return Ok(Some(parts));
    }
    Ok(None)
}

fn body(part: &Part) -> String {
    String::from_utf8(part.message.body.to_bytes().to_vec()).unwrap()
}

/// The record inside a part's body.
fn inner(part: &Part) -> String {
    let body = body(part);
    body.strip_prefix("{\"records\":[").and_then(|rest| rest.strip_suffix("]}")).unwrap().to_owned()
}

proptest! {
    #[test]
    fn parts_are_those_found_by_trial(
        record in record(), spare in -20isize..400, start in 0u64..5000, first in chunk_sizes(), second in chunk_sizes(),
    ) {
        let (text, units) = record.render();
        let longest = longest_single(&text, &units);
        let max_body = longest.unwrap_or(100).saturating_add_signed(spare);
        let found = run(text.as_bytes(), start, max_body, [&first, &second]);
        let range = start..start + text.len() as u64;
        match (longest, parts(&text, &units, max_body)) {
            (None, _) => {
                prop_assert_eq!(found.unwrap_err(), SplitError::Unsplittable { record: range, reason: SplitObstacle::NoList });
            }
            (Some(body), None) => {
                let Err(SplitError::Unsplittable { record, reason: SplitObstacle::TooLarge { element, body: reported, .. } }) = found
                else { panic!("{found:?}") };
                prop_assert_eq!((record, reported), (range, body as u64));
                let places = units.iter().map(|unit| start + unit.range.start as u64..start + unit.range.end as u64);
                prop_assert!(places.into_iter().any(|place| place == element));
            }
            (Some(_), Some(expected)) => {
                let found = found.unwrap().unwrap();
                let at = |offset: u64| usize::try_from(offset - start).unwrap();
                let flat: Vec<_> = found
                    .iter()
                    .map(|part| (body(part), at(part.message.range.start)..at(part.message.range.end), part.tuples))
                    .collect();
                prop_assert_eq!(flat, expected);
                let last: Vec<_> = found.iter().map(|part| part.last).collect();
                prop_assert_eq!(last.iter().position(|last| *last), Some(found.len() - 1));
            }
        }
    }

    #[test]
    fn the_parts_together_have_the_records_leaves(record in record(), spare in 0usize..300, sizes in chunk_sizes()) {
        let (text, units) = record.render();
        if let Some(longest) = longest_single(&text, &units) {
            let max_body = longest + spare;
            let found = run(text.as_bytes(), 12, max_body, [&sizes, &sizes]).unwrap().unwrap();
            let mut leaves = Vec::new();
            for part in &found {
                prop_assert!(part.message.body.len() <= max_body);
                let empty = units.iter().any(|unit| !unit.tuple);
                prop_assert!(part.tuples > 0 || empty, "a part without tuples");
                leaves.extend(oracle::leaves(&inner(part)));
            }
            prop_assert_eq!(leaves, oracle::leaves(&text));
            let ranges = found.windows(2).all(|two| two[0].message.range.end == two[1].message.range.start);
            prop_assert!(ranges && found.iter().all(|part| !part.message.range.is_empty()));
        }
    }

    #[test]
    fn a_mutated_record_never_panics_and_loses_nothing(
        record in record(),
        mutations in prop::collection::vec((any::<prop::sample::Index>(), 0u8..4, mutant()), 1..4),
        spare in 0usize..200,
        sizes in chunk_sizes(),
    ) {
        let (text, units) = record.render();
        let mut bytes = text.clone().into_bytes();
        for (place, kind, byte) in mutations {
            let at = place.index(bytes.len());
            match kind {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                2 => { bytes.remove(at); }
                _ => bytes.truncate(at),
            }
            if bytes.is_empty() {
                return Ok(());
            }
        }
        let max_body = longest_single(&text, &units).unwrap_or(100) + spare;
        let found = run(&bytes, 12, max_body, [&[], &sizes]);
        let again = run(&bytes, 12, max_body, [&sizes, &[]]);
        let bytes_of = |part: &Part| part.message.body.to_bytes();
        let bodies = |parts: &Option<Vec<Part>>| parts.as_ref().map(|parts| parts.iter().map(bytes_of).collect::<Vec<_>>());
        prop_assert_eq!(found.as_ref().map(bodies), again.as_ref().map(bodies));
        let json = std::str::from_utf8(&bytes).ok().filter(|text| {
            text.starts_with('{') && text.ends_with('}') && serde_json::from_str::<serde_json::Value>(text).is_ok()
        });
        if let Some(text) = json {
            match found {
                Ok(parts) => {
                    let leaves: Vec<_> = parts.unwrap().iter().flat_map(|part| oracle::leaves(&inner(part))).collect();
                    prop_assert_eq!(leaves, oracle::leaves(text));
                }
                Err(error) => {
                    let complete = matches!(&error, SplitError::Unsplittable { record, .. } if *record == (12..12 + text.len() as u64));
                    prop_assert!(complete, "{}", error);
                }
            }
        }
    }
}

/// A byte, mostly one that is significant in JSON.
fn mutant() -> impl Strategy<Value = u8> {
    prop_oneof![4 => prop::sample::select(b"{}[]\",:\\ \n10".to_vec()), 1 => any::<u8>()]
}

const VNET: &str = r#"{"time":"2022-09-14T09:00:52.5625085Z","flowLogVersion":4,"macAddress":"112233445566","category":"FlowLogFlowEvent","flowRecords":{"flows":[{"aclID":"A","flowGroups":[{"rule":"R","flowTuples":["1,10.0.0.6","2,10.0.0.6","3,10.0.0.6"]},{"rule":"empty","flowTuples":[]}]} ,{"aclID":"B","flowGroups":[{"rule":"S","flowTuples":["4,10.0.0.6"]}]}]},"behind":1}"#;

const NSG: &str = r#"{"time":"2018-11-13T12:00:35.3899262Z","systemId":"a","category":"NetworkSecurityGroupFlowEvent","properties":{"Version":2,"flows":[{"rule":"R","flows":[{"mac":"000D3A","flowTuples":["1,94.102","2,94.102"]}]},{"rule":"S","flows":[{"flowTuples":["3,94.102"],"mac":"000D3B"}]}]}}"#;

#[test]
fn a_virtual_network_record_is_split_between_its_tuples() {
    let parts = run(VNET.as_bytes(), 12, 240, [&[], &[]]).unwrap().unwrap();
    let head = VNET.split("{\"aclID\"").next().unwrap();
    let expected = [
        r#"{"aclID":"A","flowGroups":[{"rule":"R","flowTuples":["1,10.0.0.6"]}]}"#,
        r#"{"aclID":"A","flowGroups":[{"rule":"R","flowTuples":["2,10.0.0.6"]}]}"#,
        r#"{"aclID":"A","flowGroups":[{"rule":"R","flowTuples":["3,10.0.0.6"]}]}"#,
        r#"{"aclID":"A","flowGroups":[{"rule":"empty","flowTuples":[]}]}"#,
        r#"{"aclID":"B","flowGroups":[{"rule":"S","flowTuples":["4,10.0.0.6"]}]}"#,
    ];
    assert_eq!(
        parts.iter().map(inner).collect::<Vec<_>>(),
        expected.map(|flow| format!("{head}{flow}]}},\"behind\":1}}"))
    );
    let counts: Vec<_> = parts.iter().map(|part| (part.tuples, part.last)).collect();
    assert_eq!(counts, [(1, false), (1, false), (1, false), (0, false), (1, true)]);
    assert_eq!(parts[0].message.range.start, 12);
    assert_eq!(parts[4].message.range.end, 12 + VNET.len() as u64);
}

#[test]
fn a_network_security_group_record_is_split_between_its_tuples() {
    let parts = run(NSG.as_bytes(), 12, 230, [&[5], &[7]]).unwrap().unwrap();
    let head = NSG.split("{\"rule\"").next().unwrap();
    let expected = [
        r#"{"rule":"R","flows":[{"mac":"000D3A","flowTuples":["1,94.102","2,94.102"]}]}"#,
        r#"{"rule":"S","flows":[{"flowTuples":["3,94.102"],"mac":"000D3B"}]}"#,
    ];
    assert_eq!(
        parts.iter().map(inner).collect::<Vec<_>>(),
        expected.map(|flow| format!("{head}{flow}]}}}}"))
    );
}

#[test]
fn a_record_in_memory_is_split_like_one_that_is_read_twice() {
    let streamed = run(VNET.as_bytes(), 12, 300, [&[3], &[11]]).unwrap().unwrap();
    let rope: Rope = chunks(&[VNET.as_bytes(), AFTER].concat(), &[10]).into_iter().collect();
    let held: Vec<_> = split(&rope, 12, 300).unwrap().unwrap().map(Result::unwrap).collect();
    assert_eq!(held.iter().map(body).collect::<Vec<_>>(), streamed.iter().map(body).collect::<Vec<_>>());
    assert!(split(&rope.slice(0..VNET.len() - 1), 12, 300).unwrap().is_none());
}

#[test]
fn a_record_larger_than_any_buffer_is_split() {
    let tuples = |from: usize| {
        (from..from + 1000).map(|n| format!("\"{n},10.0.0.6,192.0.2.180\"")).collect::<Vec<_>>().join(",")
    };
    let groups: Vec<_> =
        (0..300).map(|n| format!("{{\"rule\":\"{n}\",\"flowTuples\":[{}]}}", tuples(n * 1000))).collect();
    let record = format!("{{\"flowRecords\":{{\"flows\":[{{\"flowGroups\":[{}]}}]}}}}", groups.join(","));
    let parts = run(record.as_bytes(), 12, 64 << 10, [&[16 << 10], &[16 << 10]]).unwrap().unwrap();
    assert_eq!(parts.iter().map(|part| part.tuples).sum::<usize>(), 300_000);
    assert!(parts.len() <= record.len() / (64 << 10) + 1);
    let bodies: String = parts.iter().map(body).collect();
    assert!((0..300_000).step_by(977).all(|n| bodies.matches(&format!("\"{n},10.")).count() == 1));
}

#[test]
fn a_body_may_be_exactly_as_long_as_the_limit() {
    let longest =
        r#"{"records":[{"flowRecords":{"flows":[{"flowGroups":[{"flowTuples":["second"]}]}]}}]}"#.len();
    let record = br#"{"flowRecords":{"flows":[{"flowGroups":[{"flowTuples":["first","second"]}]}]}}"#;
    assert_eq!(run(record, 0, longest, [&[], &[]]).unwrap().unwrap().len(), 2);
    let reason =
        SplitObstacle::TooLarge { element: 63..71, body: longest as u64, max_body: longest as u64 - 1 };
    assert_eq!(
        run(record, 0, longest - 1, [&[], &[]]).unwrap_err(),
        SplitError::Unsplittable { record: 0..record.len() as u64, reason }
    );
}

#[test]
fn an_unsplittable_record_is_reported_with_its_range() {
    let two = r#"{"flowRecords":{"flows":[{"flowGroups":[{"flowTuples":["a"],"flowTuples":["b"]}]}]}}"#;
    let both = r#"{"properties":{"flows":[{}]},"flowRecords":{"flows":[{}]}}"#;
    let cases = [
        (r#"{"a":"{\"flowTuples\":[]}"}"#, SplitObstacle::NoList),
        (r#"{"flowRecords":{"flows":{"flowGroups":[]}}}"#, SplitObstacle::NoList),
        (r#"{"flowRecords":[{"flows":[1]}]}"#, SplitObstacle::NoList),
        (two, SplitObstacle::TwoLists { second: 12 + two.rfind('[').unwrap() as u64 }),
        (both, SplitObstacle::TwoLists { second: 12 + both.rfind('[').unwrap() as u64 }),
    ];
    for (record, reason) in cases {
        let error = run(record.as_bytes(), 12, 1000, [&[1], &[1]]).unwrap_err();
        assert_eq!(error, SplitError::Unsplittable { record: 12..12 + record.len() as u64, reason });
    }
}

#[test]
fn a_layout_beyond_its_limit_is_an_error() {
    let group = r#"{"flowTuples":["x"],"behind":"0123456789"}"#;
    let record = format!(r#"{{"flowRecords":{{"flows":[{{"flowGroups":[{}]}}]}}}}"#, [group; 50].join(","));
    let mut first = LayoutPass::new(0, 1000).with_max_layout(500);
    let error = chunks(record.as_bytes(), &[9]).iter().find_map(|chunk| first.push(chunk).err()).unwrap();
    let range = 0..record.len() as u64;
    assert_eq!(
        error,
        SplitError::Unsplittable { record: range, reason: SplitObstacle::LayoutTooLarge { max: 500 } }
    );
}

#[test]
fn a_broken_record_is_reported_at_the_byte_that_breaks_it() {
    let cases = [
        ("[]", 0, Expected::Record, b'['),
        (" {}", 0, Expected::Record, b' '),
        (r#"{"flowRecords":{"flows":[}"#, 25, Expected::Closer(b']'), b'}'),
    ];
    for (record, offset, expected, found) in cases {
        let error = run(record.as_bytes(), 100, 1000, [&[], &[]]).unwrap_err();
        assert_eq!(error, SplitError::Broken(CutError { offset: 100 + offset, expected, found }));
    }
}

#[test]
fn significant_changes_between_the_passes_are_detected() {
    let mut first = LayoutPass::new(0, 400);
    let layout = first.push(VNET.as_bytes()).unwrap().unwrap();
    assert_eq!(layout.range(), 0..VNET.len() as u64);
    let longer = VNET.replace("4,10.0.0.6", "4,10.0.0.66");
    let more_groups =
        VNET.replace(r#""aclID":"A","flowGroups":["#, r#""aclID":"A","flowGroups":[{"flowTuples":[1]},"#);
    let broken = VNET.replace("[]}", "[}}");
    for other in [longer, more_groups, broken] {
        let mut second = SplitPass::new(layout.clone());
        second.push(other.into());
        let error = second.find_map(Result::err).unwrap();
        assert!(matches!(error, SplitError::Changed { .. }), "{error}");
        assert!(second.next().is_none());
    }
}
