//! The contract of a checkpoint store: on the twin and on Azurite.

use crate::support::blobs::blob;
use crate::support::memory::MemoryTable;
use crate::support::rig::Rig;
use flowlog_forwarder::checkpoint::{
    BlobVersion, Bounds, Broken, Checkpoint, Claim, InFlightRange, Progress,
};
use flowlog_forwarder::flow_log::fingerprint::Fingerprint;
use flowlog_forwarder::ports::checkpoints::{CheckpointStore, RowVersion, StoreError};

fn full(blob: &str) -> Checkpoint {
    Checkpoint {
        progress: Progress {
            offset: 1 << 40,
            fingerprint: Some(Fingerprint::over(b"bytes")),
            etag: Some("0x8DD6E5A1B2C3D4E".into()),
            length: (1 << 40) + 2,
            generation: 4,
            broken: Some(Broken {
                at: 30,
                quarantined_to: 60,
                since: 1_800_000_000_000,
                unfinished: true,
                partial: true,
                resume_at: Some(55),
            }),
            skipped_bytes: 12,
        },
        in_flight: Some(InFlightRange {
            until: 77,
            bounds: Some(Bounds { max_body: 1_000_000, by_nic: false, layout: 1 }),
        }),
        claim: Some(Claim { owner: "worker-1".into(), until: 1_900_000_000_000 }),
        wanted: Some(BlobVersion { etag: "0x9".into(), length: 3 }),
        ..Checkpoint::new(blob.into())
    }
}

fn is_conflict(result: &Result<RowVersion, StoreError>) -> bool {
    matches!(result, Err(StoreError::Conflict { .. }))
}

async fn a_store_swaps_only_an_unchanged_row(store: &impl CheckpointStore) {
    let key = blob(1).checkpoint_key();
    let other = blob(2).checkpoint_key();
    assert_eq!(store.load(&key).await.unwrap(), None, "no row, or no table");

    let new = Checkpoint::new(blob(1).to_string());
    let first = store.swap(&key, &new, None).await.unwrap();
    assert!(is_conflict(&store.swap(&key, &new, None).await), "a second insert");
    assert_eq!(store.load(&key).await.unwrap(), Some((new.clone(), first.clone())));

    let row = full(&new.blob);
    let second = store.swap(&key, &row, Some(&first)).await.unwrap();
    assert_ne!(first, second);
    assert_eq!(store.load(&key).await.unwrap(), Some((row.clone(), second.clone())), "every field survives");
    assert!(is_conflict(&store.swap(&key, &new, Some(&first)).await), "a stale version");
    assert_eq!(store.load(&key).await.unwrap().unwrap().0, row, "a refused swap changes nothing");

    let third = store.swap(&key, &new, Some(&second)).await.unwrap();
    assert_eq!(store.load(&key).await.unwrap(), Some((new.clone(), third)), "omitted fields are removed");

    assert!(is_conflict(&store.swap(&other, &new, Some(&second)).await), "replacing a missing row");
    assert_eq!(store.load(&other).await.unwrap(), None);
}

/// Many writers add one to the offset each: no addition is lost.
async fn a_store_loses_no_update_to_a_race(store: &(impl CheckpointStore + Clone + 'static)) {
    let key = blob(3).checkpoint_key();
    let writers = (0..8).map(|_| {
        let (store, key) = (store.clone(), key.clone());
        tokio::spawn(async move {
            loop {
                let stored = store.load(&key).await.unwrap();
                let mut row = stored.as_ref().map_or_else(Checkpoint::default, |(row, _)| row.clone());
                row.progress.offset += 1;
                match store.swap(&key, &row, stored.as_ref().map(|(_, version)| version)).await {
                    Ok(_) => break,
                    Err(StoreError::Conflict { .. }) => {}
                    Err(error) => panic!("{error}"),
                }
            }
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.unwrap();
    }
    assert_eq!(store.load(&key).await.unwrap().unwrap().0.progress.offset, 8);
}

#[tokio::test]
async fn memory_swaps_only_an_unchanged_row() {
    a_store_swaps_only_an_unchanged_row(&MemoryTable::default()).await;
}

#[tokio::test]
async fn memory_loses_no_update_to_a_race() {
    a_store_loses_no_update_to_a_race(&MemoryTable::default()).await;
}

#[tokio::test]
async fn the_azure_table_swaps_only_an_unchanged_row() {
    let rig = Rig::start().await;
    a_store_swaps_only_an_unchanged_row(&rig.table()).await;
}

#[tokio::test]
async fn the_azure_table_loses_no_update_to_a_race() {
    let rig = Rig::start().await;
    a_store_loses_no_update_to_a_race(&rig.table()).await;
}
