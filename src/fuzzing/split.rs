//! The splitter.
#![allow(clippy::unwrap_used)]

use crate::flow_log::cut::Cutter;
use crate::message::split::{LayoutPass, MAX_LAYOUT, Part, SplitError, SplitPass, split as split_held};
use bytes::Bytes;

/// The record's offset in the blob, which is also its offset in a body.
const START: u64 = 12;

/// The fuzzed bytes follow each of these.
const OPENINGS: [&[u8]; 4] = [
    b"",
    b"{\"flowRecords\":{\"flows\":[{\"flowGroups\":[{\"flowTuples\":[",
    b"{\"flowRecords\":{\"flows\":[{\"flowGroups\":[",
    b"{\"properties\":{\"flows\":[",
];

/// Splitting any bytes gives the same parts for all chunk sizes; they fit and cover the record, and memory is
/// bounded. The first byte is the chunk size, the second sets the limit, the rest is the record.
///
/// # Panics
/// When that is violated.
pub fn split(data: &[u8]) {
    let Some(([chunk, limit], rest)) = data.split_first_chunk() else { return };
    let (chunk, max_body) = (usize::from(*chunk).max(1), 64 + usize::from(*limit) * 4);
    for opening in OPENINGS {
        let record = [opening, rest].concat();
        let streamed = streamed(&record, chunk, max_body);
        let whole = split_held(&Bytes::copy_from_slice(&record).into(), START, max_body as u64);
        let held = whole.and_then(|parts| parts.map(Iterator::collect::<Result<Vec<_>, _>>).transpose());
        assert_eq!(streamed, held.map(flatten));
        streamed.into_iter().flatten().flatten().fold(START, |end, part| check(part, end, max_body));
    }
}

/// A part's body, and the start and end of its range.
type FlatPart = (Bytes, u64, u64);

fn flatten(parts: Option<Vec<Part>>) -> Option<Vec<FlatPart>> {
    let flat = |part: Part| (part.message.body.to_bytes(), part.message.range.start, part.message.range.end);
    parts.map(|parts| parts.into_iter().map(flat).collect())
}

/// Both passes, chunk by chunk.
fn streamed(record: &[u8], chunk: usize, max_body: usize) -> Result<Option<Vec<FlatPart>>, SplitError> {
    let mut first = LayoutPass::new(START, max_body as u64);
    for piece in record.chunks(chunk) {
        let layout = first.push(piece)?;
        assert!(first.held_memory() <= 2 * (record.len() * 9).min(MAX_LAYOUT));
        let Some(layout) = layout else { continue };
        let mut second = SplitPass::new(layout);
        let mut parts = Vec::new();
        for piece in record.chunks(chunk) {
            second.push(Bytes::copy_from_slice(piece));
            for part in second.by_ref() {
                parts.push(part?);
            }
            let held = second.held_memory();
            assert!(held <= 2 * max_body + 2 * chunk, "{held} bytes held");
        }
        return Ok(flatten(Some(parts)));
    }
    Ok(None)
}

/// A part's body has one record, and its range begins where the one before it ends.
fn check((body, from, to): FlatPart, end: u64, max_body: usize) -> u64 {
    assert!(body.len() <= max_body && from == end && from < to);
    let mut cutter = Cutter::from_start();
    let length = body.len() as u64;
    cutter.push(body);
    assert_eq!(cutter.next_record().unwrap().unwrap().range, START..length - 2);
    assert_eq!(cutter.next_record(), Ok(None));
    assert_eq!(cutter.closed().unwrap().end, length);
    to
}
