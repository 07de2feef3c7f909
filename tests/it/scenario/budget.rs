//! A delta too large for one event is carried on from its checkpoint, in flat memory, and every answer
//! comes in time.

use crate::support::judge::{Verdict, judge, show};
use crate::support::memory::{MemoryBlobs, MemoryQuarantine, MemoryTable};
use crate::support::memory_hub::MemoryHub;
use crate::support::process::{Answer, Scene};
use crate::support::samples::{blob, content, record};
use crate::support::world::{Twins, records};
use bytes::Bytes;
use flowlog_forwarder::checkpoint::BlobVersion;
use flowlog_forwarder::clock::Clock;
use flowlog_forwarder::flow_log::FlowLogBlob;
use flowlog_forwarder::forward::lease_store::LeaseStore;
use flowlog_forwarder::forward::{Completion, Forwarder, ForwarderOptions};
use flowlog_forwarder::ports::blobs::{BlobReader, Chunk, Condition, ReadError};
use flowlog_forwarder::ports::checkpoints::CheckpointStore as _;
use serde_json::json;
use std::num::NonZeroUsize;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Storage that takes its time.
struct Slow(MemoryBlobs);

impl BlobReader for Slow {
    async fn read(
        &self,
        blob: &FlowLogBlob,
        range: Range<u64>,
        version: Condition<'_>,
    ) -> Result<Chunk, ReadError> {
        tokio::time::sleep(Duration::from_millis(15)).await;
        self.0.read(blob, range, version).await
    }

    async fn blocks(&self, blob: &FlowLogBlob, etag: &str) -> Result<Vec<u64>, ReadError> {
        self.0.blocks(blob, etag).await
    }
}

#[tokio::test]
async fn a_delta_too_large_for_one_event_is_carried_on_from_its_checkpoint() {
    let (blobs, table, hub) =
        (MemoryBlobs::default(), MemoryTable::default(), Arc::new(MemoryHub::with_limit(8_000)));
    let (count, blob) = (1_000, blob(1));
    let options = ForwarderOptions {
        budget: Duration::from_millis(400),
        window: 2_000,
        max_message_bytes: NonZeroUsize::new(2_500),
        ..ForwarderOptions::default()
    };
    let whole = content(&records(count));
    let length = whole.len() as u64;
    let commit = BlobVersion { etag: blobs.commit(&blob, whole), length };
    let mut left_over = 0;
    for event in 0.. {
        assert!(event < 100, "it does not get on");
        // Another process each time: all that is known is in the row.
        let leases = LeaseStore::new(table.clone(), format!("process-{event}"), Clock::system());
        let source = Arc::new(Slow(blobs.clone()));
        let quarantine = MemoryQuarantine::default();
        let process = Forwarder::<Twins<_, _, _, _>>::new(
            source,
            leases,
            Arc::clone(&hub),
            quarantine,
            options.clone(),
        );
        match process.forward(&blob, &commit, Instant::now()).await.unwrap().completion {
            Completion::LeftOver => left_over += 1,
            Completion::Complete => break,
            other => panic!("{other:?}"),
        }
        let row = table.row(&blob.checkpoint_key()).unwrap();
        assert_eq!((row.claim, row.in_flight, row.progress.etag), (None, None, None), "anybody may go on");
    }
    assert!(left_over >= 2, "{left_over}");
    let clean = Verdict { records: count as usize, ..Verdict::default() };
    assert_eq!(judge(&records(count), &hub.received()), clean);
}

/// How many blocks the large blob has, of about 50 MB each.
const BLOCKS: usize = 10;
const RECORDS_IN_BLOCK: usize = 17_000;
/// A small part of the blob.
const MOST_MEMORY: u64 = 150 << 20;

#[tokio::test(flavor = "multi_thread")]
async fn half_a_gigabyte_at_once_is_forwarded_in_time_and_in_flat_memory() {
    let scene = Scene::own(&[]).await;
    scene.set(json!({"discard": true})).await;
    let blob = scene.rig.blob(1);
    let records: Vec<String> = (0..100).map(|number| record(number, 50)).collect();
    let block: Vec<&str> =
        (0..RECORDS_IN_BLOCK).map(|number| records[number % records.len()].as_str()).collect();
    let block = Bytes::from(block.join(","));
    let (comma, length) = (Bytes::from_static(b","), 12 + 2 + (block.len() + 1) * BLOCKS - 1);
    assert!(length > 500_000_000, "{length}");
    let mut blocks = vec![Bytes::from_static(b"{\"records\":["), block.clone()];
    blocks.extend((1..BLOCKS).flat_map(|_| [comma.clone(), block.clone()]));
    blocks.push(Bytes::from_static(b"]}"));
    let etag = scene.rig.put_blocks(&blob, blocks).await;

    // With 8 MB on their way at once, the hub takes 16 MB a second: half a minute's work.
    scene.hub_fault(json!({"action": "delay", "ms": 500, "count": 1_000_000})).await;
    let handler = scene.handler().await;
    let data = json!({"api": "PutBlockList", "url": blob.url(), "eTag": etag, "contentLength": length});
    let event = json!({"eventType": "Microsoft.Storage.BlobCreated", "id": "large", "data": data});
    let (table, key) = (scene.rig.table(), blob.checkpoint_key());
    let mut deliveries = 0;
    while table.load(&key).await.unwrap().is_none_or(|(row, _)| !row.covers(&etag)) {
        assert!(deliveries < 8, "it does not get on\n{}", handler.last_lines());
        assert_eq!(handler.deliver(&event).await, Answer::Done, "{}", handler.last_lines());
        deliveries += 1;
    }
    assert!(deliveries > 1, "one event's time was enough");
    let stats = scene.stats().await;
    let expected = (RECORDS_IN_BLOCK * BLOCKS) as u64;
    assert_eq!(handler.forwarded(), (expected, stats["events"].as_u64().unwrap()));
    assert!(stats["bytes"].as_u64().unwrap() > length as u64, "{stats}");
    let peak = handler.peak_memory();
    let figures =
        format!("{length} bytes in {deliveries} deliveries, with at most {} MB of memory", peak >> 20);
    assert!(peak < MOST_MEMORY, "{figures}");
    show(&figures);
}
