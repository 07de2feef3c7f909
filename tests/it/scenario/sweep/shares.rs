//! How a sweep divides its time.

use super::{hour, received, sorted, sweep, world_at};
use crate::support::blobs::{NINE, blob_in, container};
use crate::support::faults::{Action, Call};
use crate::support::records::{own_records, records};
use crate::support::world::{MemoryForwarder, World};
use flowlog_forwarder::flow_log::Container;
use flowlog_forwarder::forward::{Completion, ForwarderOptions};
use flowlog_forwarder::sweep::{SweepOutcome, SweepReport, SweepResult, SweeperOptions};
use std::sync::Arc;
use std::time::{Duration, Instant};
use url::Url;

/// The budget of one turn, and the bytes of one read, of a slow process.
const TURN: Duration = Duration::from_secs(1);
const WINDOW: u64 = 8_192;

/// A process that reads the windows after the first one slowly: each takes most of a turn.
fn slow_process(world: &World) -> Arc<MemoryForwarder> {
    world.faults.all_of(Call::Read, "only", Action::Delay(TURN * 7 / 10));
    let options = ForwarderOptions { window: WINDOW, budget: TURN, ..ForwarderOptions::default() };
    Arc::new(world.process_with("slow", options))
}

#[tokio::test]
async fn a_sweep_finishes_what_an_event_left_over() {
    let world = World::with_hub_limit(2_000);
    let (blob, all) = (blob_in(1, NINE, 1), records(40));
    world.set_clock(NINE, 10);
    let commit = world.commit(&blob, &all);
    let process = slow_process(&world);
    let done = process.forward(&blob, &commit, Instant::now()).await.unwrap();
    assert_eq!(done.completion, Completion::LeftOver);
    assert!(done.records > 0 && done.records < 40, "{done:?}");
    let swept = sweep(&world.sweeper_named("a")).await;
    assert_eq!((swept.behind, swept.caught_up, swept.records), (1, 1, 40 - done.records), "{swept}");
    assert_eq!(world.received(), all);
}

#[tokio::test]
async fn a_blob_with_work_left_over_waits_for_the_other_blobs() {
    let world = World::with_hub_limit(2_000);
    world.set_clock(NINE, 10);
    let large = records(40);
    world.commit(&blob_in(1, hour(-1), 1), &large);
    let small: Vec<_> = (2..10).flat_map(|nic| own_records(nic, 1)).collect();
    for nic in 2..10 {
        world.commit(&blob_in(1, NINE, nic), &own_records(nic, 1));
    }
    let process = slow_process(&world);
    let options = SweeperOptions { at_once: 1, ..SweeperOptions::default() };
    let swept = sweep(&world.sweeper_with(&process, options)).await;
    assert_eq!((swept.caught_up, swept.left_over), (9, 0), "{swept}");
    let order = world.received();
    assert_eq!(order[0], large[0], "the oldest hour comes first");
    assert_eq!(order.last(), large.last(), "the other blobs did not wait for its end");
    assert_eq!(sorted(order), sorted([large, small].concat()));
}

#[tokio::test]
async fn a_sweep_without_time_starts_nothing() {
    let (world, sweeper) = world_at(0).await;
    world.commit(&blob_in(1, NINE, 1), &records(2));
    world.set_clock(hour(4), 0);
    let options = SweeperOptions { budget: Duration::ZERO, ..SweeperOptions::default() };
    let hurried = world.sweeper_with(&Arc::new(world.process("b")), options);
    let swept = sweep(&hurried).await;
    assert_eq!((swept.scanned, swept.left_over, swept.records), (0, 6, 0), "{swept}");
    assert!(!swept.scanned_nothing(), "nothing failed");
    assert_eq!(world.watermark(), hour(-1), "the watermark does not pass hours without a scan");
    assert_eq!(sweep(&sweeper).await.records, 2);
    assert_eq!(world.watermark(), hour(3));
}

#[tokio::test]
async fn a_stopping_process_starts_no_more_work() {
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
    let swept = sweep(&world.sweeper_named("b")).await;
    assert_eq!((world.received().len(), swept.failed), (100, 0), "{swept}");
}

#[tokio::test]
async fn a_container_days_behind_does_not_delay_the_others() {
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
async fn a_second_sweep_of_one_process_returns_at_once() {
    let (world, sweeper) = world_at(0).await;
    world.commit(&blob_in(1, NINE, 1), &records(1));
    let sweeper = Arc::new(sweeper);
    let other = Arc::clone(&sweeper);
    // The server, too, runs each sweep in a task of its own.
    let first = tokio::spawn(async move { other.sweep().await });
    // Until its first call.
    tokio::task::yield_now().await;
    assert_eq!(sweeper.sweep().await, SweepResult::AlreadyRunning);
    assert!(matches!(first.await.unwrap(), SweepResult::Finished(SweepReport { records: 1, .. })));
}
