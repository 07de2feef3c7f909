//! How long a sweep takes: by a clock that only moves when everything waits.

use super::{NINE, horizon, hour, own_records};
use crate::support::chaos::{Act, Call, Chaos, When};
use crate::support::memory::MemoryBlobs;
use crate::support::samples::{blob_in, container};
use crate::support::world::{Twins, World, records};
use flowlog_forwarder::checkpoint::Checkpoint;
use flowlog_forwarder::flow_log::{Container, FlowLogBlob};
use flowlog_forwarder::forward::lease_store::LeaseStore;
use flowlog_forwarder::forward::{self, Forwarder};
use flowlog_forwarder::ports::blobs::{
    BlobListing, BlobReader, Chunk, Condition, ListError, Names, Page, ReadError,
};
use flowlog_forwarder::ports::checkpoints::CheckpointStore as _;
use flowlog_forwarder::sweep::{SweepOutcome, SweepReport, SweepResult, Sweeper, SweeperOptions};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// Storage in which a listing, a failing one, or a read takes its time.
#[derive(Clone, Default)]
struct Slow {
    blobs: MemoryBlobs,
    read: Duration,
    /// How long listings of hours take until they fail.
    failing_after: Option<Duration>,
}

impl BlobReader for Slow {
    async fn read(
        &self,
        blob: &FlowLogBlob,
        range: Range<u64>,
        version: Condition<'_>,
    ) -> Result<Chunk, ReadError> {
        sleep(self.read).await;
        self.blobs.read(blob, range, version).await
    }

    async fn blocks(&self, blob: &FlowLogBlob, etag: &str) -> Result<Vec<u64>, ReadError> {
        self.blobs.blocks(blob, etag).await
    }
}

impl BlobListing for Slow {
    async fn list(&self, container: &Container, names: Names<'_>) -> Result<Page, ListError> {
        if let Some(time) = self.failing_after.filter(|_| names.prefix.contains("/h=")) {
            sleep(time).await;
            let (container, prefix) = (container.to_string(), names.prefix.to_owned());
            return Err(ListError::Failed { container, prefix, reason: "timed out".to_owned() });
        }
        self.blobs.list(container, names).await
    }
}

/// A sweep of `world` through `source`, and how long it took.
async fn timed<B: BlobReader + BlobListing>(
    world: &World,
    source: B,
    options: SweeperOptions,
    run: Duration,
) -> (SweepReport, Duration) {
    let source = Arc::new(source);
    let leases = LeaseStore::new(world.table.clone(), "a".to_owned(), world.clock());
    let run = forward::ForwarderOptions { budget: run, ..forward::ForwarderOptions::default() };
    let (hub, quarantine) = (Arc::clone(&world.hub), world.quarantine.clone());
    let process =
        Arc::new(Forwarder::<Twins<_, _, _, _>>::new(Arc::clone(&source), leases, hub, quarantine, run));
    let (table, copy) = (world.table.clone(), world.copy.clone());
    let sweeper = Sweeper::new(vec![container()], source, table, copy, process, world.clock(), options);
    let began = Instant::now();
    let SweepResult::Finished(swept) = sweeper.sweep().await else { panic!("no other sweep is under way") };
    (swept, began.elapsed())
}

#[tokio::test(start_paused = true)]
async fn a_sweep_of_many_flow_logs_that_all_fail_ends_within_its_budget() {
    let world = World::default();
    for flow_log in 0..240 {
        world.commit(&blob_in(flow_log, NINE, 1), &own_records(flow_log, 1));
    }
    world.set_clock(NINE, 30);
    let source = Slow {
        blobs: world.blobs.clone(),
        failing_after: Some(Duration::from_millis(100)),
        ..Slow::default()
    };
    let options = SweeperOptions { budget: Duration::from_secs(1), ..SweeperOptions::default() };
    let (swept, took) = timed(&world, source, options, Duration::from_millis(500)).await;
    assert!(took <= Duration::from_secs(1), "{took:?}");
    assert_eq!(swept.outcome(), SweepOutcome::Failed, "{swept}");
    assert_eq!(horizon(&world), hour(-1));
}

/// A container with so many flow logs, in which every listing takes its time.
struct Folders {
    count: usize,
    list: Duration,
}

impl BlobReader for Folders {
    async fn read(&self, _: &FlowLogBlob, _: Range<u64>, _: Condition<'_>) -> Result<Chunk, ReadError> {
        Err(ReadError::NotFound)
    }

    async fn blocks(&self, _: &FlowLogBlob, _: &str) -> Result<Vec<u64>, ReadError> {
        Err(ReadError::NotFound)
    }
}

impl BlobListing for Folders {
    async fn list(&self, _: &Container, names: Names<'_>) -> Result<Page, ListError> {
        sleep(self.list).await;
        let root = "flowLogResourceID=/";
        let mut page = Page::default();
        match names.prefix {
            "" => page.folders.push(root.to_owned()),
            prefix if prefix == root => {
                let first: usize = names.marker.map_or(0, |marker| marker.parse().unwrap());
                let end = (first + names.at_most as usize).min(self.count);
                page.folders = (first..end).map(|number| format!("{root}{number:07}/")).collect();
                page.next = Some(end.to_string()).filter(|_| end < self.count);
            }
            prefix if prefix.contains("/y=") => {}
            prefix => page.folders.push(format!("{prefix}y=2026/")),
        }
        Ok(page)
    }
}

#[tokio::test(start_paused = true)]
async fn a_sweep_of_fifty_thousand_folders_ends_within_its_budget() {
    let world = World::default();
    world.set_clock(NINE, 30);
    let source = Folders { count: 50_000, list: Duration::from_millis(50) };
    let options = SweeperOptions::default();
    let budget = options.budget;
    let (swept, took) = timed(&world, source, options, Duration::from_secs(25)).await;
    assert!(took <= budget, "{took:?}");
    // Those that were found in the first quarter of the time are swept.
    assert!(swept.flow_logs > 5_000 && swept.scanned > 5_000, "{swept}");
    assert_eq!((swept.outcome(), swept.failed_scans), (SweepOutcome::Partly, 1), "{swept}");
    assert_eq!(horizon(&world), hour(-1));
}

#[tokio::test(start_paused = true)]
async fn more_flow_logs_than_can_be_held_are_an_error_that_says_so() {
    let world = World::default();
    world.set_clock(NINE, 30);
    let source = Folders { count: 10_000_000, list: Duration::ZERO };
    let (swept, _) = timed(&world, source, SweeperOptions::default(), Duration::from_secs(25)).await;
    let failure = swept.first_failure.clone().unwrap();
    assert!(failure.contains("more than 100000 flow logs or folders"), "{failure}");
    assert_eq!(horizon(&world), hour(-1));
}

#[tokio::test(start_paused = true)]
async fn a_call_that_hangs_keeps_no_sweep_beyond_its_budget() {
    // A blob is behind, an hour is to be closed, and a row is too old.
    let world = async || {
        let world = World::default();
        world.set_clock(NINE, 30);
        world.commit(&blob_in(1, NINE, 1), &records(2));
        super::struck::process(&world, &Chaos::new([]), "a").0.sweep().await;
        let old = blob_in(1, hour(-24 * 30), 9).checkpoint_key();
        world.table.swap(&old, &Checkpoint::new("old".to_owned()), None).await.unwrap();
        world.commit(&blob_in(1, hour(2), 1), &records(2));
        world.set_clock(hour(2), 0);
        world
    };
    let undisturbed = Chaos::new([]);
    super::struck::process(&world().await, &undisturbed, "a").0.sweep().await;
    let calls = undisturbed.calls();
    for kind in [Call::List, Call::Scan, Call::Swap, Call::Delete, Call::Copy, Call::Read, Call::Send] {
        assert!(calls.contains(&kind), "{kind:?} hangs, too");
    }
    for (number, call) in calls.into_iter().enumerate() {
        let (world, chaos) = (world().await, Chaos::new([(number, Act::Hang(When::Before))]));
        let (sweeper, _) = super::struck::process(&world, &chaos, "a");
        let began = Instant::now();
        let SweepResult::Finished(_) = sweeper.sweep().await else { panic!("no other sweep is under way") };
        let took = began.elapsed();
        assert!(took <= SweeperOptions::default().budget, "{took:?} with call {number}, {call:?}, hanging");
    }
}

#[tokio::test(start_paused = true)]
async fn small_blobs_are_forwarded_ten_times_as_fast_as_two_at_a_time() {
    let mut times = Vec::new();
    for at_once in [2, SweeperOptions::default().at_once] {
        let world = World::default();
        world.set_clock(NINE, 30);
        for nic in 0..1_000 {
            world.commit(&blob_in(nic % 4, NINE, nic), &own_records(nic, 1));
        }
        let source = Slow { blobs: world.blobs.clone(), read: Duration::from_millis(20), ..Slow::default() };
        let options = SweeperOptions { at_once, ..SweeperOptions::default() };
        let (swept, took) = timed(&world, source, options, Duration::from_secs(25)).await;
        assert_eq!((swept.caught_up, swept.records), (1_000, 1_000), "{swept}");
        times.push(took);
    }
    assert!(times[0] >= 10 * times[1], "{times:?}");
}
