//! What the cutter must agree with: `serde_json` on the whole input.
#![allow(clippy::unwrap_used)]

use super::{Closed, CutError, Cutter, Expected, MAX_GAP, MAX_NESTING, Record, byte_wise};
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
    /// Whether it has no other member.
    alone: bool,
}

/// A member's name, borrowed when it has no escapes.
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
                let (mut records, mut alone) = (None, true);
                while let Some(Name(name)) = map.next_key()? {
                    match name {
                        Cow::Borrowed("records") if records.is_none() => records = Some(map.next_value()?),
                        name if name == "records" => return Err(A::Error::custom("a second, or escaped")),
                        _ => {
                            alone = false;
                            if nesting(map.next_value::<&RawValue>()?.get()) > MAX_NESTING {
                                return Err(A::Error::custom("too deep"));
                            }
                        }
                    }
                }
                let records = records.ok_or_else(|| A::Error::missing_field("records"))?;
                Ok(Root { records, alone })
            }
        }
        deserializer.deserialize_map(Members)
    }
}

/// Where the records stand in `input` when `serde_json` takes it for an object with a list `records` of
/// objects, and whether that is all there is.
///
/// Left aside is what the cutter refuses on purpose: the name `records` written with escapes, a second one,
/// and what is nested too deep.
fn root(input: &[u8]) -> Option<(Vec<Range<u64>>, bool)> {
    let json = input.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(input);
    let root: Root<'_> = serde_json::from_slice(json).ok()?;
    let place = |record: &&RawValue| {
        let text = record.get();
        let start = (text.as_ptr() as usize - input.as_ptr() as usize) as u64;
        (text.starts_with('{') && nesting(text) <= MAX_NESTING).then(|| start..start + text.len() as u64)
    };
    Some((root.records.iter().map(place).collect::<Option<_>>()?, root.alone))
}

/// The same, when there is nothing but records.
#[cfg(test)]
pub(crate) fn records(input: &[u8]) -> Option<Vec<Range<u64>>> {
    root(input).and_then(|(records, alone)| alone.then_some(records))
}

/// How many brackets are open at most in the valid JSON `text`.
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

/// All that a cutter says about an input.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// The records before the error, if there is one.
    pub(crate) records: Vec<Record>,
    /// Why it stopped, if it did.
    pub(crate) error: Option<CutError>,
    /// [`Cutter::resume_offset`] at the end.
    pub(crate) resume: u64,
    /// [`Cutter::open_record`] at the end.
    pub(crate) open: Option<u64>,
    /// [`Cutter::closed`] at the end.
    pub(crate) closed: Option<Closed>,
}

/// Pushes `input` in chunks of the `sizes` given, over and over, and takes each record as soon as it is there.
pub(crate) fn cut(mut cutter: Cutter, input: &[u8], sizes: &[usize]) -> Outcome {
    let base = cutter.pushed_to();
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
                    let told = (cutter.resume_offset(), cutter.open_record(), cutter.closed());
                    assert_eq!(told, (record.range.end, None, None));
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
    Outcome { records, error, resume, open, closed }
}

/// Panics unless the cutter says of `input` what `serde_json` says and what byte-wise reading says, and the
/// same for all chunkings.
pub(crate) fn check(input: &[u8], sizes: &[usize]) {
    let whole = cut(Cutter::from_start(), input, &[]);
    assert_eq!(whole, cut(Cutter::from_start(), input, sizes), "chunks of {sizes:?} change the outcome");
    assert_eq!(whole, byte_wise::cut_blob(input), "byte-wise reading says something else");

    let end = whole.records.last().map_or(0, |record| record.range.end);
    assert_eq!(whole.resume, end);
    assert!(whole.records.windows(2).all(|two| two[0].range.end <= two[1].range.start));
    if let Some(error) = whole.error {
        assert!(error.offset >= end);
        assert_eq!(Some(&error.found), input.get(usize::try_from(error.offset).unwrap()));
        assert_eq!(whole.closed.is_some(), error.expected == Expected::End);
    }

    let ranges: Vec<_> = whole.records.iter().map(|record| record.range.clone()).collect();
    if let Some((expected, alone)) = root(input) {
        assert_eq!((whole.error, &ranges), (None, &expected));
        let ends = ranges.iter().map(|record| record.end);
        let starts = ranges.iter().map(|record| record.start).chain([input.len() as u64]);
        let gaps: Vec<_> = [0].into_iter().chain(ends).zip(starts).map(|(end, start)| start - end).collect();
        let plain = alone && !input.starts_with(b"\xEF") && gaps.iter().all(|gap| *gap <= MAX_GAP);
        assert_eq!(whole.closed, Some(Closed { end: input.len() as u64, plain }));
        let followers = whole.records.iter().zip(gaps).enumerate();
        let plainly = |(index, (record, gap)): (usize, (&Record, u64))| {
            record.follows_plainly == (index > 0 && gap <= MAX_GAP)
        };
        assert!(followers.into_iter().all(plainly));
    } else if whole.error.is_none() && whole.closed.is_some_and(|closed| closed.plain) {
        // Then only the grammar inside some record is at fault.
        let valid = |range: &Range<u64>| {
            let [from, to] = [range.start, range.end].map(|at| usize::try_from(at).unwrap());
            serde_json::from_slice::<&RawValue>(&input[from..to]).is_ok()
        };
        assert!(!ranges.iter().all(valid), "plainly closed, all records valid, but refused by serde_json");
    }
}
