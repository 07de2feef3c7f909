//! The splitter.
#![allow(clippy::unwrap_used)]

use crate::flow_log::cut::Cutter;
use crate::message::split::{Divider, MAX_SKELETON, Part, SplitError, Survey, split as split_held};
use bytes::Bytes;

/// Where the record stands in the blob: in a body it stands there as well.
const START: u64 = 12;

/// The record goes on behind each of these.
const OPENINGS: [&[u8]; 4] = [
    b"",
    b"{\"flowRecords\":{\"flows\":[{\"flowGroups\":[{\"flowTuples\":[",
    b"{\"flowRecords\":{\"flows\":[{\"flowGroups\":[",
    b"{\"properties\":{\"flows\":[",
];

/// Splitting any bytes gives the same parts in all chunks; they fit and cover the record, and memory stays
/// flat. The first byte is the chunk length, the second tells the limit, the rest is the record.
///
/// # Panics
/// When that is not so.
pub fn split(data: &[u8]) {
    let Some(([chunk, limit], rest)) = data.split_first_chunk() else { return };
    let (chunk, max_body) = (usize::from(*chunk).max(1), 64 + usize::from(*limit) * 4);
    for opening in OPENINGS {
        let record = [opening, rest].concat();
        let told = streamed(&record, chunk, max_body);
        let whole = split_held(&Bytes::copy_from_slice(&record).into(), START, max_body as u64);
        let held = whole.and_then(|parts| parts.map(Iterator::collect::<Result<Vec<_>, _>>).transpose());
        assert_eq!(told, tell(held));
        told.into_iter().flatten().flatten().fold(START, |end, part| check(part, end, max_body));
    }
}

/// A part's body and where its range begins and ends.
type Told = (Bytes, u64, u64);

fn tell(parts: Result<Option<Vec<Part>>, SplitError>) -> Result<Option<Vec<Told>>, SplitError> {
    let tell = |part: Part| (part.message.body.to_bytes(), part.message.range.start, part.message.range.end);
    Ok(parts?.map(|parts| parts.into_iter().map(tell).collect()))
}

/// Both passes, chunk by chunk.
fn streamed(record: &[u8], chunk: usize, max_body: usize) -> Result<Option<Vec<Told>>, SplitError> {
    let mut survey = Survey::new(START, max_body as u64);
    for piece in record.chunks(chunk) {
        let skeleton = survey.push(piece)?;
        assert!(survey.held_bytes() <= 2 * (record.len() * 9).min(MAX_SKELETON));
        let Some(skeleton) = skeleton else { continue };
        let mut divider = Divider::new(skeleton);
        let mut parts = Vec::new();
        for piece in record.chunks(chunk) {
            divider.push(Bytes::copy_from_slice(piece));
            for part in divider.by_ref() {
                parts.push(part?);
            }
            assert!(divider.held_bytes() <= 2 * max_body + 2 * chunk, "{} bytes held", divider.held_bytes());
        }
        return tell(Ok(Some(parts)));
    }
    Ok(None)
}

/// A part's body is one record to the cutter; its range begins where the one before it ends.
fn check((body, from, to): Told, end: u64, max_body: usize) -> u64 {
    assert!(body.len() <= max_body && from == end && from < to);
    let mut cutter = Cutter::from_start();
    let length = body.len() as u64;
    cutter.push(body);
    assert_eq!(cutter.next_record().unwrap().unwrap().range, START..length - 2);
    assert_eq!(cutter.next_record(), Ok(None));
    assert_eq!(cutter.closed().unwrap().end, length);
    to
}
