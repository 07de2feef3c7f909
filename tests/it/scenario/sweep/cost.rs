//! The calls of a sweep, and the retention of rows.

use super::{hour, sweep, world_at};
use crate::support::blobs::{NINE, blob_in, container};
use crate::support::records::{content, own_records, records};
use crate::support::world::{World, play};
use flowlog_forwarder::checkpoint::Checkpoint;
use flowlog_forwarder::hour::Retention;
use flowlog_forwarder::ports::checkpoints::{CheckpointStore as _, CheckpointTable as _};
use flowlog_forwarder::sweep::SweeperOptions;
use std::sync::Arc;

#[tokio::test]
async fn an_idle_sweep_costs_a_list_and_a_query_per_flow_log_and_hour() {
    let (world, sweeper) = world_at(30).await;
    for flow_log in 0..10 {
        for (after, nic) in (-1..=0).flat_map(|after| (0..50).map(move |nic| (after, nic))) {
            world.commit(&blob_in(flow_log, hour(after), nic), &own_records(1, 1));
        }
    }
    let sweeper_of_ten = world.sweeper_named("b");
    assert_eq!(sweep(&sweeper_of_ten).await.caught_up, 1_000);
    let calls = || (world.blobs.take_lists(), world.table.take_calls(), world.blobs.take_reads().len());
    calls();

    let swept = sweep(&sweeper_of_ten).await;
    assert_eq!((swept.flow_logs, swept.scanned, swept.listed, swept.behind), (10, 20, 1_000, 0));
    // Lists: the root and the two folders below, and one for each of ten flow logs and two hours.
    // Queries: the sweep's own rows, one for each list, and one for rows that are too old.
    assert_eq!(calls(), (3 + 20, 1 + 20 + 1, 0));

    // Once an hour: a last scan of the hour that closes, and two writes, of the watermark and of the time of the
    // last rescan.
    world.set_clock(hour(1), 31);
    sweep(&sweeper_of_ten).await;
    // Ten empty lists for the hour that began, which need no query.
    assert_eq!(calls(), (3 + 30, 1 + 20 + 1 + 2, 0));
    drop(sweeper);
}

#[tokio::test]
async fn more_than_a_page_of_blobs_and_rows_is_compared_whole() {
    let (world, sweeper) = world_at(30).await;
    for nic in 0..5_001 {
        world.commit(&blob_in(1, NINE, nic), &own_records(1, 1));
    }
    assert_eq!(sweep(&sweeper).await.caught_up, 5_001);
    world.forget_calls();
    let swept = sweep(&sweeper).await;
    assert_eq!((swept.listed, swept.behind), (5_001, 0));
    // Lists: the folders above the flow log, the empty hour, six pages of a thousand names. Queries: the sweep's
    // own rows, one for each page of names, and rows that are too old.
    assert_eq!((world.blobs.take_lists(), world.table.take_calls()), (3 + 1 + 6, 1 + 6 + 1));
}

#[tokio::test]
async fn commits_without_records_are_read_once() {
    let (world, sweeper) = world_at(0).await;
    let one = content(&records(1));
    let grown = format!("{} \r\n\t ]}}", one.strip_suffix("]}").unwrap());
    for (step, raw) in ["", "{\"records\":[]}", "{\"records\":[ \n]}", &one, &grown].into_iter().enumerate() {
        world.commit_raw(&blob_in(1, NINE, 1), raw.to_owned());
        assert_eq!(sweep(&sweeper).await.caught_up, 1, "step {step}");
        world.forget_calls();
        assert_eq!(sweep(&sweeper).await.behind, 0, "step {step}");
        assert_eq!(world.blobs.take_reads().len(), 0, "step {step}");
    }
    assert_eq!(world.received(), records(1));
}

#[tokio::test]
async fn a_stuck_hour_causes_no_scans_of_the_hours_behind_it() {
    let (world, sweeper) = world_at(0).await;
    let stuck = blob_in(1, NINE, 1);
    let commit = world.commit(&stuck, &records(4));
    let row = Checkpoint::new(stuck.to_string()).claimed("somebody", u64::MAX / 2, commit.length);
    let version = world.table.swap(&stuck.checkpoint_key(), &row, None).await.unwrap();
    for after in 1..=30 {
        world.commit(&blob_in(1, hour(after), 2), &own_records(u32::try_from(after).unwrap(), 1));
    }
    world.set_clock(hour(30), 0);
    let swept = sweep(&sweeper).await;
    assert_eq!((swept.scanned, swept.records, swept.claimed_elsewhere), (32, 30, 1));
    assert_eq!(world.watermark(), NINE);
    let swept = sweep(&sweeper).await;
    assert_eq!(
        (swept.scanned, swept.claimed_elsewhere),
        (3, 1),
        "the stuck hour, the open one and the one before"
    );
    let restarted = world.sweeper_named("b");
    assert_eq!(sweep(&restarted).await.scanned, 31, "another process scans all of them once");
    world.table.delete(&stuck.checkpoint_key(), &version).await.unwrap();
    assert_eq!(sweep(&sweeper).await.records, 4);
    assert_eq!(world.watermark(), hour(29));
}

#[tokio::test]
async fn rows_older_than_the_retention_are_deleted_without_repeats() {
    let world = World::default();
    let process = Arc::new(world.process("a"));
    for days in 0..12 {
        let blob = blob_in(1, hour(-24 * days), 1);
        play(&process, &blob, &world.commit(&blob, &own_records(1, 1))).await.unwrap();
    }
    let claimed = blob_in(1, hour(-24 * 9), 1).checkpoint_key();
    world.set_clock(NINE, 0);
    let (row, version) = world.table.load(&claimed).await.unwrap().unwrap();
    let now = NINE.number() * 3_600_000;
    let version = world.table.swap(&claimed, &row.claimed("somebody", now, 1), Some(&version)).await.unwrap();
    let sent = world.received().len();

    let options = SweeperOptions { retention: Retention::of_days(7), ..SweeperOptions::default() };
    let sweeper = world.sweeper_with(&Arc::new(world.process("b")), options);
    let swept = sweep(&sweeper).await;
    assert_eq!(swept.deleted, 3, "8, 10 and 11 days old; 9 days old is claimed: {swept}");
    let kept: Vec<String> = world.table.keys().iter().map(|key| key.partition[..8].to_owned()).collect();
    let (days, of_sweep) = kept.split_at(kept.len() - 3);
    let expected = [13, 15, 16, 17, 18, 19, 20, 21, 22].map(|day| format!("202611{day}"));
    assert_eq!(days, expected);
    assert!(of_sweep.iter().all(|partition| partition.starts_with("sweep-")), "{of_sweep:?}");
    assert_eq!(world.table.load(&claimed).await.unwrap().unwrap().1, version);
    assert_eq!(world.watermark(), hour(-1), "the row of the watermark has no day");
    assert_eq!(sweep(&sweeper).await.deleted, 0);
    assert_eq!(world.received().len(), sent);
}

#[tokio::test]
async fn a_longer_retention_sends_nothing_again() {
    let world = World::default();
    let sweeper = |days| {
        let options = SweeperOptions { retention: Retention::of_days(days), ..SweeperOptions::default() };
        world.sweeper_of(vec![container()], &Arc::new(world.process("a")), options)
    };
    let short = sweeper(2);
    let mut sent = 0;
    for after in 0..24 * 10 {
        world.set_clock(hour(after), 30);
        world.commit(&blob_in(1, hour(after), 1), &own_records(u32::try_from(after).unwrap(), 1));
        sent += sweep(&short).await.records;
    }
    assert_eq!(sent, 240);
    let long = sweeper(7);
    for after in 24 * 10..24 * 12 {
        world.set_clock(hour(after), 30);
        assert_eq!(sweep(&long).await.records, 0, "{after} hours after the first");
    }
}

#[tokio::test]
async fn at_most_a_thousand_rows_are_deleted_by_one_sweep() {
    let (world, sweeper) = world_at(0).await;
    for nic in 0..1_500 {
        let blob = blob_in(nic % 3, hour(-24 * 20), nic);
        world.table.swap(&blob.checkpoint_key(), &Checkpoint::new(blob.to_string()), None).await.unwrap();
    }
    world.table.take_calls();
    assert_eq!(sweep(&sweeper).await.deleted, 1_000);
    assert_eq!(world.table.take_calls(), 1 + 1 + 1_000);
    assert_eq!(sweep(&sweeper).await.deleted, 500);
    assert_eq!(sweep(&sweeper).await.deleted, 0);
}

#[tokio::test]
async fn a_watermark_older_than_the_retention_is_raised_to_it() {
    let (world, sweeper) = world_at(0).await;
    world.commit(&blob_in(1, hour(24), 1), &records(1));
    let inside = own_records(5, 2);
    world.commit(&blob_in(1, hour(24 * 20), 1), &inside);
    world.set_clock(hour(24 * 25), 0);
    let swept = sweep(&sweeper).await;
    assert_eq!(swept.hours.unwrap().0.to_string(), "2026-12-11T00Z");
    assert_eq!(world.received(), inside);
}
