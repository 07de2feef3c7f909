//! Closed hours are scanned again, and no hour closes before a full scan.

use super::{fail_sends, hour, sweep, world_at};
use crate::support::blobs::{NINE, blob_in};
use crate::support::faults::{Action, Call, When};
use crate::support::records::{own_records, records};
use crate::support::world::{MemorySweeper, World, play};
use flowlog_forwarder::checkpoint::Checkpoint;
use flowlog_forwarder::ports::checkpoints::CheckpointStore as _;
use flowlog_forwarder::sweep::SweepReport;

/// Sweeps twice an hour, in the hours `[from, to)` after nine o'clock.
async fn sweep_on(world: &World, sweeper: &MemorySweeper, from: i64, to: i64) -> Vec<SweepReport> {
    let mut all = Vec::new();
    for (after, minute) in (from..to).flat_map(|after| [(after, 15), (after, 45)]) {
        world.set_clock(hour(after), minute);
        all.push(sweep(sweeper).await);
    }
    all
}

/// Nine o'clock with one blob, forwarded and closed.
async fn closed_world() -> (World, MemorySweeper) {
    let (world, sweeper) = world_at(30).await;
    world.commit(&blob_in(1, NINE, 1), &records(2));
    sweep(&sweeper).await;
    world.set_clock(hour(2), 4);
    sweep(&sweeper).await;
    assert_eq!(world.watermark(), hour(1));
    (world, sweeper)
}

#[tokio::test]
async fn a_commit_to_a_closed_hour_arrives_within_a_day_without_an_event() {
    let (world, sweeper) = closed_world().await;
    world.commit(&blob_in(1, NINE, 1), &records(5));
    let sweeps = sweep_on(&world, &sweeper, 3, 28).await;
    assert_eq!(world.received(), records(5));
    let found: Vec<_> = sweeps.iter().filter(|swept| swept.behind_in_closed > 0).collect();
    assert_eq!(found.len(), 1);
    assert!(found[0].needs_attention(), "{}", found[0]);
    assert!(found[0].to_string().contains("1 blobs of closed hours were behind"), "{}", found[0]);
}

#[tokio::test]
async fn a_dead_claim_on_a_closed_hour_is_taken_over_within_a_day() {
    let (world, sweeper) = closed_world().await;
    let blob = blob_in(1, NINE, 1);
    world.set_clock(hour(2), 10);
    let commit = world.commit(&blob, &records(5));
    let now = hour(2).number() * 3_600_000 + 10 * 60_000;
    let (row, version) = world.table.load(&blob.checkpoint_key()).await.unwrap().unwrap();
    let claimed = row.claimed("killed", now, commit.length);
    world.table.swap(&blob.checkpoint_key(), &claimed, Some(&version)).await.unwrap();
    // Answered with 200, because the owner of the claim is to forward it.
    play(&world.process("b"), &blob, &commit).await.unwrap();
    sweep_on(&world, &sweeper, 3, 28).await;
    assert_eq!(world.received(), records(5));
}

#[tokio::test]
async fn closed_hours_are_scanned_once_a_day_by_any_process() {
    let (world, sweeper) = world_at(0).await;
    world.set_clock(hour(48), 0);
    sweep(&sweeper).await;
    let closed = world.watermark().number() - hour(-1).number();
    let (mut looks, mut most) = (0, 0);
    for (after, minute) in (48..72).flat_map(|after| (0..12).map(move |turn| (after, turn * 5 + 5))) {
        world.set_clock(hour(after), minute);
        // Each sweep runs in another process.
        let swept = sweep(&world.sweeper_named("another")).await;
        looks += swept.rescanned;
        most = most.max(swept.rescanned);
    }
    // Hours that close during the day may be rescanned already.
    assert!((closed..=closed + 24).contains(&looks), "{looks} looks at {closed} closed hours");
    assert!(most < 8, "{most} in one sweep");
}

#[tokio::test]
async fn a_closed_hour_with_a_failing_blob_is_retried_by_each_sweep() {
    let (world, sweeper) = closed_world().await;
    world.commit(&blob_in(1, NINE, 1), &records(5));
    world.set_clock(hour(27), 0);
    fail_sends(&world, 0..5);
    let swept = sweep(&sweeper).await;
    assert_eq!((swept.behind_in_closed, swept.failed), (1, 1), "{swept}");
    let mut minute = 0;
    while world.received().len() < 5 {
        minute += 5;
        assert!(minute < 60, "each sweep retries it");
        world.set_clock(hour(27), minute);
        sweep(&sweeper).await;
    }
}

#[tokio::test]
async fn an_hour_behind_an_open_one_is_scanned_again() {
    let (world, sweeper) = world_at(0).await;
    let stuck = blob_in(1, NINE, 1);
    let commit = world.commit(&stuck, &records(4));
    let row = Checkpoint::new(stuck.to_string()).claimed("somebody", u64::MAX / 2, commit.length);
    world.table.swap(&stuck.checkpoint_key(), &row, None).await.unwrap();
    world.set_clock(hour(6), 0);
    sweep(&sweeper).await;
    let late = own_records(7, 3);
    world.commit(&blob_in(1, hour(2), 2), &late);
    sweep_on(&world, &sweeper, 6, 32).await;
    assert_eq!((world.received(), world.watermark()), (late, NINE));
}

#[tokio::test]
async fn commits_before_the_installation_are_never_forwarded() {
    let (world, sweeper) = world_at(0).await;
    for after in [-30, -3, -2] {
        world.commit(&blob_in(1, hour(after), 1), &records(1));
    }
    sweep_on(&world, &sweeper, 1, 60).await;
    assert_eq!(world.received().len(), 0);
}

#[tokio::test]
async fn a_new_flow_log_is_found_by_the_next_sweep() {
    let (world, sweeper) = world_at(30).await;
    world.commit(&blob_in(7, NINE, 1), &records(2));
    world.set_clock(NINE, 35);
    assert_eq!(sweep(&sweeper).await.records, 2);
}

#[tokio::test]
async fn the_first_commit_of_a_flow_log_is_seen_before_its_hour_closes() {
    let (world, sweeper) = world_at(30).await;
    world.set_clock(hour(1), 2);
    sweep(&sweeper).await;
    world.commit(&blob_in(7, NINE, 1), &records(3));
    world.set_clock(hour(2), 0);
    sweep(&sweeper).await;
    assert_eq!((world.received(), world.watermark()), (records(3), hour(1)));
}

#[tokio::test]
async fn no_hour_closes_while_a_folder_cannot_be_listed() {
    let (world, sweeper) = world_at(30).await;
    let new = blob_in(7, NINE, 1);
    world.commit(&new, &records(3));
    world.commit(&blob_in(1, NINE, 1), &own_records(5, 1));
    world.faults.all_of(Call::List, new.name().split("y=").next().unwrap(), Action::Fail(When::After));
    world.set_clock(hour(2), 0);
    let swept = sweep(&sweeper).await;
    assert_eq!((swept.records, swept.failed_scans), (1, 1), "the known flow log is swept: {swept}");
    assert_eq!(world.watermark(), hour(-1));
    world.faults.clear();
    assert_eq!(sweep(&sweeper).await.records, 3);
    assert_eq!(world.watermark(), hour(1));
}
