//! A large blob is forwarded by several events, in bounded memory.

use crate::support::judge::show;
use crate::support::process::Answer;
use crate::support::records::record;
use crate::support::scene::Scene;
use bytes::Bytes;
use flowlog_forwarder::ports::checkpoints::CheckpointStore as _;
use serde_json::json;

/// The number of blocks of the blob, each of about 50 MB.
const BLOCKS: usize = 10;
const RECORDS_IN_BLOCK: usize = 17_000;
/// The most memory, bytes: a small part of the blob.
const MOST_MEMORY: u64 = 150 << 20;

#[tokio::test(flavor = "multi_thread")]
async fn half_a_gigabyte_is_forwarded_in_time_and_in_bounded_memory() {
    let scene = Scene::own(&[]).await;
    scene.rig.set_hub(json!({"discard": true})).await;
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

    // With 8 MB in flight, the hub accepts 16 MB a second: half a minute of work.
    scene.rig.hub_fault(json!({"action": "delay", "ms": 500, "count": 1_000_000})).await;
    let handler = scene.handler().await;
    let data = json!({"api": "PutBlockList", "url": blob.url(), "eTag": etag, "contentLength": length});
    let event = json!({"eventType": "Microsoft.Storage.BlobCreated", "id": "large", "data": data});
    let (table, key) = (scene.rig.table(), blob.checkpoint_key());
    let mut deliveries = 0;
    while table.load(&key).await.unwrap().is_none_or(|(row, _)| !row.covers(&etag)) {
        assert!(deliveries < 8, "no progress\n{}", handler.last_lines());
        assert_eq!(handler.deliver(&event).await, Answer::Done, "{}", handler.last_lines());
        deliveries += 1;
    }
    assert!(deliveries > 1, "one event was enough");
    let stats = scene.rig.hub_stats().await;
    let expected = (RECORDS_IN_BLOCK * BLOCKS) as u64;
    assert_eq!(handler.forwarded(), (expected, stats["events"].as_u64().unwrap()));
    assert!(stats["bytes"].as_u64().unwrap() > length as u64, "{stats}");
    let peak = handler.peak_memory().unwrap();
    let figures =
        format!("{length} bytes in {deliveries} deliveries, with at most {} MB of memory", peak >> 20);
    assert!(peak < MOST_MEMORY, "{figures}");
    show(&figures);
}
