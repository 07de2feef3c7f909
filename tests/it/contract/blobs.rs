//! The contract of a blob reader: on the twin and on Azurite.

use crate::support::blobs::blob;
use crate::support::memory::MemoryBlobs;
use crate::support::rig::Rig;
use bytes::Bytes;
use flowlog_forwarder::flow_log::FlowLogBlob;
use flowlog_forwarder::ports::blobs::{BlobReader, Condition, ReadError};

/// Storage that accepts commits.
pub trait Commits {
    async fn commit(&self, blob: &FlowLogBlob, content: &[u8]) -> String;
    /// The same in blocks.
    async fn commit_blocks(&self, blob: &FlowLogBlob, blocks: &[&'static [u8]]) -> String;
    async fn delete(&self, blob: &FlowLogBlob);
}

async fn a_source_reads_ranges_of_one_version(
    source: &impl BlobReader,
    commits: &impl Commits,
    blob: &FlowLogBlob,
) {
    assert_eq!(source.read(blob, 0..10, Condition::None).await.unwrap_err(), ReadError::NotFound);

    let first = commits.commit(blob, b"{\"records\":[]}").await;
    let chunk = source.read(blob, 0..4096, Condition::None).await.unwrap();
    assert_eq!(chunk.bytes.to_bytes(), &b"{\"records\":[]}"[..]);
    assert_eq!((chunk.blob_length, chunk.etag.as_str()), (14, first.as_str()));

    let middle = source.read(blob, 2..9, Condition::IfMatch(&first)).await.unwrap();
    assert_eq!(middle.bytes.to_bytes(), &b"records"[..]);
    assert_eq!(middle.blob_length, 14, "the length is the blob's, not the range's");

    assert_eq!(
        source.read(blob, 0..4, Condition::IfNoneMatch(&first)).await.unwrap_err(),
        ReadError::Unchanged
    );
    assert_eq!(source.read(blob, 14..20, Condition::None).await.unwrap_err(), ReadError::PastEnd);
    assert_eq!(source.read(blob, 99..120, Condition::None).await.unwrap_err(), ReadError::PastEnd);

    let second = commits.commit(blob, b"{\"records\":[{}]}").await;
    assert_ne!(first, second);
    assert_eq!(source.read(blob, 0..4, Condition::IfMatch(&first)).await.unwrap_err(), ReadError::Changed);
    let newer = source.read(blob, 12..99, Condition::IfNoneMatch(&first)).await.unwrap();
    assert_eq!((newer.bytes.to_bytes().as_ref(), newer.etag), (&b"{}]}"[..], second));

    commits.commit(blob, b"").await;
    let empty = source.read(blob, 0..10, Condition::None).await.unwrap();
    assert_eq!((empty.bytes.len(), empty.blob_length), (0, 0));

    commits.delete(blob).await;
    assert_eq!(
        source.read(blob, 0..10, Condition::IfNoneMatch("0x1")).await.unwrap_err(),
        ReadError::NotFound
    );
}

async fn a_source_lists_where_blocks_begin(
    source: &impl BlobReader,
    commits: &impl Commits,
    blob: &FlowLogBlob,
) {
    assert_eq!(source.blocks(blob, "0x1").await.unwrap_err(), ReadError::NotFound);
    let first = commits.commit_blocks(blob, &[b"{\"records\":[", b"{}", b",{},{}", b"]}"]).await;
    assert_eq!(source.blocks(blob, &first).await.unwrap(), [0, 12, 14, 20]);
    let second = commits.commit_blocks(blob, &[b"{\"records\":["]).await;
    assert_eq!(source.blocks(blob, &first).await.unwrap_err(), ReadError::Changed);
    assert_eq!(source.blocks(blob, &second).await.unwrap(), [0]);
    let whole = commits.commit(blob, b"{\"records\":[]}").await;
    assert_eq!(source.blocks(blob, &whole).await.unwrap(), [0_u64; 0]);
}

impl Commits for MemoryBlobs {
    async fn commit_blocks(&self, blob: &FlowLogBlob, blocks: &[&'static [u8]]) -> String {
        Self::commit_blocks(self, blob, blocks)
    }
    async fn commit(&self, blob: &FlowLogBlob, content: &[u8]) -> String {
        Self::commit(self, blob, content.to_vec())
    }
    async fn delete(&self, blob: &FlowLogBlob) {
        Self::delete(self, blob);
    }
}

impl Commits for Rig {
    async fn commit_blocks(&self, blob: &FlowLogBlob, blocks: &[&'static [u8]]) -> String {
        self.put_blocks(blob, blocks.iter().map(|block| Bytes::from_static(block))).await
    }
    async fn commit(&self, blob: &FlowLogBlob, content: &[u8]) -> String {
        self.put_blob(blob, content).await
    }
    async fn delete(&self, blob: &FlowLogBlob) {
        self.delete_blob(blob).await;
    }
}

#[tokio::test]
async fn memory_reads_ranges_of_one_version() {
    let blobs = MemoryBlobs::default();
    a_source_reads_ranges_of_one_version(&blobs, &blobs, &blob(1)).await;
}

#[tokio::test]
async fn azure_storage_reads_ranges_of_one_version() {
    let rig = Rig::start().await;
    let blob = rig.blob(1);
    a_source_reads_ranges_of_one_version(&rig.blobs(), &rig, &blob).await;
}

#[tokio::test]
async fn memory_lists_where_blocks_begin() {
    let blobs = MemoryBlobs::default();
    a_source_lists_where_blocks_begin(&blobs, &blobs, &blob(2)).await;
}

#[tokio::test]
async fn azure_storage_lists_where_blocks_begin() {
    let rig = Rig::start().await;
    let blob = rig.blob(2);
    a_source_lists_where_blocks_begin(&rig.blobs(), &rig, &blob).await;
}
