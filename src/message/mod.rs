//! Messages and batches: the records as they are sent to the hub.

pub mod batch;
pub mod split;

use crate::flow_log::rope::Rope;
use bytes::Bytes;
use std::ops::Range;
use std::sync::Arc;

/// Where the messages of a batch come from, written into their application properties.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The blob's URL, without a query.
    pub source: String,
    /// The `ETag` of the blob version that was read, without quotes.
    pub etag: String,
    /// The partition key, when the messages of one network interface must keep their order.
    pub partition_key: Option<String>,
    /// The first part of each `message-id`, `{id_prefix}-{start}-{end}`: names the blob and how often it was
    /// rewritten.
    pub id_prefix: String,
}

/// One Event Hubs event: a valid `{"records":[…]}` body.
#[derive(Clone, Debug)]
pub struct Message {
    /// The body. Record bytes are views of the read buffers.
    pub body: Rope,
    /// The blob range `[start, end)` that the body covers.
    pub range: Range<u64>,
    /// How many records end in the body: a split record counts once, in its last part.
    pub records: usize,
}

/// Messages that are sent in one transfer, and accepted or rejected together.
#[derive(Clone, Debug)]
pub struct Batch {
    /// The same for all messages.
    pub origin: Arc<Origin>,
    /// At least one, in blob order.
    pub messages: Vec<Message>,
}

impl Batch {
    /// The blob range `[start, end)` that the batch covers.
    #[must_use]
    pub fn range(&self) -> Range<u64> {
        let start = self.messages.first().map_or(0, |message| message.range.start);
        let end = self.messages.last().map_or(start, |message| message.range.end);
        start..end
    }
}

/// The size limits of one transfer, in bytes as encoded on the wire.
///
/// A batch takes `envelope + Σ (message_overhead + body length)` bytes, and may take `transfer`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The link's `max-message-size`.
    pub transfer: usize,
    /// The size of a batch without messages.
    pub envelope: usize,
    /// The size of a message without its body: an upper bound, computed for the largest offsets, so that it is
    /// the same for every version of a blob.
    pub message_overhead: usize,
}

/// Which messages share an Event Hubs partition key, and so keep their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PartitionKey {
    /// None: the hub distributes messages over all partitions, which is fastest.
    None,
    /// One key per network interface.
    Nic,
}

const BODY_PREFIX: &[u8] = b"{\"records\":[";
const BODY_SUFFIX: &[u8] = b"]}";
/// The size of a body without records, bytes.
pub(crate) const BODY_OVERHEAD: u64 = (BODY_PREFIX.len() + BODY_SUFFIX.len()) as u64;

/// A body with these `records`, which are separated by commas already.
pub(crate) fn wrap_records(records: Rope) -> Rope {
    let mut body = Rope::from(Bytes::from_static(BODY_PREFIX));
    body.append(records);
    body.push(Bytes::from_static(BODY_SUFFIX));
    body
}

/// The largest body that a message may have when it is alone in its batch, bytes.
///
/// `max_message` limits message overhead and body together, bytes.
#[must_use]
pub fn max_body(limits: Limits, max_message: Option<usize>) -> u64 {
    let transfer = limits.transfer.saturating_sub(limits.envelope);
    max_message.unwrap_or(usize::MAX).min(transfer).saturating_sub(limits.message_overhead) as u64
}
