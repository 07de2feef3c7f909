//! Commits whose events are lost or late, or run beside a sweep.

use super::{hour, received, sorted, sweep, world_at};
use crate::support::blobs::{NINE, blob_in};
use crate::support::records::{own_records, records};
use crate::support::world::{World, play};
use flowlog_forwarder::flow_log::FlowLogBlob;
use std::sync::Arc;

#[tokio::test]
async fn without_any_event_every_record_arrives_once() {
    let world = World::default();
    let sweeper = world.sweeper_named("a");
    let mut all = Vec::new();
    for minute in (5..=60).step_by(5) {
        for nic in 1..=6 {
            let records = own_records(nic, u32::try_from(minute).unwrap());
            if minute == 60 {
                all.extend(records.clone());
            }
            world.commit(&blob_in(nic % 3, NINE, nic), &records);
        }
        world.set_clock(NINE, minute);
        let swept = sweep(&sweeper).await;
        assert_eq!((swept.behind, swept.caught_up, swept.records), (6, 6, 30), "{swept}");
        assert_eq!(sweep(&sweeper).await.behind, 0, "forwarded blobs are not behind");
    }
    assert_eq!(received(&world), sorted(all));
}

#[tokio::test]
async fn the_last_commit_of_the_hour_arrives_without_its_event() {
    let (world, blob) = (World::default(), blob_in(1, NINE, 1));
    let process = Arc::new(world.process("a"));
    let sweeper = world.sweeper(&process);
    world.set_clock(NINE, 59);
    play(&process, &blob, &world.commit(&blob, &records(59))).await.unwrap();
    assert_eq!(sweep(&sweeper).await.behind, 0);
    world.commit(&blob, &records(60));
    world.set_clock(hour(1), 4);
    let swept = sweep(&sweeper).await;
    assert_eq!((swept.behind, swept.caught_up, swept.records), (1, 1, 1), "{swept}");
    assert_eq!(world.received(), records(60));
}

#[tokio::test]
async fn an_hour_and_a_weekend_out_of_service_are_caught_up() {
    for (away, nics) in [(1, 3), (63, 20)] {
        let (world, sweeper) = world_at(0).await;
        let mut all = Vec::new();
        for after in 0..=away {
            for nic in 0..nics {
                let records = own_records(u32::try_from(after).unwrap() * nics + nic, 2);
                world.commit(&blob_in(nic % 2, hour(after), nic), &records);
                all.extend(records);
            }
        }
        world.set_clock(hour(away), 30);
        let swept = sweep(&sweeper).await;
        let blobs = u64::from(nics) * u64::try_from(away + 1).unwrap();
        assert_eq!((swept.behind, swept.caught_up, swept.left_over), (blobs, blobs, 0), "{swept}");
        assert_eq!(received(&world), sorted(all));
        assert_eq!(world.watermark(), hour(away - 1), "the hour before the open one may still grow");
        let again = sweep(&sweeper).await;
        assert_eq!((again.hours, again.behind), (Some((hour(away - 1), hour(away))), 0));
    }
}

#[tokio::test]
async fn a_commit_after_the_end_of_its_hour_arrives() {
    let (world, sweeper) = world_at(30).await;
    let blob = blob_in(1, NINE, 1);
    world.commit(&blob, &records(50));
    sweep(&sweeper).await;
    for late in [1, 20, 55, 59] {
        world.set_clock(hour(1), late);
        world.commit(&blob, &records(50 + u32::try_from(late).unwrap()));
        sweep(&sweeper).await;
    }
    world.commit(&blob, &records(110));
    world.set_clock(hour(2), 4);
    let swept = sweep(&sweeper).await;
    assert_eq!((swept.hours, swept.records), (Some((NINE, hour(2))), 1), "scanned once more, then closed");
    assert_eq!(world.received(), records(110));
    assert_eq!(world.watermark(), hour(1));
}

#[tokio::test]
async fn two_concurrent_sweeps_send_nothing_twice() {
    let world = World::default();
    world.set_clock(NINE, 50);
    let mut all = Vec::new();
    for nic in 0..40 {
        let records = own_records(nic, 5);
        world.commit(&blob_in(nic % 4, hour(-i64::from(nic % 2)), nic), &records);
        all.extend(records);
    }
    let sweepers = ["a", "b"].map(|name| world.sweeper_named(name));
    let (first, second) = tokio::join!(sweep(&sweepers[0]), sweep(&sweepers[1]));
    assert_eq!(
        (first.failed, second.failed, first.failed_scans, second.failed_scans),
        (0, 0, 0, 0),
        "{first}\n{second}"
    );
    assert_eq!(received(&world), sorted(all.clone()));
    let (first, second) = tokio::join!(sweep(&sweepers[0]), sweep(&sweepers[1]));
    assert_eq!((first.behind, second.behind), (0, 0));
    assert_eq!(received(&world).len(), all.len());
}

#[tokio::test]
async fn concurrent_events_and_sweeps_send_nothing_twice() {
    let world = World::default();
    world.set_clock(NINE, 50);
    let process = Arc::new(world.process("a"));
    let sweeper = world.sweeper(&process);
    let blobs: Vec<FlowLogBlob> = (0..8).map(|nic| blob_in(1, NINE, nic)).collect();
    let mut all = Vec::new();
    for round in 1..=10 {
        let commits: Vec<_> =
            blobs.iter().zip(0..).map(|(blob, nic)| world.commit(blob, &own_records(nic, round))).collect();
        let events = blobs.iter().zip(&commits).map(|(blob, commit)| play(&process, blob, commit));
        let (_, swept) = tokio::join!(futures_util::future::join_all(events), sweep(&sweeper));
        assert_eq!(swept.failed, 0, "{swept}");
        if round == 10 {
            all = (0..8).flat_map(|nic| own_records(nic, round)).collect();
        }
    }
    assert_eq!(received(&world), sorted(all));
}

#[tokio::test]
async fn a_flow_log_begun_in_the_last_minute_of_an_hour_is_found() {
    let (world, sweeper) = world_at(58).await;
    world.set_clock(NINE, 59);
    world.commit(&blob_in(7, NINE, 1), &records(1));
    for minute in [0, 3, 30, 57, 58, 59] {
        world.set_clock(hour(1), minute);
        sweep(&sweeper).await;
    }
    assert_eq!(world.received(), records(1));
}
