//! Packs records into messages, and messages into batches, as full as the link's limits allow.
//!
//! # The same boundaries after a crash
//! A message's id contains its blob range, so a message that is sent again after a crash must cover the same
//! range again. [`Packer`] is greedy, and decides by the records since the message's first one alone. So a run
//! that starts at the end of any earlier message, with the same limits and the same last record, packs the
//! same messages.
//! - The last message of a run ends where the data ended. To repeat it, a run must stop at the same offset,
//!   even when the blob has grown since.
//! - A blob that is sent verbatim has the range of its records, like any other message. Only the bytes around
//!   the records differ.
//! - A message ends before a gap of more than [`MAX_GAP`] bytes, so that a run may end and begin in the gap;
//!   and when it would take more than [`MAX_SLICES`] slices of the blob.
//! - A record that is too large for any message ends the message before it, and the next message begins after
//!   it, wherever the run started.

#[cfg(test)]
mod tests;

use crate::flow_log::cut::{Closed, Cutter, MAX_GAP, NotHeld, Record};
use crate::flow_log::rope::Rope;
use crate::message::{BODY_OVERHEAD, Batch, Limits, Message, Origin, wrap_records};
use bytes::Bytes;
use std::ops::Range;
use std::sync::Arc;

/// The version of the rules that pack records into messages and split records. Raise it with every change that
/// moves the boundaries of messages: ranges that an earlier version left in flight are then packed by other
/// rules, and may arrive again with other ids.
pub const PACKING_VERSION: u32 = 1;

/// How many slices of the blob a message may consist of. Contiguous records share a slice.
///
/// Each slice costs memory besides its bytes: records of two bytes without commas would cost ten times their
/// length. The records of flow logs are contiguous, so a message is one slice.
pub const MAX_SLICES: usize = 1 << 10;

/// What [`Packer::add`] did with a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Packed {
    /// The record joined the open message.
    Fits,
    /// The record did not fit: here is the message before it. The record begins the next message.
    Full(MessagePlan),
    /// The record is too large for any message. The message before it, if there is one, is complete and must
    /// be sent first to keep the order.
    NeverFits(Option<MessagePlan>),
}

/// Decides which records share a message, by their ranges alone.
#[derive(Clone, Debug)]
pub struct Packer {
    max_body: u64,
    open: Option<MessagePlan>,
    /// Whether [`Packer::finish`] has returned a message.
    finished: bool,
}

impl Packer {
    /// Packs bodies of at most `max_body` bytes: see [`max_body`](crate::message::max_body).
    #[must_use]
    pub fn new(max_body: u64) -> Self {
        Self { max_body, open: None, finished: false }
    }

    /// The largest record that fits a message, bytes. A larger one gives [`Packed::NeverFits`].
    #[must_use]
    pub fn max_record(&self) -> u64 {
        self.max_body.saturating_sub(BODY_OVERHEAD)
    }

    /// The end of the open message's last record, if there is one.
    #[must_use]
    pub fn open_end(&self) -> Option<u64> {
        self.open.as_ref().map(|open| open.range.end)
    }

    /// Takes the next record. Records must come in order, without omissions.
    pub fn add(&mut self, record: &Record) -> Packed {
        if self.max_body < BODY_OVERHEAD || record.range.end - record.range.start > self.max_record() {
            return Packed::NeverFits(self.open.take());
        }
        match &mut self.open {
            Some(open) if open.has_room(record, self.max_body) => {
                open.push(record);
                Packed::Fits
            }
            Some(open) => Packed::Full(std::mem::replace(open, MessagePlan::of(record))),
            None => {
                self.open = Some(MessagePlan::of(record));
                Packed::Fits
            }
        }
    }

    /// Completes the open message, if there is one. `closed` is [`Cutter::closed`]: a blob that fits one
    /// message is sent verbatim, to the last byte, when the cutter allows it.
    ///
    /// Call it where the data ends; elsewhere it moves later boundaries.
    pub fn finish(&mut self, closed: Option<Closed>) -> Option<MessagePlan> {
        let mut plan = self.open.take()?;
        // If the whole blob fits, its first message has all its records, unless an earlier call took some.
        let verbatim =
            closed.filter(|closed| closed.verbatim && !self.finished && closed.end <= self.max_body);
        if let Some(closed) = verbatim {
            plan.body = Body::Verbatim(closed.end);
        }
        self.finished = true;
        Some(plan)
    }
}

/// A message that is decided, but not built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessagePlan {
    /// The blob range `[start, end)` from the first record's start to the last record's end.
    pub range: Range<u64>,
    /// How many records it has, at least one.
    pub records: usize,
    body: Body,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Body {
    /// Slices of the blob, joined by commas. `length` is that of the whole body.
    Slices { slices: Vec<Range<u64>>, length: u64 },
    /// The blob itself, up to this offset.
    Verbatim(u64),
}

impl MessagePlan {
    fn of(record: &Record) -> Self {
        let length = BODY_OVERHEAD.saturating_add(record.range.end - record.range.start);
        let body = Body::Slices { slices: vec![record.range.clone()], length };
        Self { range: record.range.clone(), records: 1, body }
    }

    /// The length of the body, bytes.
    #[must_use]
    pub fn body_length(&self) -> u64 {
        match &self.body {
            Body::Slices { length, .. } => *length,
            Body::Verbatim(end) => *end,
        }
    }

    /// The length of the body with `record` added, bytes.
    fn body_length_with(&self, record: &Record) -> u64 {
        // A contiguous record brings the bytes between the records along; any other gets a comma.
        let from = if record.contiguous { self.range.end } else { record.range.start.saturating_sub(1) };
        self.body_length().saturating_add(record.range.end.saturating_sub(from))
    }

    /// Whether `record` fits a body of at most `max_body` bytes.
    fn has_room(&self, record: &Record, max_body: u64) -> bool {
        let may_slice = match &self.body {
            Body::Slices { slices, .. } => record.contiguous || slices.len() < MAX_SLICES,
            Body::Verbatim(_) => false,
        };
        let is_near = record.range.start.saturating_sub(self.range.end) <= MAX_GAP;
        may_slice && is_near && self.body_length_with(record) <= max_body
    }

    fn push(&mut self, record: &Record) {
        let new_length = self.body_length_with(record);
        if let Body::Slices { slices, length } = &mut self.body {
            match slices.last_mut() {
                Some(last) if record.contiguous => last.end = record.range.end,
                _ => slices.push(record.range.clone()),
            }
            *length = new_length;
        }
        self.range.end = record.range.end;
        self.records += 1;
    }

    /// Builds the message from the bytes that `cutter` holds. Copies small slices; large ones are views.
    ///
    /// # Errors
    /// When the cutter no longer holds all of the bytes.
    pub fn message(self, cutter: &Cutter) -> Result<Message, NotHeld> {
        let body = match self.body {
            Body::Verbatim(end) => cutter.slice(0..end)?,
            Body::Slices { slices, .. } => {
                let mut records = Rope::default();
                for slice in slices {
                    if !records.is_empty() {
                        records.push(Bytes::from_static(b","));
                    }
                    records.append(cutter.slice(slice)?);
                }
                wrap_records(records)
            }
        };
        Ok(Message { body, range: self.range, records: self.records })
    }
}

/// What [`Batcher::add`] did with a message.
#[derive(Clone, Debug)]
pub enum Batched {
    /// The message joined the open batch.
    Fits,
    /// The message did not fit: here is the batch before it. The message begins the next batch.
    Full(Batch),
    /// The message is too large for any batch, and returned. The open batch stays open.
    NeverFits(Message),
}

/// Groups messages into batches. The boundaries of batches do not affect messages and ids.
#[derive(Clone, Debug)]
pub struct Batcher {
    limits: Limits,
    origin: Arc<Origin>,
    open: Vec<Message>,
    /// The size of the open batch, bytes as encoded.
    size: usize,
}

impl Batcher {
    /// Groups messages of one origin within `limits`.
    #[must_use]
    pub fn new(limits: Limits, origin: Arc<Origin>) -> Self {
        Self { limits, origin, open: Vec::new(), size: limits.envelope }
    }

    /// Takes the next message.
    pub fn add(&mut self, message: Message) -> Batched {
        let size = self.limits.message_overhead.saturating_add(message.body.len());
        if self.limits.envelope.saturating_add(size) > self.limits.transfer {
            return Batched::NeverFits(message);
        }
        let full = if self.size.saturating_add(size) > self.limits.transfer { self.finish() } else { None };
        self.size += size;
        self.open.push(message);
        full.map_or(Batched::Fits, Batched::Full)
    }

    /// Completes the open batch, if there is one. May be called at any time.
    pub fn finish(&mut self) -> Option<Batch> {
        self.size = self.limits.envelope;
        let messages = std::mem::take(&mut self.open);
        (!messages.is_empty()).then(|| Batch { origin: Arc::clone(&self.origin), messages })
    }
}
