//! The contract of a quarantine: on the twin and on Azurite.

use crate::support::blobs::blob;
use crate::support::memory::MemoryQuarantine;
use crate::support::rig::Rig;
use bytes::Bytes;
use flowlog_forwarder::flow_log::rope::Rope;
use flowlog_forwarder::ports::quarantine::{ItemName, Note, Quarantine};
use serde_json::Value;

/// A quarantine that can be read back.
trait Kept {
    async fn kept(&self, item: &ItemName) -> Option<(Vec<u8>, Note)>;
}

async fn a_quarantine_keeps_pieces_as_one_item(quarantine: &impl Quarantine, shelf: &impl Kept) {
    let blob = blob(1);
    let item = ItemName::new(&blob, 0, &(12..40));
    let note = |end, reason: &str| Note {
        blob: blob.url(),
        etag: "0x8D".into(),
        range: 12..end,
        reason: reason.into(),
    };
    let piece = |text: &'static str| Rope::from(Bytes::from_static(text.as_bytes()));

    quarantine.stage(&item, 0, piece("left by a crash")).await.unwrap();
    assert_eq!(shelf.kept(&item).await, None, "an item shows only when it is finished");

    quarantine.stage(&item, 0, piece("one ")).await.unwrap();
    quarantine.stage(&item, 1, piece("two")).await.unwrap();
    quarantine.finish(&item, 2, &note(19, "first")).await.unwrap();
    assert_eq!(shelf.kept(&item).await, Some((b"one two".to_vec(), note(19, "first"))));

    quarantine.stage(&item, 0, piece("anew")).await.unwrap();
    quarantine.finish(&item, 1, &note(16, "again")).await.unwrap();
    assert_eq!(shelf.kept(&item).await, Some((b"anew".to_vec(), note(16, "again"))));

    let other = ItemName::new(&blob, 1, &(12..40));
    assert_eq!(shelf.kept(&other).await, None, "another generation is another item");
}

impl Kept for MemoryQuarantine {
    async fn kept(&self, item: &ItemName) -> Option<(Vec<u8>, Note)> {
        self.item(item).map(|(note, bytes)| (bytes, note))
    }
}

impl Kept for Rig {
    async fn kept(&self, item: &ItemName) -> Option<(Vec<u8>, Note)> {
        let bytes = self.host_blob("flowlog-quarantine", &format!("{}.bin", item.as_str())).await?;
        let note = self.host_blob("flowlog-quarantine", &format!("{}.json", item.as_str())).await?;
        let note: Value = serde_json::from_slice(&note).unwrap();
        let text = |name: &str| note[name].as_str().unwrap().to_owned();
        assert!(text("quarantined_at").starts_with("20"), "{note}");
        let range = note["start"].as_u64().unwrap()..note["end"].as_u64().unwrap();
        Some((bytes, Note { blob: text("blob"), etag: text("etag"), range, reason: text("reason") }))
    }
}

#[tokio::test]
async fn memory_keeps_pieces_as_one_item() {
    let quarantine = MemoryQuarantine::default();
    a_quarantine_keeps_pieces_as_one_item(&quarantine, &quarantine).await;
}

#[tokio::test]
async fn the_azure_quarantine_keeps_pieces_as_one_item() {
    let rig = Rig::start().await;
    a_quarantine_keeps_pieces_as_one_item(&rig.quarantine(), &rig).await;
}
