//! The blob of the model: which records it holds, and its bytes as far as a fingerprint needs them.

use flowlog_forwarder::flow_log::cut::Record;
use flowlog_forwarder::flow_log::fingerprint::FingerprintTail;
use flowlog_forwarder::message::batch::{Packed, Packer};
use std::ops::Range;

/// What stands before the first record, `{"records":[`, bytes.
const OPENER: u64 = 12;
/// What stands behind the last record, `]}`, bytes.
const CLOSER: u64 = 2;
/// Bytes of each record: enough for one record to make a blob that is fingerprinted from its start.
const RECORD: u64 = 400;

/// The most records that any version holds.
pub const MOST_RECORDS: u8 = 16;

/// One committed version of the blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Version {
    /// Which content: another one begins with each rewrite, and no byte of it is the same.
    pub content: u8,
    /// How many records it holds; one or more.
    pub records: u8,
}

impl Version {
    /// Bytes of the whole blob.
    pub fn length(self) -> u64 {
        record(self.records - 1).end + CLOSER
    }

    /// The bytes of `range`, as far as the blob reaches.
    pub fn bytes(self, range: Range<u64>) -> Vec<u8> {
        let end = range.end.min(self.length());
        (range.start..end).map(|at| self.byte(at)).collect()
    }

    /// The fingerprinted bytes before `offset`.
    pub fn trail(self, offset: u64) -> FingerprintTail {
        FingerprintTail::behind(&self.bytes(offset.saturating_sub(2 * RECORD)..offset))
    }

    fn byte(self, at: u64) -> u8 {
        if at + CLOSER >= self.length() {
            return b']';
        }
        u8::try_from(u64::from(self.content) * u64::from(MOST_RECORDS) + at / RECORD).unwrap()
    }
}

/// Where record number `index` stands, in every version that holds it.
pub fn record(index: u8) -> Range<u64> {
    let start = OPENER + u64::from(index) * (RECORD + 1);
    start..start + RECORD
}

/// The `ETag` of version number `version`.
pub fn etag(version: usize) -> String {
    format!("e{version}")
}

/// The largest body of a setting under which a message holds `records` records.
pub fn body_of(records: u64) -> u64 {
    let frame = u64::from(u8::MAX) - Packer::new(u64::from(u8::MAX)).max_record();
    frame + records * (RECORD + 1) - 1
}

/// Where reading for a run ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Edge {
    /// At the end of the version.
    Version,
    /// At the end of what an earlier run left in flight.
    InFlightRange,
}

/// The messages into which the crate packs the records of `version` from `offset` on, up to `until`.
pub fn messages(version: Version, offset: u64, until: u64, max_body: u64) -> (Vec<Range<u64>>, Edge) {
    let mut packer = Packer::new(max_body);
    let mut messages = Vec::new();
    let mut edge = Edge::Version;
    for record in records(version, offset) {
        if record.range.end > until {
            edge = Edge::InFlightRange;
            break;
        }
        match packer.add(&record) {
            Packed::Fits => {}
            Packed::Full(plan) => messages.push(plan.range),
            Packed::NeverFits(_) => panic!("a record of the model fits every message"),
        }
    }
    messages.extend(packer.finish(None).map(|plan| plan.range));
    (messages, edge)
}

/// The message that ends early, behind `count` records from `offset` on, when so many don't fill one.
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
