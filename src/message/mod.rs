//! Messages and batches: what is sent to the hub.

pub mod batch;
pub mod split;

use crate::flow_log::rope::Rope;
use bytes::Bytes;
use std::ops::Range;
use std::sync::Arc;

/// Where a batch comes from: the same for all its messages, written into their application properties.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The blob's URL, without any query.
    pub source: String,
    /// The `ETag` of the blob version that was read, without quotes.
    pub etag: String,
    /// The partition key, when messages of one NIC must keep their order.
    pub partition_key: Option<String>,
    /// First part of every `message-id`: names the blob and how often it was rewritten,
    /// so that `message-id` is `{id_prefix}-{start}-{end}`.
    pub id_prefix: String,
}

/// One Event Hubs event: a valid `{"records":[…]}` body.
#[derive(Clone, Debug)]
pub struct Message {
    /// The body; record bytes are views of what was read.
    pub body: Rope,
    /// The bytes `[start, end)` of the blob whose records the body carries.
    pub range: Range<u64>,
    /// How many of the blob's records end in the body: the parts of a split record count once.
    pub records: usize,
}

/// What goes to the hub in one transfer and is accepted or refused as one.
#[derive(Clone, Debug)]
pub struct Batch {
    /// Shared by all messages.
    pub origin: Arc<Origin>,
    /// At least one, in blob order.
    pub messages: Vec<Message>,
}

impl Batch {
    /// The bytes `[start, end)` of the blob that the batch covers.
    #[must_use]
    pub fn range(&self) -> Range<u64> {
        let start = self.messages.first().map_or(0, |message| message.range.start);
        let end = self.messages.last().map_or(start, |message| message.range.end);
        start..end
    }
}

/// How much fits one transfer, in bytes as encoded on the wire.
///
/// A batch costs `envelope + Σ (message_overhead + body length)`; it fits when that is at most `transfer`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The link's `max-message-size`.
    pub transfer: usize,
    /// What a batch costs before its first message.
    pub envelope: usize,
    /// What each message costs beyond its body: exact for the largest offsets, so never too little,
    /// and the same for every version of a blob.
    pub message_overhead: usize,
}

/// Which messages share an Event Hubs partition key, and so keep their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PartitionKey {
    /// None: the hub spreads messages over its partitions, which is fastest.
    None,
    /// One key per network interface.
    Nic,
}

/// What stands before the records of a message.
const OPENER: &[u8] = b"{\"records\":[";
/// What stands behind them.
const CLOSER: &[u8] = b"]}";
/// How many bytes of a message's body are not records or what separates them.
pub(crate) const FRAME: u64 = (OPENER.len() + CLOSER.len()) as u64;

/// The message body around `records`.
pub(crate) fn framed(records: Rope) -> Rope {
    let mut body = Rope::from(Bytes::from_static(OPENER));
    body.append(records);
    body.push(Bytes::from_static(CLOSER));
    body
}

/// The most bytes that one message's body may have when it is alone in its batch.
///
/// `max_message` bounds message overhead and body together, in bytes.
#[must_use]
pub fn max_body(limits: Limits, max_message: Option<usize>) -> u64 {
    let transfer = limits.transfer.saturating_sub(limits.envelope);
    max_message.unwrap_or(usize::MAX).min(transfer).saturating_sub(limits.message_overhead) as u64
}
