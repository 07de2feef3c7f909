//! The blob of the model: its records, and the bytes that fingerprints cover.

use flowlog_forwarder::flow_log::cut::Record;
use flowlog_forwarder::flow_log::fingerprint::FingerprintTail;
use flowlog_forwarder::message::batch::{Packed, Packer};
use std::ops::Range;

/// Length of the bytes before the first record, `{"records":[`.
const OPENER_BYTES: u64 = 12;
/// Length of the bytes behind the last record, `]}`.
const CLOSER_BYTES: u64 = 2;
/// Length of each record: a blob of one record is long enough for a fingerprint at its start.
const RECORD_BYTES: u64 = 400;

/// No version holds more records.
pub const MAX_RECORDS: u8 = 16;

/// One committed version of the blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Version {
    /// Increases with each rewrite, which changes every byte of the records.
    pub content: u8,
    /// The number of records, at least 1.
    pub records: u8,
}

impl Version {
    /// The length of the blob, bytes.
    pub fn length(self) -> u64 {
        record(self.records - 1).end + CLOSER_BYTES
    }

    /// The bytes of `range` that exist in the blob.
    pub fn bytes(self, range: Range<u64>) -> Vec<u8> {
        let end = range.end.min(self.length());
        (range.start..end).map(|at| self.byte(at)).collect()
    }

    /// The bytes before `offset`, for a fingerprint.
    pub fn fingerprint_tail(self, offset: u64) -> FingerprintTail {
        FingerprintTail::behind(&self.bytes(offset.saturating_sub(2 * RECORD_BYTES)..offset))
    }

    fn byte(self, at: u64) -> u8 {
        if at + CLOSER_BYTES >= self.length() {
            return b']';
        }
        u8::try_from(u64::from(self.content) * u64::from(MAX_RECORDS) + at / RECORD_BYTES).unwrap()
    }
}

/// The range of record number `index`, the same in every version.
pub fn record(index: u8) -> Range<u64> {
    let start = OPENER_BYTES + u64::from(index) * (RECORD_BYTES + 1);
    start..start + RECORD_BYTES
}

/// The `ETag` of version number `version`.
pub fn etag(version: usize) -> String {
    format!("e{version}")
}

/// The largest body of messages that hold `records` records each, bytes.
pub fn body_of(records: u64) -> u64 {
    let frame = u64::from(u8::MAX) - Packer::new(u64::from(u8::MAX)).max_record();
    frame + records * (RECORD_BYTES + 1) - 1
}

/// Where a run ends if nothing stops it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ReadEnd {
    /// At the end of the version.
    EndOfBlob,
    /// At the end of the range that an earlier run left in flight.
    InFlightEnd,
}

/// The messages into which the crate packs the records of `version` in `[offset, until)`.
pub fn messages(version: Version, offset: u64, until: u64, max_body: u64) -> (Vec<Range<u64>>, ReadEnd) {
    let mut packer = Packer::new(max_body);
    let mut messages = Vec::new();
    let mut read_end = ReadEnd::EndOfBlob;
    for record in records(version, offset) {
        if record.range.end > until {
            read_end = ReadEnd::InFlightEnd;
            break;
        }
        match packer.add(&record) {
            Packed::Fits => {}
            Packed::Full(plan) => messages.push(plan.range),
            Packed::NeverFits(_) => panic!("a record of the model fits every message"),
        }
    }
    messages.extend(packer.finish(None).map(|plan| plan.range));
    (messages, read_end)
}

/// A message that ends early, after `count` records from `offset`; `None` if these fill a message.
pub fn early_message(version: Version, offset: u64, count: u8, max_body: u64) -> Option<Range<u64>> {
    let mut packer = Packer::new(max_body);
    let mut records = records(version, offset);
    for _ in 0..count {
        if packer.add(&records.next()?) != Packed::Fits {
            return None;
        }
    }
    packer.finish(None).map(|plan| plan.range)
}

fn records(version: Version, offset: u64) -> impl Iterator<Item = Record> {
    let ranges = (0..version.records).map(record).filter(move |range| range.start >= offset);
    ranges.enumerate().map(|(nth, range)| Record { range, contiguous: nth > 0 })
}
