//! How a sweep divides its time.

use super::{NINE, horizon, hour, own_records, received, sorted, sweep, world_at};
use crate::support::memory::MemoryBlobs;
use crate::support::memory_hub::MemoryHub;
use crate::support::samples::{blob_in, container};
use crate::support::world::{Twins, World, records};
use flowlog_forwarder::flow_log::{Container, FlowLogBlob};
use flowlog_forwarder::forward::lease_store::LeaseStore;
use flowlog_forwarder::forward::{self, Completion, Forwarder};
use flowlog_forwarder::ports::blobs::{
    BlobListing, BlobReader, Chunk, Condition, ListError, Names, Page, ReadError,
};
use flowlog_forwarder::sweep::{SweepOutcome, SweepReport, SweepResult, Sweeper, SweeperOptions};
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};
use url::Url;

/// How long one turn may take where the source is slow, and how much it reads at once.
const TURN: Duration = Duration::from_secs(1);
const WINDOW: u64 = 8_192;

/// A source that takes the better part of a turn for everything behind the first window.
#[derive(Clone)]
struct Slow(MemoryBlobs);

impl BlobReader for Slow {
    async fn read(
        &self,
        blob: &FlowLogBlob,
        range: Range<u64>,
        version: Condition<'_>,
    ) -> Result<Chunk, ReadError> {
        // Windows behind the first are read from the version that the first one found.
        if matches!(version, Condition::IfMatch(_)) {
            tokio::time::sleep(TURN * 7 / 10).await;
        }
        self.0.read(blob, range, version).await
    }

    async fn blocks(&self, blob: &FlowLogBlob, etag: &str) -> Result<Vec<u64>, ReadError> {
        self.0.blocks(blob, etag).await
    }
}

impl BlobListing for Slow {
    async fn list(&self, container: &Container, names: Names<'_>) -> Result<Page, ListError> {
        self.0.list(container, names).await
    }
}

type SlowForwarder = Forwarder<Twins<Slow>>;

fn slow_process(world: &World) -> (Arc<Slow>, Arc<SlowForwarder>) {
    let (clock, blobs) = (world.clock(), Arc::new(Slow(world.blobs.clone())));
    let leases = LeaseStore::new(world.table.clone(), "slow".to_owned(), clock);
    let options =
        forward::ForwarderOptions { window: WINDOW, budget: TURN, ..forward::ForwarderOptions::default() };
    let hub = Arc::clone(&world.hub);
    let process = Forwarder::<Twins<_, _, _, _>>::new(
        Arc::clone(&blobs),
        leases,
        hub,
        world.quarantine.clone(),
        options,
    );
    (blobs, Arc::new(process))
}

#[tokio::test]
async fn work_that_an_event_had_no_time_for_is_finished() {
    let world = World { hub: Arc::new(MemoryHub::with_limit(2_000)), ..World::default() };
    let (blob, all) = (blob_in(1, NINE, 1), records(40));
    world.set_clock(NINE, 10);
    let commit = world.commit(&blob, &all);
    let (_, process) = slow_process(&world);
    let done = process.forward(&blob, &commit, Instant::now()).await.unwrap();
    assert_eq!(done.completion, Completion::LeftOver);
    assert!(done.records > 0 && done.records < 40, "{done:?}");
    let swept = sweep(&world.sweeper(&Arc::new(world.process("a")))).await;
    assert_eq!((swept.behind, swept.caught_up, swept.records), (1, 1, 40 - done.records), "{swept}");
    assert_eq!(world.received(), all);
}

#[tokio::test]
async fn a_blob_with_work_left_over_waits_until_the_others_had_their_turn() {
    let world = World { hub: Arc::new(MemoryHub::with_limit(2_000)), ..World::default() };
    world.set_clock(NINE, 10);
    let large = records(40);
    world.commit(&blob_in(1, hour(-1), 1), &large);
    let small: Vec<_> = (2..10).flat_map(|nic| own_records(nic, 1)).collect();
    for nic in 2..10 {
        world.commit(&blob_in(1, NINE, nic), &own_records(nic, 1));
    }
    let (blobs, process) = slow_process(&world);
    let options = SweeperOptions { at_once: 1, ..SweeperOptions::default() };
    let (table, copy) = (world.table.clone(), world.copy.clone());
    let sweeper = Sweeper::new(vec![container()], blobs, table, copy, process, world.clock(), options);
    let SweepResult::Finished(swept) = sweeper.sweep().await else { panic!("no other sweep is under way") };
    assert_eq!((swept.caught_up, swept.left_over), (9, 0), "{swept}");
    let order = world.received();
    assert_eq!(order[0], large[0], "the oldest hour comes first");
    assert_eq!(order.last(), large.last(), "the others did not wait for its end");
    assert_eq!(sorted(order), sorted([large, small].concat()));
}

#[tokio::test]
async fn without_time_nothing_is_begun_and_all_of_it_is_left_for_the_next_sweep() {
    let (world, sweeper) = world_at(0).await;
    world.commit(&blob_in(1, NINE, 1), &records(2));
    world.set_clock(hour(4), 0);
    let options = SweeperOptions { budget: Duration::ZERO, ..SweeperOptions::default() };
    let hurried = world.sweeper_of(vec![container()], &Arc::new(world.process("b")), options);
    let swept = sweep(&hurried).await;
    assert_eq!((swept.scanned, swept.left_over, swept.records), (0, 6, 0), "{swept}");
    assert!(!swept.scanned_nothing(), "nothing failed");
    assert_eq!(horizon(&world), hour(-1), "hours that nobody looked at are not passed");
    assert_eq!(sweep(&sweeper).await.records, 2);
    assert_eq!(horizon(&world), hour(3));
}

#[tokio::test]
async fn a_process_that_is_asked_to_stop_begins_nothing_more() {
    let world = World::default();
    world.set_clock(NINE, 10);
    for nic in 0..100 {
        world.commit(&blob_in(1, NINE, nic), &own_records(nic, 1));
    }
    let process = Arc::new(world.process("a"));
    let sweeper = Arc::new(world.sweeper(&process));
    let other = Arc::clone(&sweeper);
    let first = tokio::spawn(async move { other.sweep().await });
    while world.received().is_empty() {
        tokio::task::yield_now().await;
    }
    process.stop();
    let SweepResult::Finished(swept) = first.await.unwrap() else { panic!("no other sweep is under way") };
    assert!(swept.records < 100 && swept.left_over > 0, "{swept}");
    assert_eq!((swept.failed, swept.records + swept.left_over), (0, 100), "{swept}");
    let swept = sweep(&sweeper).await;
    assert_eq!((swept.scanned, swept.left_over, swept.outcome()), (0, 2, SweepOutcome::Done), "{swept}");
    let swept = sweep(&world.sweeper(&Arc::new(world.process("b")))).await;
    assert_eq!((world.received().len(), swept.failed), (100, 0), "{swept}");
}

#[tokio::test]
async fn a_container_with_days_to_catch_up_does_not_keep_the_others_waiting() {
    let (world, _) = world_at(0).await;
    let fresh = Container::new(Url::parse("https://memory.blob.core.windows.net/").unwrap(), "fresh".into());
    world.set_clock(hour(100), 0);
    let mut old = Vec::new();
    for after in 0..100 {
        let records = own_records(u32::try_from(after).unwrap() + 10, 1);
        world.commit(&blob_in(1, hour(after), 1), &records);
        old.extend(records);
    }
    let of_fresh = fresh.blob(blob_in(1, hour(100), 1).name()).unwrap();
    world.commit(&of_fresh, &records(1));
    let options = SweeperOptions { at_once: 1, ..SweeperOptions::default() };
    let sweeper = world.sweeper_of(vec![container(), fresh], &Arc::new(world.process("a")), options);
    assert_eq!(sweep(&sweeper).await.records, 101);
    let place = world.received().iter().position(|record| *record == records(1)[0]).unwrap();
    assert!(place <= 4, "the other container's hour came {place}th");
    assert_eq!(received(&world), sorted([old, records(1)].concat()));
}

#[tokio::test]
async fn a_second_sweep_of_one_process_answers_at_once() {
    let (world, sweeper) = world_at(0).await;
    world.commit(&blob_in(1, NINE, 1), &records(1));
    let sweeper = Arc::new(sweeper);
    let other = Arc::clone(&sweeper);
    // The server runs each sweep in a task of its own, too.
    let first = tokio::spawn(async move { other.sweep().await });
    // It comes as far as its first call.
    tokio::task::yield_now().await;
    assert_eq!(sweeper.sweep().await, SweepResult::AlreadyRunning);
    assert!(matches!(first.await.unwrap(), SweepResult::Finished(SweepReport { records: 1, .. })));
}
