//! Blobs that another process has claimed.

use super::{hour, sweep, world_at};
use crate::support::blobs::{NINE, blob_in};
use crate::support::records::records;
use flowlog_forwarder::checkpoint::Checkpoint;
use flowlog_forwarder::ports::checkpoints::CheckpointStore as _;

#[tokio::test]
async fn only_the_blob_of_a_dead_owner_is_taken_over() {
    let (world, sweeper) = world_at(10).await;
    let blob = blob_in(1, NINE, 1);
    let commit = world.commit(&blob, &records(4));
    let now = hour(0).number() * 3_600_000 + 10 * 60_000;
    let row = Checkpoint::new(blob.to_string()).claimed("somebody", now, commit.length);
    world.table.swap(&blob.checkpoint_key(), &row, None).await.unwrap();
    let swept = sweep(&sweeper).await;
    assert_eq!(
        (swept.behind, swept.claimed_elsewhere, swept.records, swept.left_over),
        (1, 1, 0, 0),
        "{swept}"
    );
    assert_eq!(world.row(&blob), Some(row), "the row is unchanged");
    world.set_clock(NINE, 12);
    let swept = sweep(&sweeper).await;
    assert_eq!((swept.claimed_elsewhere, swept.caught_up, swept.records), (0, 1, 4), "{swept}");
    assert_eq!(world.received(), records(4));
}

#[tokio::test]
async fn an_hour_with_a_claimed_blob_stays_open() {
    let (world, sweeper) = world_at(10).await;
    let blob = blob_in(1, NINE, 1);
    let commit = world.commit(&blob, &records(4));
    let later = hour(3).number() * 3_600_000;
    let row = Checkpoint::new(blob.to_string()).claimed("somebody", later, commit.length);
    world.table.swap(&blob.checkpoint_key(), &row, None).await.unwrap();
    world.set_clock(hour(3), 0);
    sweep(&sweeper).await;
    assert_eq!(world.watermark(), NINE);
    world.set_clock(hour(3), 5);
    sweep(&sweeper).await;
    assert_eq!((world.watermark(), world.received()), (hour(2), records(4)));
}
