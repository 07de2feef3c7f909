//! Encodes batches for Event Hubs, and computes their sizes before encoding.
//!
//! A batch is one AMQP transfer of message format `0x80013700`. Its payload is an envelope (only the partition
//! key, when there is one) and one data section for each message. Each data section holds a complete encoded
//! AMQP message:
//!
//! | section | content |
//! |---|---|
//! | message-annotations | `x-opt-partition-key`, when keyed |
//! | properties | `message-id`, `content-type` = `application/json` |
//! | application-properties | `source`, `offset-start`, `offset-end` (ulong), `etag` |
//! | data | the body |
//!
//! Lists, maps and binaries always use the 32-bit encodings of AMQP 1.0 part 1, and offsets eight bytes, so
//! that sizes depend on the lengths of the strings alone.

use super::amqp_writer::AmqpWriter;
use crate::message::{Batch, Limits, Message, Origin};
use fe2o3_amqp::link::delivery::Sendable;
use fe2o3_amqp::types::messaging;
use fe2o3_amqp::types::primitives::Value;

/// The message format of a batch.
/// (`AmqpBatchedMessageFormat` in Microsoft's .NET client.)
const BATCH_FORMAT: u32 = 0x8001_3700;
const PARTITION_KEY: &str = "x-opt-partition-key";
const CONTENT_TYPE: &str = "application/json";

/// Descriptor of a section: `0x00`, a small ulong, the section's code.
const DESCRIPTOR: usize = 3;
/// Constructor and 32-bit length of a binary.
const BINARY: usize = 5;
/// Constructor, 32-bit size and 32-bit count of a list or a map.
const COMPOUND: usize = 9;
/// Constructor and eight bytes.
const ULONG: usize = 9;
/// Unset properties between `message-id` and `content-type`.
const UNSET_PROPERTIES: usize = 5;
/// The data section around a message in a batch.
const DATA_SECTION: usize = DESCRIPTOR + BINARY;
/// Shorter `ETag`s count as this long: then all versions of a blob cost the same, and its messages end at the same
/// offsets whichever version was read. Storage's `ETag`s have 17 to 19 characters.
const MIN_ETAG_LENGTH: usize = 32;
/// Decimal digits of the largest offset.
const OFFSET_DIGITS: usize = 20;

/// An encoded batch, which can be sent any number of times.
pub(crate) enum Payload {
    /// A single message: `fe2o3-amqp` copies a list of one once more.
    One(Sendable<messaging::Data>),
    Many(Sendable<messaging::Batch<messaging::Data>>),
}

/// The limits for messages of `origin` on a link that accepts transfers of `transfer` bytes.
pub(crate) fn limits(origin: &Origin, transfer: usize) -> Limits {
    let longest_id = origin.id_prefix.len() + 2 * (1 + OFFSET_DIGITS);
    Limits {
        transfer,
        envelope: envelope(origin),
        message_overhead: DATA_SECTION
            + sections(origin, longest_id)
            + MIN_ETAG_LENGTH.saturating_sub(origin.etag.len()),
    }
}

/// The size of the encoded batch, bytes.
pub(crate) fn size(batch: &Batch) -> usize {
    let messages = batch.messages.iter();
    envelope(&batch.origin)
        + messages.map(|message| DATA_SECTION + message_size(&batch.origin, message)).sum::<usize>()
}

/// Encodes a batch; copies the bodies once.
pub(crate) fn encode(batch: &Batch) -> Payload {
    let origin = &batch.origin;
    let mut data =
        batch.messages.iter().map(|message| messaging::Data::from(encode_message(origin, message)));
    let builder = messaging::Message::builder().message_annotations(envelope_annotations(origin));
    let sendable = Sendable::builder().message_format(BATCH_FORMAT).settled(false);
    match (data.next(), data.len()) {
        (Some(only), 0) => Payload::One(sendable.message(builder.body(only).build()).build()),
        (first, _) => {
            let all = messaging::Batch::new(first.into_iter().chain(data).collect::<Vec<_>>());
            Payload::Many(sendable.message(builder.body(all).build()).build())
        }
    }
}

fn envelope_annotations(origin: &Origin) -> Option<messaging::MessageAnnotations> {
    let key = origin.partition_key.as_ref()?;
    let builder = messaging::MessageAnnotations::builder();
    Some(builder.insert(PARTITION_KEY, Value::String(key.clone())).build())
}

/// The envelope's size, bytes. `fe2o3-amqp` encodes it, and uses the short form up to 254 bytes.
fn envelope(origin: &Origin) -> usize {
    origin.partition_key.as_ref().map_or(0, |key| {
        let entry = 2 + PARTITION_KEY.len() + key.len() + if key.len() < 255 { 2 } else { 5 };
        DESCRIPTOR + entry + if entry < 255 { 3 } else { COMPOUND }
    })
}

/// The size of a message without the bytes of its body.
fn sections(origin: &Origin, id_length: usize) -> usize {
    let annotations = origin
        .partition_key
        .as_ref()
        .map_or(0, |key| DESCRIPTOR + COMPOUND + text_size(PARTITION_KEY.len()) + text_size(key.len()));
    let properties =
        DESCRIPTOR + COMPOUND + text_size(id_length) + UNSET_PROPERTIES + text_size(CONTENT_TYPE.len());
    let names = ["source", "offset-start", "offset-end", "etag"];
    let application_properties = DESCRIPTOR
        + COMPOUND
        + names.map(|name| text_size(name.len())).iter().sum::<usize>()
        + text_size(origin.source.len())
        + 2 * ULONG
        + text_size(origin.etag.len());
    annotations + properties + application_properties + DESCRIPTOR + BINARY
}

/// The size of a string or symbol: constructor, length in one byte or four, and the bytes.
fn text_size(length: usize) -> usize {
    length + if length <= 255 { 2 } else { 5 }
}

fn message_id(origin: &Origin, message: &Message) -> String {
    format!("{}-{}-{}", origin.id_prefix, message.range.start, message.range.end)
}

fn message_size(origin: &Origin, message: &Message) -> usize {
    let digits = |offset: u64| offset.checked_ilog10().unwrap_or(0) as usize + 1;
    let id = origin.id_prefix.len() + 2 + digits(message.range.start) + digits(message.range.end);
    sections(origin, id) + message.body.len()
}

fn encode_message(origin: &Origin, message: &Message) -> Vec<u8> {
    let mut out = AmqpWriter::with_capacity(message_size(origin, message));
    if let Some(key) = &origin.partition_key {
        out.section(0x72);
        out.map(2, |out| {
            out.symbol(PARTITION_KEY);
            out.string(key);
        });
    }
    out.section(0x73);
    out.list(7, |out| {
        out.string(&message_id(origin, message));
        out.nulls(UNSET_PROPERTIES);
        out.symbol(CONTENT_TYPE);
    });
    out.section(0x74);
    out.map(8, |out| {
        out.string("source");
        out.string(&origin.source);
        out.string("offset-start");
        out.ulong(message.range.start);
        out.string("offset-end");
        out.ulong(message.range.end);
        out.string("etag");
        out.string(&origin.etag);
    });
    out.section(0x75);
    out.binary(&message.body);
    out.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::MIN_MESSAGE_BYTES;
    use crate::flow_log::FlowLogBlob;
    use bytes::Bytes;
    use proptest::prelude::*;
    use std::sync::Arc;
    use url::Url;

    fn origin(source: usize, etag: usize, key: Option<usize>, prefix: usize) -> Origin {
        Origin {
            source: "s".repeat(source),
            etag: "e".repeat(etag),
            partition_key: key.map(|length| "k".repeat(length)),
            id_prefix: "p".repeat(prefix),
        }
    }

    fn message(body: &[&[u8]], range: std::ops::Range<u64>) -> Message {
        Message { body: body.iter().map(|piece| Bytes::copy_from_slice(piece)).collect(), range, records: 1 }
    }

    #[test]
    fn a_message_is_encoded_as_specified() {
        let origin = Origin {
            source: "https://a/b".into(),
            etag: "0x1".into(),
            partition_key: Some("nic".into()),
            id_prefix: "id".into(),
        };
        let encoded = encode_message(&origin, &message(&[b"{\"a\"", b":1}"], 12..345));
        let mut expected =
            b"\x00\x53\x72\xd1\x00\x00\x00\x1e\x00\x00\x00\x02\xa3\x13x-opt-partition-key\xa1\x03nic"
                .to_vec();
        expected.extend(b"\x00\x53\x73\xd0\x00\x00\x00\x26\x00\x00\x00\x07\xa1\x09id-12-345\x40\x40\x40\x40\x40\xa3\x10application/json");
        expected.extend(b"\x00\x53\x74\xd1\x00\x00\x00\x50\x00\x00\x00\x08\xa1\x06source\xa1\x0bhttps://a/b");
        expected.extend(b"\xa1\x0coffset-start\x80\x00\x00\x00\x00\x00\x00\x00\x0c");
        expected.extend(b"\xa1\x0aoffset-end\x80\x00\x00\x00\x00\x00\x00\x01\x59\xa1\x04etag\xa1\x030x1");
        expected.extend(b"\x00\x53\x75\xb0\x00\x00\x00\x07{\"a\":1}");
        assert_eq!(encoded, expected);
    }

    proptest! {
        #[test]
        fn the_computed_size_is_that_of_the_encoded_message(
            source in 0usize..600, etag in 0usize..40, key in proptest::option::of(0usize..300),
            prefix in 0usize..300, start: u64, length: u64, body in proptest::collection::vec(any::<u8>(), 0..900),
        ) {
            let origin = origin(source, etag, key, prefix);
            let message = message(&[&body], start..start.saturating_add(length));
            let encoded = encode_message(&origin, &message);
            prop_assert_eq!(encoded.len(), message_size(&origin, &message));
            prop_assert_eq!(encoded.capacity(), encoded.len());
            let overhead = limits(&origin, 0).message_overhead;
            prop_assert!(DATA_SECTION + encoded.len() <= overhead + body.len());
        }
    }

    #[test]
    fn the_longest_names_fit_the_least_message() {
        // Azure's longest names: an account of 24 characters, a resource group of 90 (three bytes each in a URL), a
        // network security group of 80.
        let name = format!(
            "resourceId=/SUBSCRIPTIONS/{}/RESOURCEGROUPS/{}/PROVIDERS/MICROSOFT.NETWORK/NETWORKSECURITYGROUPS/{}/\
             y=2026/m=11/d=22/h=09/m=00/macAddress=6045BD000001/PT1H.json",
            "A".repeat(36),
            "(".repeat(90),
            "N".repeat(80)
        );
        let account = Url::parse(&format!("https://{}.blob.core.windows.net", "a".repeat(24))).unwrap();
        let blob = FlowLogBlob::new(&account, &"c".repeat(63), &name).unwrap();
        let origin = Origin {
            source: blob.url(),
            etag: "0x8DEAF1B2C3D4E5F".to_owned(),
            partition_key: Some(blob.mac().to_owned()),
            id_prefix: blob.id_prefix(u32::MAX),
        };
        let limits = limits(&origin, MIN_MESSAGE_BYTES);
        let framed = br#"{"records":[]}"#.len() + 700;
        assert!(limits.envelope + limits.message_overhead + framed <= limits.transfer, "{limits:?}");
        assert!(limits.envelope + limits.message_overhead <= 1_300, "as the setting is documented");
    }

    #[test]
    fn the_overhead_is_exact_for_the_largest_offsets() {
        for (key, prefix) in [(None, 40), (Some(3), 40), (Some(300), 300), (Some(255), 213), (Some(254), 214)]
        {
            let shorter = limits(&origin(500, 7, key, prefix), 0);
            let origin = Arc::new(origin(500, MIN_ETAG_LENGTH, key, prefix));
            let limits = limits(&origin, 0);
            assert_eq!(limits, shorter, "the same for every version");
            let largest = message(&[b"{}"], u64::MAX - 1..u64::MAX);
            let batch = Batch { origin, messages: vec![largest.clone(), largest] };
            assert_eq!(size(&batch), limits.envelope + 2 * (limits.message_overhead + 2));
        }
    }
}
