//! The checkpoint table is lost: the sweep continues from what it still knows, and reports the loss.

use super::{hour, received, sorted, sweep, world_at};
use crate::support::blobs::{NINE, blob_in, container};
use crate::support::records::{own_records, records};
use crate::support::world::World;
use flowlog_forwarder::checkpoint::{Checkpoint, Progress};
use flowlog_forwarder::ports::checkpoints::CheckpointStore as _;
use flowlog_forwarder::sweep::SweepOutcome;

/// Commits two records to each of five hours from nine o'clock on, and returns all of them.
fn commit_five_hours(world: &World) -> Vec<String> {
    let mut all = Vec::new();
    for (after, seed) in (0..5).zip(10..) {
        let records = own_records(seed, 2);
        world.commit(&blob_in(1, hour(after), 1), &records);
        all.extend(records);
    }
    all
}

#[tokio::test]
async fn a_table_lost_while_the_sweep_is_behind_loses_nothing() {
    for (own_process, with_copy) in [(false, true), (true, true), (true, false)] {
        let (world, sweeper) = world_at(30).await;
        let all = commit_five_hours(&world);
        world.set_clock(hour(4), 30);
        world.table.delete_all();
        if !with_copy {
            world.copy.delete_all();
        }
        let another = world.sweeper_named("b");
        let swept = sweep(if own_process { &sweeper } else { &another }).await;
        assert_eq!(swept.hours, Some((hour(-1), hour(4))), "{swept}");
        assert_eq!(received(&world), sorted(all));
        assert_ne!(swept.outcome(), SweepOutcome::Done);
        assert!(swept.first_failure.unwrap().contains("lost its rows: going on from 2026-11-22T08Z"));
        assert_eq!(world.watermark(), hour(3));
        assert_eq!(sweep(&sweeper).await.first_failure, None, "reported once");
    }
}

#[tokio::test]
async fn without_table_and_copy_the_sweep_begins_anew() {
    let (world, _) = world_at(30).await;
    commit_five_hours(&world);
    world.set_clock(hour(4), 30);
    world.table.delete_all();
    world.copy.delete_all();
    let swept = sweep(&world.sweeper_named("b")).await;
    assert_eq!((swept.hours, swept.outcome()), (Some((hour(3), hour(4))), SweepOutcome::Done), "{swept}");
    assert_eq!(received(&world), sorted([own_records(13, 2), own_records(14, 2)].concat()));
}

#[tokio::test]
async fn closed_hours_are_not_sent_again_after_the_table_is_lost() {
    let (world, sweeper) = world_at(30).await;
    let all = commit_five_hours(&world);
    world.set_clock(hour(4), 30);
    sweep(&sweeper).await;
    assert_eq!(received(&world), sorted(all.clone()));
    world.table.delete_all();
    let another = world.sweeper_named("b");
    for after in 4..40 {
        world.set_clock(hour(after), 45);
        sweep(&another).await;
    }
    // The open hour and the one before are sent again, because their rows are lost.
    let again = [own_records(13, 2), own_records(14, 2)].concat();
    let arrived = received(&world);
    assert_eq!(arrived.len(), all.len() + again.len());
    assert!(again.iter().all(|record| arrived.iter().filter(|other| *other == record).count() == 2));
}

#[tokio::test]
async fn the_second_copy_follows_the_watermark() {
    let (world, sweeper) = world_at(30).await;
    for after in 1..5 {
        assert_eq!(world.copy.hour(&container()), Some(world.watermark()));
        world.set_clock(hour(after), 5);
        sweep(&sweeper).await;
    }
    assert_eq!(world.copy.hour(&container()), Some(hour(3)));
    world.copy.delete_all();
    sweep(&world.sweeper_named("b")).await;
    assert_eq!(world.copy.hour(&container()), Some(hour(3)), "a new process writes it at once");
}

#[tokio::test]
async fn the_watermark_of_an_earlier_version_is_continued() {
    let world = World::default();
    let key = container().sweep_key();
    let progress = Progress { offset: hour(-3).number(), ..Progress::default() };
    let row = Checkpoint { progress, ..Checkpoint::new("all before".to_owned()) };
    world.table.swap(&key, &row, None).await.unwrap();
    // Committed before the app was installed.
    world.commit(&blob_in(1, hour(-20), 1), &own_records(9, 1));
    world.commit(&blob_in(1, hour(-3), 1), &records(2));
    world.set_clock(NINE, 30);
    let sweeper = world.sweeper_named("a");
    let swept = sweep(&sweeper).await;
    assert_eq!((swept.hours, swept.records, swept.rescanned), (Some((hour(-3), NINE)), 2, 0));
    for after in 1..30 {
        world.set_clock(hour(after), 30);
        sweep(&sweeper).await;
    }
    assert_eq!(world.received(), records(2));
}

#[tokio::test]
async fn a_sweep_restores_the_rows_of_a_lost_table() {
    let (world, sweeper) = world_at(30).await;
    world.commit(&blob_in(1, NINE, 1), &records(2));
    sweep(&sweeper).await;
    world.table.delete_all();
    sweep(&sweeper).await;
    assert!(world.table.row(&blob_in(1, NINE, 1).checkpoint_key()).is_some());
    assert_eq!(sweep(&sweeper).await.behind, 0);
}
