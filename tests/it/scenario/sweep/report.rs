//! The report of a sweep: its log line, its outcome and its metrics.

use super::{fail_sends, hour, sweep};
use crate::support::blobs::{NINE, blob_in};
use crate::support::records::{own_records, records};
use crate::support::world::World;
use flowlog_forwarder::checkpoint::Checkpoint;
use flowlog_forwarder::ports::checkpoints::CheckpointStore as _;
use flowlog_forwarder::sweep::SweepOutcome;
use std::sync::Arc;

fn has_lines(text: &str, lines: &[&str]) {
    for line in lines {
        assert!(text.lines().any(|found| found == *line), "{line} in:\n{text}");
    }
}

#[tokio::test]
async fn every_sweep_reports_a_broken_blob() {
    let (world, blob) = (World::default(), blob_in(1, NINE, 1));
    world.set_clock(NINE, 30);
    let commit = world.commit(&blob, &records(2));
    world.commit(&blob_in(1, NINE, 2), &own_records(7, 1));
    let mut row = Checkpoint::new(blob.to_string());
    (row.progress.etag, row.progress.skipped_bytes) = (Some(commit.etag), 17);
    world.table.swap(&blob.checkpoint_key(), &row, None).await.unwrap();
    let process = Arc::new(world.process("a"));
    let sweeper = world.sweeper(&process);
    for _ in 0..2 {
        let swept = sweep(&sweeper).await;
        assert_eq!((swept.broken, swept.needs_attention(), swept.outcome()), (1, true, SweepOutcome::Done));
        assert!(swept.to_string().contains(&format!(", 1 broken (first: {blob})")), "{swept}");
    }
    has_lines(&process.metrics().text(), &["flowlog_broken_blobs 1"]);
}

#[tokio::test]
async fn a_sweep_reports_whether_some_or_all_of_it_failed() {
    let world = World::default();
    world.set_clock(NINE, 30);
    for nic in 1..=3 {
        world.commit(&blob_in(1, NINE, nic), &own_records(nic, 1));
    }
    let process = Arc::new(world.process("a"));
    let sweeper = world.sweeper(&process);
    fail_sends(&world, [0, 1, 2, 4]);
    let swept = sweep(&sweeper).await;
    assert_eq!(
        (swept.outcome(), swept.failed, swept.still_behind()),
        (SweepOutcome::Failed, 3, 3),
        "{swept}"
    );
    has_lines(
        &process.metrics().text(),
        &[
            "flowlog_sweeps_total{outcome=\"failed\"} 1",
            "flowlog_behind_blobs 3",
            "flowlog_last_sweep_timestamp_seconds 0",
        ],
    );
    let swept = sweep(&sweeper).await;
    assert_eq!(
        (swept.outcome(), swept.failed, swept.still_behind()),
        (SweepOutcome::Partly, 1, 1),
        "{swept}"
    );
    assert!(swept.to_string().contains(", oldest not forwarded 09:30:00Z (0 min ago)"), "{swept}");
    let swept = sweep(&sweeper).await;
    assert_eq!((swept.outcome(), swept.needs_attention()), (SweepOutcome::Done, false), "{swept}");
    let at = NINE.number() * 3_600 + 30 * 60;
    has_lines(
        &process.metrics().text(),
        &[
            "flowlog_sweeps_total{outcome=\"partly\"} 1",
            "flowlog_sweeps_total{outcome=\"done\"} 1",
            "flowlog_behind_blobs 0",
            &format!("flowlog_last_sweep_timestamp_seconds {at}"),
            &format!("flowlog_newest_commit_timestamp_seconds {at}"),
        ],
    );
}

#[tokio::test]
async fn two_hours_without_any_blob_are_reported() {
    let world = World::default();
    let sweeper = world.sweeper_named("a");
    // Before the first blob, none is missing.
    world.commit(&blob_in(1, hour(-9), 1), &own_records(9, 1));
    world.set_clock(NINE, 30);
    assert!(!sweep(&sweeper).await.needs_attention());
    world.commit(&blob_in(1, NINE, 1), &records(2));
    for (after, is_silent) in [(0, false), (1, false), (2, true), (3, true)] {
        world.set_clock(hour(after), 40);
        let swept = sweep(&sweeper).await;
        assert_eq!((swept.silent.len() == 1, swept.needs_attention()), (is_silent, is_silent), "{swept}");
    }
    world.commit(&blob_in(1, hour(4), 1), &records(2));
    world.set_clock(hour(4), 40);
    assert_eq!(sweep(&sweeper).await.silent.len(), 0);
}
