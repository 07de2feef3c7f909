//! Checks the cutter against `serde_json` on the whole input, and against [`byte_wise`].
#![allow(clippy::unwrap_used)]

use super::byte_wise::{self, CutResult};
use super::cutter::Cutter;
use super::error::Expected;
use super::record::{Closed, MAX_GAP, MAX_NESTING, Record};
use bytes::Bytes;
use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

/// A root object.
struct Root<'a> {
    records: Vec<&'a RawValue>,
    /// Whether `records` is its only member.
    only_records: bool,
}

/// A member's name, borrowed unless it has escapes.
#[derive(Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de> Deserialize<'de> for Root<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Root<'de>;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Root<'de>, A::Error> {
                let (mut records, mut only_records) = (None, true);
                while let Some(Name(name)) = map.next_key()? {
                    match name {
                        Cow::Borrowed("records") if records.is_none() => records = Some(map.next_value()?),
                        name if name == "records" => return Err(A::Error::custom("a second, or escaped")),
                        _ => {
                            only_records = false;
                            if nesting(map.next_value::<&RawValue>()?.get()) > MAX_NESTING {
                                return Err(A::Error::custom("too deep"));
                            }
                        }
                    }
                }
                let records = records.ok_or_else(|| A::Error::missing_field("records"))?;
                Ok(Root { records, only_records })
            }
        }
        deserializer.deserialize_map(Members)
    }
}

/// The ranges of the records in `input`, and whether `records` is the root's only member. `None` unless
/// `serde_json` accepts `input` as an object with a list `records` of objects.
///
/// Also `None` for what the cutter rejects on purpose: the name `records` with escapes, a second `records`,
/// and too deep nesting.
fn root(input: &[u8]) -> Option<(Vec<Range<u64>>, bool)> {
    let json = input.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(input);
    let root: Root<'_> = serde_json::from_slice(json).ok()?;
    let place = |record: &&RawValue| {
        let text = record.get();
        let start = (text.as_ptr() as usize - input.as_ptr() as usize) as u64;
        (text.starts_with('{') && nesting(text) <= MAX_NESTING).then(|| start..start + text.len() as u64)
    };
    Some((root.records.iter().map(place).collect::<Option<_>>()?, root.only_records))
}

/// The ranges of the records in `input`, when `records` is the root's only member.
#[cfg(test)]
pub(crate) fn records(input: &[u8]) -> Option<Vec<Range<u64>>> {
    root(input).and_then(|(records, only_records)| only_records.then_some(records))
}

/// The deepest nesting in the valid JSON `text`.
fn nesting(text: &str) -> u32 {
    let (mut depth, mut deepest, mut quoted, mut escaped) = (0, 0, false, false);
    for character in text.chars() {
        match character {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            '{' | '[' if !quoted => depth += 1,
            '}' | ']' if !quoted => depth -= 1,
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
}

/// Pushes `input` in chunks of `sizes`, repeated, and takes each record as soon as it is found.
pub(crate) fn cut(mut cutter: Cutter, input: &[u8], sizes: &[usize]) -> CutResult {
    let base = cutter.input_end();
    let mut records = Vec::new();
    let mut error = None;
    let mut rest = Bytes::copy_from_slice(input);
    let mut sizes = sizes.iter().cycle();
    while !rest.is_empty() {
        let size = *sizes.next().unwrap_or(&usize::MAX);
        cutter.push(rest.split_to(size.clamp(1, rest.len())));
        while error.is_none() {
            match cutter.next_record() {
                Ok(Some(record)) => {
                    let state = (cutter.resume_offset(), cutter.open_record(), cutter.closed());
                    assert_eq!(state, (record.range.end, None, None));
                    let held = cutter.slice(record.range.clone()).unwrap().to_bytes();
                    let [from, to] =
                        [record.range.start, record.range.end].map(|at| usize::try_from(at - base).unwrap());
                    assert_eq!(held, input[from..to]);
                    records.push(record);
                }
                Ok(None) => break,
                Err(found) => error = Some(found),
            }
        }
    }
    let (resume, open, closed) = (cutter.resume_offset(), cutter.open_record(), cutter.closed());
    CutResult { records, error, resume, open, closed }
}

/// Panics unless the cutter agrees with `serde_json` and with [`byte_wise`] about `input`, in one chunk and in
/// chunks of `sizes`.
pub(crate) fn check(input: &[u8], sizes: &[usize]) {
    let whole = cut(Cutter::from_start(), input, &[]);
    assert_eq!(whole, cut(Cutter::from_start(), input, sizes), "chunks of {sizes:?} change the result");
    assert_eq!(whole, byte_wise::cut_blob(input), "the byte-wise cutter disagrees");

    let end = whole.records.last().map_or(0, |record| record.range.end);
    assert_eq!(whole.resume, end);
    assert!(whole.records.windows(2).all(|two| two[0].range.end <= two[1].range.start));
    if let Some(error) = whole.error {
        assert!(error.offset >= end);
        assert_eq!(Some(&error.found), input.get(usize::try_from(error.offset).unwrap()));
        assert_eq!(whole.closed.is_some(), error.expected == Expected::End);
    }

    let ranges: Vec<_> = whole.records.iter().map(|record| record.range.clone()).collect();
    if let Some((expected, only_records)) = root(input) {
        assert_eq!((whole.error, &ranges), (None, &expected));
        let ends = ranges.iter().map(|record| record.end);
        let starts = ranges.iter().map(|record| record.start).chain([input.len() as u64]);
        let gaps: Vec<_> = [0].into_iter().chain(ends).zip(starts).map(|(end, start)| start - end).collect();
        let narrow = gaps.iter().all(|gap| *gap <= MAX_GAP);
        let verbatim = only_records && !input.starts_with(b"\xEF") && narrow;
        assert_eq!(whole.closed, Some(Closed { end: input.len() as u64, verbatim }));
        let is_correct = |(index, (record, gap)): (usize, (&Record, u64))| {
            record.contiguous == (index > 0 && gap <= MAX_GAP)
        };
        assert!(whole.records.iter().zip(gaps).enumerate().all(is_correct));
    } else if whole.error.is_none() && whole.closed.is_some_and(|closed| closed.verbatim) {
        // Then the grammar inside some record is wrong.
        let valid = |range: &Range<u64>| {
            let [from, to] = [range.start, range.end].map(|at| usize::try_from(at).unwrap());
            serde_json::from_slice::<&RawValue>(&input[from..to]).is_ok()
        };
        assert!(!ranges.iter().all(valid), "all records are valid, but serde_json rejects the blob");
    }
}
