//! The cutter, and the packing of its records into messages.
#![allow(clippy::unwrap_used)]

use crate::flow_log::cut::{Cutter, MAX_GAP, MAX_PIN_RATIO, byte_wise, oracle};
use crate::message::batch::{MAX_SLICES, MessagePlan, Packed, Packer};
use bytes::Bytes;
use std::ops::Range;

/// The fuzzed bytes follow each of these.
const OPENINGS: [&[u8]; 3] = [b"", b"{\"records\":[", b"{\"records\":[{"];

/// The cutter agrees with `serde_json` and with the byte-wise cutter on any blob in any chunks, and holds
/// only the records that are not sent yet. The first three bytes are chunk sizes, the rest is the blob.
///
/// # Panics
/// When that is violated.
pub fn cut(data: &[u8]) {
    let Some((sizes, rest)) = data.split_first_chunk::<3>() else { return };
    let sizes = sizes.map(|size| usize::from(size).max(1));
    for opening in OPENINGS {
        let blob = [opening, rest].concat();
        oracle::check(&blob, &sizes);
        for max_body in [40, 1 << 20] {
            forward(&blob, &sizes, max_body);
        }
    }
    let resumed = oracle::cut(Cutter::after_record(1000), rest, &sizes);
    assert_eq!(resumed, byte_wise::cut_array(rest, 1000));
}

/// Cuts and packs `blob`, as a run does.
fn forward(blob: &[u8], sizes: &[usize; 3], max_body: u64) {
    let mut run = Run { cutter: Cutter::from_start(), blob, waiting: Vec::new() };
    let mut packer = Packer::new(max_body);
    let (mut rest, mut sizes) = (Bytes::copy_from_slice(blob), sizes.iter().cycle());
    while !rest.is_empty() {
        let size = sizes.next().unwrap();
        run.cutter.push(rest.split_to(rest.len().min(*size)));
        while let Some(record) = match run.cutter.next_record() {
            // A run stops at an error.
            Err(_) => return,
            Ok(record) => record,
        } {
            match packer.add(&record) {
                Packed::Fits => {}
                Packed::Full(plan) => run.send(plan, max_body),
                Packed::NeverFits(before) => {
                    if let Some(plan) = before {
                        run.send(plan, max_body);
                    }
                    run.cutter.release(record.range.end);
                    continue;
                }
            }
            run.waiting.push(record.range);
        }
        run.check_memory(u8::MAX.into());
    }
    if let Some(plan) = packer.finish(run.cutter.closed()) {
        run.send(plan, max_body);
    }
}

struct Run<'a> {
    cutter: Cutter,
    blob: &'a [u8],
    /// The records that are not in a message yet.
    waiting: Vec<Range<u64>>,
}

impl Run<'_> {
    /// Checks that a message has the blob's records, byte for byte, in few pieces.
    fn send(&mut self, plan: MessagePlan, max_body: u64) {
        let (range, length, count) = (plan.range.clone(), plan.body_length(), plan.records);
        let body = plan.message(&self.cutter).unwrap().body;
        self.cutter.release(range.end);
        let pieces = body.pieces().count();
        let body = body.to_bytes();
        assert!(body.len() as u64 == length && length <= max_body);
        assert!(pieces <= 3 + body.len() / 2048, "{pieces} pieces of {length} bytes");
        let found = oracle::cut(Cutter::from_start(), &body, &[]);
        assert!(found.error.is_none() && found.closed.is_some_and(|closed| closed.end == length));
        let bytes = |of: &[u8], range: &Range<u64>| {
            let [from, to] = [range.start, range.end].map(|at| usize::try_from(at).unwrap());
            of[from..to].to_vec()
        };
        let sent: Vec<_> = self.waiting.drain(..count).map(|range| bytes(self.blob, &range)).collect();
        let in_body: Vec<_> = found.records.iter().map(|record| bytes(&body, &record.range)).collect();
        assert_eq!(sent, in_body);
    }

    /// Checks that only waiting records, the open one and short gaps are held.
    fn check_memory(&self, chunk: usize) {
        let open = self.cutter.open_record().map_or(0, |start| self.cutter.input_end() - start);
        let records: u64 = self.waiting.iter().map(|range| range.end - range.start).sum();
        let gaps = (self.waiting.len() as u64 + 2) * MAX_GAP;
        let (length, memory) = (self.cutter.held_length(), self.cutter.held_memory());
        assert!(length as u64 <= open + records + gaps, "{length} bytes are held");
        assert!(memory <= MAX_PIN_RATIO * length + 2 * chunk, "{length} bytes take {memory}");
        let slices = self.waiting.len();
        assert!(slices <= MAX_SLICES || self.blob.contains(&b','), "{slices} slices");
    }
}
