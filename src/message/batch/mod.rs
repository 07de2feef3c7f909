//! Packs records into messages, and messages into batches, as full as the link's limits allow.
//!
//! # The same boundaries after a crash
//! A message's id is made of its blob range, so a message that is sent twice because of a crash must cover
//! the same range twice. [`Packer`] is greedy and knows nothing but the records from the message's first on:
//! a run that starts at the end of any earlier message, with the same limits and up to the same last
//! record, packs the same later messages.
//! - The last message of a run ends where the data ended. To repeat *it*, read up to the same end again,
//!   even when the blob has grown since.
//! - A blob that goes out whole has the range of its records, like any other message: only what stands
//!   around them differs.
//! - A message ends as well before a gap of more than [`MAX_GAP`] bytes between two records, so that a run may
//!   end in the gap and begin there again; and when it would take more than [`MAX_SLICES`] slices of the blob.
//! - A record too large for any message ends the message before it and lets the next begin behind it,
//!   wherever the run started.

#[cfg(test)]
mod tests;

use crate::flow_log::cut::{Closed, Cutter, MAX_GAP, NotHeld, Record};
use crate::flow_log::rope::Rope;
use crate::message::{Batch, FRAME, Limits, Message, Origin, framed};
use bytes::Bytes;
use std::ops::Range;
use std::sync::Arc;

/// The version of the rules by which records are packed into messages, and records split. To be raised with
/// every change that moves the bounds of a message: what an earlier version left in flight is then packed
/// by other rules, and may arrive a second time under other ids.
pub const LAYOUT: u32 = 1;

/// How many slices of the blob make up one message at most: so many records, when none follows plainly.
///
/// A slice costs memory beside its bytes, so records of two bytes without commas would cost ten times their
/// length. Flow logs have a plain comma between all records, and then a message is one slice.
pub const MAX_SLICES: usize = 1 << 10;

/// What [`Packer::add`] did with a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Added {
    /// It joined the open message.
    Fits,
    /// It had no room beside the records before it. Here is their message; the record opened the next one.
    Full(MessagePlan),
    /// It has no room even alone, and is in no message. What was open before it is complete, and
    /// goes first, so that the order is kept.
    NeverFits(Option<MessagePlan>),
}

/// Decides which records share a message. It sees only where records stand, never their bytes.
#[derive(Clone, Debug)]
pub struct Packer {
    max_body: u64,
    open: Option<MessagePlan>,
    /// Whether [`Packer::finish`] has given out a message.
    finished: bool,
}

impl Packer {
    /// Packs bodies of at most `max_body` bytes: see [`max_body`].
    #[must_use]
    pub fn new(max_body: u64) -> Self {
        Self { max_body, open: None, finished: false }
    }

    /// The most bytes a record may have to fit a message. A record that is longer, complete or not, is
    /// answered with [`Added::NeverFits`].
    #[must_use]
    pub fn max_record(&self) -> u64 {
        self.max_body.saturating_sub(FRAME)
    }

    /// The end of the last record of the open message, if there is one.
    #[must_use]
    pub fn open_end(&self) -> Option<u64> {
        self.open.as_ref().map(|open| open.range.end)
    }

    /// Takes the next record. Records must come in order, none left out.
    pub fn add(&mut self, record: &Record) -> Added {
        if self.max_body < FRAME || record.range.end - record.range.start > self.max_record() {
            return Added::NeverFits(self.open.take());
        }
        match &mut self.open {
            Some(open) if open.has_room(record, self.max_body) => {
                open.push(record);
                Added::Fits
            }
            Some(open) => Added::Full(std::mem::replace(open, MessagePlan::of(record))),
            None => {
                self.open = Some(MessagePlan::of(record));
                Added::Fits
            }
        }
    }

    /// Completes the open message, if there is one. `closed` is what the cutter says of the blob's end:
    /// a blob that fits one message whole goes out as it is, to the last byte.
    ///
    /// To be called where the data ends. Called elsewhere it moves the later boundaries.
    pub fn finish(&mut self, closed: Option<Closed>) -> Option<MessagePlan> {
        let mut plan = self.open.take()?;
        // A blob that fits has all its records in the first message, which only an earlier call can have taken.
        let whole_blob =
            closed.filter(|closed| closed.plain && !self.finished && closed.end <= self.max_body);
        if let Some(closed) = whole_blob {
            plan.body = Body::Blob(closed.end);
        }
        self.finished = true;
        Some(plan)
    }
}

/// A message decided on, but not built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessagePlan {
    /// The bytes `[start, end)` of the blob from the first record's start to the last one's end.
    pub range: Range<u64>,
    /// How many records it carries; at least one.
    pub records: usize,
    body: Body,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Body {
    /// Slices of the blob, joined by commas inside our own frame; what separates records within
    /// a slice stays as it is. `length` is that of the whole body.
    Slices { slices: Vec<Range<u64>>, length: u64 },
    /// The blob itself, up to this offset.
    Blob(u64),
}

impl MessagePlan {
    fn of(record: &Record) -> Self {
        let length = FRAME.saturating_add(record.range.end - record.range.start);
        let body = Body::Slices { slices: vec![record.range.clone()], length };
        Self { range: record.range.clone(), records: 1, body }
    }

    /// How many bytes the body has.
    #[must_use]
    pub fn body_length(&self) -> u64 {
        match &self.body {
            Body::Slices { length, .. } => *length,
            Body::Blob(end) => *end,
        }
    }

    /// How many bytes the body would have with `record` added.
    fn body_length_with(&self, record: &Record) -> u64 {
        // A record that follows plainly brings the raw bytes before it along; any other gets a comma.
        let from = if record.follows_plainly { self.range.end } else { record.range.start.saturating_sub(1) };
        self.body_length().saturating_add(record.range.end.saturating_sub(from))
    }

    /// Whether `record` can join in a body of at most `max_body` bytes.
    fn has_room(&self, record: &Record, max_body: u64) -> bool {
        let sliced = match &self.body {
            Body::Slices { slices, .. } => record.follows_plainly || slices.len() < MAX_SLICES,
            Body::Blob(_) => false,
        };
        let near = record.range.start.saturating_sub(self.range.end) <= MAX_GAP;
        sliced && near && self.body_length_with(record) <= max_body
    }

    fn push(&mut self, record: &Record) {
        let grown = self.body_length_with(record);
        if let Body::Slices { slices, length } = &mut self.body {
            match slices.last_mut() {
                Some(last) if record.follows_plainly => last.end = record.range.end,
                _ => slices.push(record.range.clone()),
            }
            *length = grown;
        }
        self.range.end = record.range.end;
        self.records += 1;
    }

    /// Builds the message from the bytes that `cutter` holds. Small slices are copied into one piece; of
    /// others the body has views.
    ///
    /// # Errors
    /// When the cutter does not hold all of them any more.
    pub fn message(self, cutter: &Cutter) -> Result<Message, NotHeld> {
        let body = match self.body {
            Body::Blob(end) => cutter.slice(0..end)?,
            Body::Slices { slices, .. } => {
                let mut records = Rope::default();
                for slice in slices {
                    if !records.is_empty() {
                        records.push(Bytes::from_static(b","));
                    }
                    records.append(cutter.slice(slice)?);
                }
                framed(records)
            }
        };
        Ok(Message { body, range: self.range, records: self.records })
    }
}

/// What [`Batcher::add`] did with a message.
#[derive(Clone, Debug)]
pub enum Grouped {
    /// It joined the open batch.
    Fits,
    /// It had no room beside the messages before it. Here is their batch; the message opened the next one.
    Full(Batch),
    /// It has no room even alone, and is given back. The open batch stays open.
    NeverFits(Message),
}

/// Groups messages into batches. Where batches end leaves no trace in messages and ids.
#[derive(Clone, Debug)]
pub struct Batcher {
    limits: Limits,
    origin: Arc<Origin>,
    open: Vec<Message>,
    /// What the open batch costs, bytes.
    cost: usize,
}

impl Batcher {
    /// Groups messages of one origin within `limits`.
    #[must_use]
    pub fn new(limits: Limits, origin: Arc<Origin>) -> Self {
        Self { limits, origin, open: Vec::new(), cost: limits.envelope }
    }

    /// Takes the next message.
    pub fn add(&mut self, message: Message) -> Grouped {
        let cost = self.limits.message_overhead.saturating_add(message.body.len());
        if self.limits.envelope.saturating_add(cost) > self.limits.transfer {
            return Grouped::NeverFits(message);
        }
        let full = if self.cost.saturating_add(cost) > self.limits.transfer { self.finish() } else { None };
        self.cost += cost;
        self.open.push(message);
        full.map_or(Grouped::Fits, Grouped::Full)
    }

    /// Completes the open batch, if there is one. May be called at any time.
    pub fn finish(&mut self) -> Option<Batch> {
        self.cost = self.limits.envelope;
        let messages = std::mem::take(&mut self.open);
        (!messages.is_empty()).then(|| Batch { origin: Arc::clone(&self.origin), messages })
    }
}
