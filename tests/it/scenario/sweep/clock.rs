//! Wrong times close no hour for good, and delete no row of an open hour.

use super::{hour, sweep, world_at};
use crate::support::blobs::{NINE, blob_in};
use crate::support::faults::{Action, Call, When};
use crate::support::records::records;
use crate::support::world::World;
use flowlog_forwarder::checkpoint::Checkpoint;
use flowlog_forwarder::clock::Clock;
use flowlog_forwarder::ports::checkpoints::CheckpointStore as _;
use std::sync::Arc;
use std::sync::atomic::Ordering;

const DAY: u64 = 86_400_000;

#[tokio::test]
async fn a_machine_clock_days_ahead_moves_and_deletes_nothing() {
    let (world, sweeper) = world_at(30).await;
    let blob = blob_in(1, NINE, 1);
    world.commit(&blob, &records(2));
    sweep(&sweeper).await;

    let service = Arc::clone(&world.now);
    let clock = Clock::new(move || service.load(Ordering::Relaxed) + 9 * DAY);
    let table = world.table.setting_clock(&world.now, &clock);
    let ahead = World { table, clock, ..world.clone() };
    let swept = sweep(&ahead.sweeper_named("ahead")).await;
    assert_eq!((swept.hours, swept.deleted), (Some((hour(-1), NINE)), 0), "{swept}");
    assert_eq!(world.watermark(), hour(-1));
    assert!(world.row(&blob).is_some());
    world.commit(&blob, &records(4));
    sweep(&sweeper).await;
    assert_eq!(world.received(), records(4));
}

#[tokio::test]
async fn one_time_days_ahead_moves_and_deletes_nothing() {
    let (world, sweeper) = world_at(30).await;
    let blob = blob_in(1, NINE, 1);
    world.commit(&blob, &records(2));
    sweep(&sweeper).await;
    world.set_clock(hour(24 * 9), 0);
    let swept = sweep(&sweeper).await;
    assert_eq!((swept.deleted, swept.given_up), (0, 0), "{swept}");
    assert!(world.row(&blob).is_some());
    assert_eq!(world.watermark(), hour(-1));
    world.set_clock(NINE, 35);
    world.commit(&blob, &records(4));
    sweep(&sweeper).await;
    world.commit(&blob, &records(5));
    world.set_clock(hour(1), 1);
    sweep(&sweeper).await;
    assert_eq!(world.received(), records(5));
}

#[tokio::test]
async fn one_time_hours_ahead_closes_no_hour_early() {
    let (world, sweeper) = world_at(30).await;
    world.set_clock(hour(6), 30);
    sweep(&sweeper).await;
    world.set_clock(NINE, 35);
    sweep(&sweeper).await;
    assert_eq!(world.watermark(), hour(-1));
    world.commit(&blob_in(1, NINE, 1), &records(3));
    world.set_clock(hour(2), 0);
    sweep(&sweeper).await;
    assert_eq!((world.received(), world.watermark()), (records(3), hour(1)));
}

#[tokio::test]
async fn hours_older_than_the_retention_are_skipped_once_and_counted() {
    let (world, _) = world_at(30).await;
    let process = Arc::new(world.process("b"));
    let sweeper = world.sweeper(&process);
    let mut given_up = Vec::new();
    for minute in [0, 5, 10] {
        world.set_clock(hour(24 * 25), minute);
        given_up.push(sweep(&sweeper).await.given_up);
    }
    // From 2026-11-22T08Z to 2026-12-11T00Z.
    assert_eq!(given_up, [0, 18 * 24 + 16, 0]);
    let metrics = process.metrics().text();
    assert!(metrics.contains("flowlog_hours_given_up_total 448\n"), "{metrics}");
    assert_eq!(world.watermark(), hour(24 * 25 - 1));
}

#[tokio::test]
async fn no_row_of_an_open_hour_is_deleted() {
    let (world, sweeper) = world_at(30).await;
    let (old, open) = (blob_in(1, hour(-48), 1), blob_in(1, hour(1), 1));
    for blob in [&old, &open] {
        world.table.swap(&blob.checkpoint_key(), &Checkpoint::new(blob.to_string()), None).await.unwrap();
    }
    world.set_clock(hour(24 * 20), 0);
    assert_eq!(sweep(&sweeper).await.deleted, 1);
    assert_eq!(world.table.row(&old.checkpoint_key()), None);
    assert!(world.table.row(&open.checkpoint_key()).is_some(), "its hour was never swept");
}

#[tokio::test]
async fn nothing_is_deleted_without_a_known_watermark() {
    let world = World::default();
    let old = blob_in(1, hour(-24 * 30), 1);
    world.table.swap(&old.checkpoint_key(), &Checkpoint::new(old.to_string()), None).await.unwrap();
    world.commit(&blob_in(1, NINE, 1), &records(1));
    world.set_clock(NINE, 30);
    world.faults.all_of(Call::Scan, "sweep-", Action::Fail(When::Before));
    let sweeper = world.sweeper_named("a");
    let swept = sweep(&sweeper).await;
    assert_eq!((swept.deleted, swept.failed_scans), (0, 1), "{swept}");
    world.faults.clear();
    assert_eq!(sweep(&sweeper).await.deleted, 1);
}
