//! How long a sweep takes, by a clock that only moves when all tasks wait.

use super::{hour, sweep};
use crate::support::blobs::{NINE, blob_in, container};
use crate::support::faults::{Action, Call, Faults, When};
use crate::support::faulty::Faulty;
use crate::support::memory::{MemoryHub, MemoryQuarantine, MemoryTable, MemoryWatermarkCopy};
use crate::support::records::{own_records, records};
use crate::support::world::World;
use flowlog_forwarder::checkpoint::Checkpoint;
use flowlog_forwarder::flow_log::{Container, FlowLogBlob};
use flowlog_forwarder::forward::lease_store::LeaseStore;
use flowlog_forwarder::forward::{Forwarder, ForwarderOptions};
use flowlog_forwarder::ports::blobs::{
    BlobListing, BlobReader, Chunk, Condition, ListError, Names, Page, ReadError,
};
use flowlog_forwarder::ports::checkpoints::CheckpointStore as _;
use flowlog_forwarder::ports::{Ports, SweepPorts};
use flowlog_forwarder::sweep::{SweepOutcome, SweepReport, SweepResult, Sweeper, SweeperOptions};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// Sweeps `world`, where one blob may take `run`; returns how long that took.
async fn timed(world: &World, options: SweeperOptions, run: Duration) -> (SweepReport, Duration) {
    let run = ForwarderOptions { budget: run, ..ForwarderOptions::default() };
    let sweeper = world.sweeper_with(&Arc::new(world.process_with("a", run)), options);
    let began = Instant::now();
    (sweep(&sweeper).await, began.elapsed())
}

#[tokio::test(start_paused = true)]
async fn a_sweep_of_many_flow_logs_that_all_fail_ends_within_its_budget() {
    let world = World::default();
    for flow_log in 0..240 {
        world.commit(&blob_in(flow_log, NINE, 1), &own_records(flow_log, 1));
    }
    world.set_clock(NINE, 30);
    world.faults.all_of(Call::List, "/h=", Action::Delay(Duration::from_millis(100)));
    world.faults.all_of(Call::List, "/h=", Action::Fail(When::Before));
    let options = SweeperOptions { budget: Duration::from_secs(1), ..SweeperOptions::default() };
    let (swept, took) = timed(&world, options, Duration::from_millis(500)).await;
    assert!(took <= Duration::from_secs(1), "{took:?}");
    assert_eq!(swept.outcome(), SweepOutcome::Failed, "{swept}");
    assert_eq!(world.watermark(), hour(-1));
}

/// A container with so many flow logs, where each listing takes some time.
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

/// Folders in place of the blobs of a world.
struct FolderPorts;

impl Ports for FolderPorts {
    type Blobs = Folders;
    type Checkpoints = Faulty<MemoryTable>;
    type Hub = Faulty<MemoryHub>;
    type Quarantine = Faulty<MemoryQuarantine>;
}

impl SweepPorts for FolderPorts {
    type WatermarkCopy = Faulty<MemoryWatermarkCopy>;
}

/// Sweeps `folders`; returns how long that took.
async fn timed_folders(world: &World, folders: Folders, options: SweeperOptions) -> (SweepReport, Duration) {
    let (folders, table) = (Arc::new(folders), world.port(world.table.clone()));
    let leases = LeaseStore::new(table.clone(), "a".to_owned(), world.clock.clone());
    let (hub, quarantine) = (Arc::new(world.port(world.hub.clone())), world.port(world.quarantine.clone()));
    let process = Forwarder::<FolderPorts>::new(
        Arc::clone(&folders),
        leases,
        hub,
        quarantine,
        ForwarderOptions::default(),
    );
    let (copy, clock) = (world.port(world.copy.clone()), world.clock.clone());
    let sweeper = Sweeper::new(vec![container()], folders, table, copy, Arc::new(process), clock, options);
    let began = Instant::now();
    let SweepResult::Finished(swept) = sweeper.sweep().await else { panic!("no other sweep is under way") };
    (swept, began.elapsed())
}

#[tokio::test(start_paused = true)]
async fn a_sweep_of_fifty_thousand_folders_ends_within_its_budget() {
    let world = World::default();
    world.set_clock(NINE, 30);
    let source = Folders { count: 50_000, list: Duration::from_millis(50) };
    let options = SweeperOptions::default();
    let budget = options.budget;
    let (swept, took) = timed_folders(&world, source, options).await;
    assert!(took <= budget, "{took:?}");
    // The flow logs found in the first quarter of the budget are swept.
    assert!(swept.flow_logs > 5_000 && swept.scanned > 5_000, "{swept}");
    assert_eq!((swept.outcome(), swept.failed_scans), (SweepOutcome::Partly, 1), "{swept}");
    assert_eq!(world.watermark(), hour(-1));
}

#[tokio::test(start_paused = true)]
async fn too_many_flow_logs_are_an_error() {
    let world = World::default();
    world.set_clock(NINE, 30);
    let source = Folders { count: 10_000_000, list: Duration::ZERO };
    let (swept, _) = timed_folders(&world, source, SweeperOptions::default()).await;
    let failure = swept.first_failure.clone().unwrap();
    assert!(failure.contains("more than 100000 flow logs or folders"), "{failure}");
    assert_eq!(world.watermark(), hour(-1));
}

/// A world where one blob is behind, one hour is due to close, and one row is too old.
async fn world() -> World {
    let world = World::default();
    world.set_clock(NINE, 30);
    world.commit(&blob_in(1, NINE, 1), &records(2));
    world.with_faults(Faults::at([])).sweeper_named("a").sweep().await;
    let old = blob_in(1, hour(-24 * 30), 9).checkpoint_key();
    world.table.swap(&old, &Checkpoint::new("old".to_owned()), None).await.unwrap();
    world.commit(&blob_in(1, hour(2), 1), &records(2));
    world.set_clock(hour(2), 0);
    world
}

#[tokio::test(start_paused = true)]
async fn a_sweep_with_a_hanging_call_ends_within_its_budget() {
    let undisturbed = world().await;
    undisturbed.sweeper_named("a").sweep().await;
    let calls = undisturbed.faults.calls();
    for kind in [Call::List, Call::Scan, Call::Swap, Call::Delete, Call::Copy, Call::Read, Call::Send] {
        assert!(calls.contains(&kind), "no {kind:?} to hang");
    }
    for (number, call) in calls.into_iter().enumerate() {
        let world = world().await.with_faults(Faults::at([(number, Action::Hang(When::Before))]));
        let sweeper = world.sweeper_named("a");
        let began = Instant::now();
        let SweepResult::Finished(_) = sweeper.sweep().await else { panic!("no other sweep is under way") };
        let took = began.elapsed();
        assert!(took <= SweeperOptions::default().budget, "{took:?} with call {number}, {call:?}, hanging");
    }
}

#[tokio::test(start_paused = true)]
async fn no_scan_of_old_rows_starts_after_the_deadline() {
    let world = world().await;
    world.faults.all(Call::Copy, Action::Hang(When::Before));
    let swept = sweep(&world.sweeper_named("a")).await;
    assert_eq!((swept.caught_up, swept.deleted), (1, 0), "{swept}");
    let calls = world.faults.calls();
    let hanging = calls.iter().position(|call| *call == Call::Copy).unwrap();
    assert!(!calls[hanging..].contains(&Call::Scan), "{calls:?}");
}

#[tokio::test(start_paused = true)]
async fn small_blobs_are_forwarded_many_at_once() {
    let mut times = Vec::new();
    for at_once in [2, SweeperOptions::default().at_once] {
        let world = World::default();
        world.set_clock(NINE, 30);
        for nic in 0..1_000 {
            world.commit(&blob_in(nic % 4, NINE, nic), &own_records(nic, 1));
        }
        world.faults.all(Call::Read, Action::Delay(Duration::from_millis(20)));
        let options = SweeperOptions { at_once, ..SweeperOptions::default() };
        let (swept, took) = timed(&world, options, Duration::from_secs(25)).await;
        assert_eq!((swept.caught_up, swept.records), (1_000, 1_000), "{swept}");
        times.push(took);
    }
    assert!(times[0] >= 10 * times[1], "{times:?}");
}
