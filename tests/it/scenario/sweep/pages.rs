//! Names and rows are compared page by page, and what is behind waits in a bounded queue.

use super::{NINE, sweep};
use crate::support::memory::{MemoryBlobs, MemoryTable};
use crate::support::samples::{blob_in, container, content, record};
use crate::support::world::{Twins, World};
use flowlog_forwarder::checkpoint::Checkpoint;
use flowlog_forwarder::flow_log::{CheckpointKey, Container, FlowLogBlob};
use flowlog_forwarder::forward::lease_store::LeaseStore;
use flowlog_forwarder::forward::{self, Forwarder};
use flowlog_forwarder::ports::blobs::{
    BlobListing, BlobReader, Chunk, Condition, ListError, Names, Page, ReadError,
};
use flowlog_forwarder::ports::checkpoints::{
    CheckpointStore, CheckpointTable, Continuation, RowPage, RowVersion, Rows, StoreError,
};
use flowlog_forwarder::sweep::{SweepReport, SweepResult, Sweeper, SweeperOptions};
use proptest::prelude::*;
use std::ops::Range;
use std::sync::{Arc, Mutex};

/// What was handed to a sweep, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Handed {
    Names(usize),
    Rows(usize),
    /// A blob was read to be forwarded.
    Read,
}

type Log = Arc<Mutex<Vec<Handed>>>;

/// Storage and table that note what they hand out.
#[derive(Clone)]
struct Watched<T>(T, Log);

impl<T> Watched<T> {
    fn note(&self, handed: Handed) {
        self.1.lock().unwrap().push(handed);
    }
}

impl BlobReader for Watched<MemoryBlobs> {
    async fn read(
        &self,
        blob: &FlowLogBlob,
        range: Range<u64>,
        version: Condition<'_>,
    ) -> Result<Chunk, ReadError> {
        self.note(Handed::Read);
        self.0.read(blob, range, version).await
    }

    async fn blocks(&self, blob: &FlowLogBlob, etag: &str) -> Result<Vec<u64>, ReadError> {
        self.0.blocks(blob, etag).await
    }
}

impl BlobListing for Watched<MemoryBlobs> {
    async fn list(&self, container: &Container, names: Names<'_>) -> Result<Page, ListError> {
        let page = self.0.list(container, names).await?;
        if !page.blobs.is_empty() {
            self.note(Handed::Names(page.blobs.len()));
        }
        Ok(page)
    }
}

impl CheckpointStore for Watched<MemoryTable> {
    async fn load(&self, key: &CheckpointKey) -> Result<Option<(Checkpoint, RowVersion)>, StoreError> {
        self.0.load(key).await
    }

    async fn swap(
        &self,
        key: &CheckpointKey,
        row: &Checkpoint,
        expected: Option<&RowVersion>,
    ) -> Result<RowVersion, StoreError> {
        self.0.swap(key, row, expected).await
    }
}

impl CheckpointTable for Watched<MemoryTable> {
    async fn scan(
        &self,
        rows: &Rows,
        after: Option<&Continuation>,
        at_most: u32,
    ) -> Result<RowPage, StoreError> {
        let page = self.0.scan(rows, after, at_most).await?;
        if matches!(rows, Rows::Of { partition, .. } if !partition.starts_with("sweep")) {
            self.note(Handed::Rows(page.rows.len()));
        }
        Ok(page)
    }

    async fn delete(&self, key: &CheckpointKey, expected: &RowVersion) -> Result<(), StoreError> {
        self.0.delete(key, expected).await
    }
}

/// One sweep of `world`, and what it was handed.
async fn watched_sweep(world: &World, options: SweeperOptions) -> (SweepReport, Vec<Handed>) {
    let log = Log::default();
    let blobs = Arc::new(Watched(world.blobs.clone(), Arc::clone(&log)));
    let table = Watched(world.table.clone(), Arc::clone(&log));
    let leases = LeaseStore::new(table.clone(), "a".to_owned(), world.clock());
    let (hub, quarantine) = (Arc::clone(&world.hub), world.quarantine.clone());
    let process = Forwarder::<Twins<_, _, _, _>>::new(
        Arc::clone(&blobs),
        leases,
        hub,
        quarantine,
        forward::ForwarderOptions::default(),
    );
    let (copy, process) = (world.copy.clone(), Arc::new(process));
    let sweeper = Sweeper::new(vec![container()], blobs, table, copy, process, world.clock(), options);
    let SweepResult::Finished(swept) = sweeper.sweep().await else { panic!("no other sweep is under way") };
    let handed = log.lock().unwrap().clone();
    (swept, handed)
}

#[tokio::test]
async fn of_an_hour_with_twenty_thousand_blobs_a_page_is_held() {
    let world = World::default();
    world.set_clock(NINE, 30);
    for nic in 0..20_500 {
        let blob = blob_in(1, NINE, nic);
        let mut row = Checkpoint::new(blob.to_string());
        row.progress.etag = Some(world.blobs.commit(&blob, "{\"records\":[]}"));
        world.table.swap(&blob.checkpoint_key(), &row, None).await.unwrap();
    }
    let (swept, handed) = watched_sweep(&world, SweeperOptions::default()).await;
    assert_eq!((swept.listed, swept.behind), (20_500, 0), "{swept}");
    // The rows of a page are asked for after its names, and before the next page's names.
    let page = |count| [Handed::Names(count), Handed::Rows(count)];
    let expected: Vec<_> = [1_000; 20].into_iter().chain([500]).flat_map(page).collect();
    assert_eq!(handed, expected);
}

#[tokio::test]
async fn listing_waits_while_many_blobs_wait_to_be_forwarded() {
    let world = World::default();
    world.set_clock(NINE, 30);
    let one = content(&[record(1, 1)]);
    for nic in 0..6_000 {
        world.commit_raw(&blob_in(nic % 20, NINE, nic), one.clone());
    }
    let (swept, handed) =
        watched_sweep(&world, SweeperOptions { page_size: 100, ..SweeperOptions::default() }).await;
    assert_eq!((swept.behind, swept.caught_up), (6_000, 6_000), "{swept}");
    let (mut waiting, mut most) = (0, 0);
    for handed in handed {
        match handed {
            Handed::Names(count) => waiting += count,
            Handed::Rows(_) => {}
            Handed::Read => waiting -= 1,
        }
        most = most.max(waiting);
    }
    // A thousand, and eight pages that were under way when they were reached.
    assert!(most <= 1_000 + 8 * 100 + 32, "{most} waited at once");
}

/// A network interface's address as a name may spell it.
fn spelled(nic: u32, how: u8) -> String {
    match how {
        0 => format!("6045BD{nic:06X}"),
        1 => format!("6045bd{nic:06x}"),
        _ => format!("60-45-BD-{nic:06X}"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn pages_of_names_and_rows_in_other_orders_show_the_same_as_all_at_once(
        blobs in proptest::collection::btree_map(0..60u32, (0..3u8, 0..3u8), 0..40),
        strangers in proptest::collection::btree_set(0..60u32, 0..40),
        page in 1..9u32,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let world = World::default();
            world.set_clock(NINE, 30);
            let folder = blob_in(1, NINE, 1).name().split("macAddress").next().unwrap().to_owned();
            let put = async |blob: &FlowLogBlob, etag: Option<String>| {
                let mut row = Checkpoint::new(blob.to_string());
                row.progress.etag = etag;
                world.table.swap(&blob.checkpoint_key(), &row, None).await.unwrap();
            };
            world.blobs.put(&container(), &format!("{folder}notes.txt"));
            let mut behind = 0;
            for (nic, (how, state)) in &blobs {
                let name = format!("{folder}macAddress={}/PT1H.json", spelled(*nic, *how));
                let blob = container().blob(&name).unwrap();
                let old = world.blobs.commit(&blob, "{\"records\":[]}");
                match state {
                    0 => behind += 1,
                    1 => {
                        put(&blob, Some(old)).await;
                        world.blobs.commit(&blob, "{\"records\":[ ]}");
                        behind += 1;
                    }
                    _ => put(&blob, Some(old)).await,
                }
            }
            // Rows of blobs that are deleted lie between.
            for nic in &strangers {
                let name = format!("{folder}macAddress={}/PT1H.json", spelled(nic + 1_000, 0));
                put(&container().blob(&name).unwrap(), None).await;
                let name = format!("{folder}macAddress={}0/PT1H.json", spelled(*nic, 0));
                put(&container().blob(&name).unwrap(), None).await;
            }
            let process = Arc::new(world.process("a"));
            let options = SweeperOptions { page_size: page, ..SweeperOptions::default() };
            let swept = sweep(&world.sweeper_of(vec![container()], &process, options)).await;
            assert_eq!((swept.listed, swept.behind), (blobs.len() as u64, behind));
            assert_eq!(sweep(&world.sweeper(&process)).await.behind, 0);
        });
    }
}
