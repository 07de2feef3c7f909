//! What the sweep makes of lost events, outages and dead owners: on the memory twins, with a clock that
//! only the tests move.

mod clock;
mod closed;
mod cost;
mod lost_table;
mod pages;
mod struck;
mod time;
mod told;
mod turns;

use crate::support::memory_hub::Failure;
use crate::support::samples::{blob_in, container, content, record};
use crate::support::world::{MemorySweeper, World, play, records};
use flowlog_forwarder::checkpoint::Checkpoint;
use flowlog_forwarder::flow_log::{Container, FlowLogBlob};
use flowlog_forwarder::hour::Hour;
use flowlog_forwarder::ports::checkpoints::CheckpointStore as _;
use flowlog_forwarder::ports::hub::HubError;
use flowlog_forwarder::sweep::{self, SweepOutcome, SweepReport, SweepResult};
use std::sync::Arc;
use url::Url;

/// 2026-11-22T09Z, a Sunday.
const NINE: Hour = Hour::new(498_705);

fn hour(after: i64) -> Hour {
    Hour::new(NINE.number().checked_add_signed(after).unwrap())
}

/// The records of one blob, unlike those of any other.
fn own_records(seed: u32, count: u32) -> Vec<String> {
    (0..count).map(|number| record(seed * 100 + number, 2)).collect()
}

/// A send that the hub never sees.
fn lost() -> Failure {
    Failure::Before(HubError::Unsettled { hub: "memory".to_owned(), reason: "as told".to_owned() })
}

async fn sweep(sweeper: &MemorySweeper) -> SweepReport {
    match sweeper.sweep().await {
        SweepResult::Finished(swept) => swept,
        SweepResult::AlreadyRunning => panic!("no other sweep is under way"),
    }
}

/// A world at this minute of nine o'clock, with a process that has swept it once.
async fn world_at(minute: u64) -> (World, MemorySweeper) {
    let world = World::default();
    let sweeper = world.sweeper(&Arc::new(world.process("a")));
    world.blobs.commit(&blob_in(1, hour(-48), 1), content(&own_records(9_999, 1)));
    world.set_clock(NINE, minute);
    assert_eq!(sweep(&sweeper).await.records, 0);
    (world, sweeper)
}

/// The records received, sorted: blobs may come in any order.
fn received(world: &World) -> Vec<String> {
    let mut records = world.received();
    records.sort();
    records
}

fn sorted(mut records: Vec<String>) -> Vec<String> {
    records.sort();
    records
}

/// The hour before which the sample container is known to be forwarded.
fn horizon(world: &World) -> Hour {
    Hour::new(world.table.row(&container().sweep_key()).unwrap().progress.offset)
}

#[tokio::test]
async fn with_every_event_lost_every_record_still_arrives_once() {
    let world = World::default();
    let sweeper = world.sweeper(&Arc::new(world.process("a")));
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
        assert_eq!(sweep(&sweeper).await.behind, 0, "what was forwarded is not behind");
    }
    assert_eq!(received(&world), sorted(all));
}

#[tokio::test]
async fn the_last_commit_of_the_hour_arrives_although_its_event_is_lost() {
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
async fn after_an_hour_and_after_a_weekend_out_of_service_all_of_it_is_caught_up() {
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
        assert_eq!(horizon(&world), hour(away - 1), "the hour before the open one may still grow");
        let again = sweep(&sweeper).await;
        assert_eq!((again.hours, again.behind), (Some((hour(away - 1), hour(away))), 0));
    }
}

#[tokio::test]
async fn a_fresh_installation_begins_with_the_hour_before_it() {
    let (world, mut expected) = (World::default(), Vec::new());
    for after in [-2000, -25, -2, -1, 0] {
        let records = own_records(u32::try_from(3000 + after).unwrap(), 2);
        world.commit(&blob_in(1, hour(after), 1), &records);
        if after >= -1 {
            expected.extend(records);
        }
    }
    world.set_clock(NINE, 1);
    let sweeper = world.sweeper(&Arc::new(world.process("a")));
    assert_eq!(sweep(&sweeper).await.hours, Some((hour(-1), NINE)));
    assert_eq!(received(&world), sorted(expected));
}

#[tokio::test]
async fn a_fresh_installation_that_fails_at_first_keeps_its_beginning() {
    let (world, blob) = (World::default(), blob_in(1, hour(-1), 1));
    world.commit(&blob, &records(3));
    world.set_clock(NINE, 1);
    let sweeper = world.sweeper(&Arc::new(world.process("a")));
    world.hub.fail(0, lost());
    assert_eq!(sweep(&sweeper).await.failed, 1);
    world.set_clock(hour(5), 0);
    let swept = sweep(&sweeper).await;
    assert_eq!((swept.hours, swept.records), (Some((hour(-1), hour(5))), 3));
    assert_eq!(world.received(), records(3));
}

#[tokio::test]
async fn a_commit_that_comes_after_the_hour_has_ended_arrives() {
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
    assert_eq!((swept.hours, swept.records), (Some((NINE, hour(2))), 1), "looked at once more, then closed");
    assert_eq!(world.received(), records(110));
    assert_eq!(horizon(&world), hour(1));
}

#[tokio::test]
async fn a_live_owners_blob_is_left_alone_and_a_dead_ones_is_taken_over() {
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
    assert_eq!(world.table.row(&blob.checkpoint_key()), Some(row), "nothing was noted either");
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
    assert_eq!(horizon(&world), NINE);
    world.set_clock(hour(3), 5);
    sweep(&sweeper).await;
    assert_eq!((horizon(&world), world.received()), (hour(2), records(4)));
}

#[tokio::test]
async fn two_processes_that_sweep_at_once_send_nothing_twice() {
    let world = World::default();
    world.set_clock(NINE, 50);
    let mut all = Vec::new();
    for nic in 0..40 {
        let records = own_records(nic, 5);
        world.commit(&blob_in(nic % 4, hour(-i64::from(nic % 2)), nic), &records);
        all.extend(records);
    }
    let sweepers = ["a", "b"].map(|name| world.sweeper(&Arc::new(world.process(name))));
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
async fn events_and_a_sweep_at_once_send_nothing_twice() {
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
async fn a_failing_hub_keeps_the_hour_open_until_it_is_back() {
    let (world, sweeper) = world_at(0).await;
    for nic in 0..3 {
        world.commit(&blob_in(1, NINE, nic), &own_records(nic, 1));
    }
    for send in 0..3 {
        world.hub.fail(send, lost());
    }
    world.set_clock(hour(2), 0);
    let swept = sweep(&sweeper).await;
    assert_eq!((swept.behind, swept.failed, swept.caught_up), (3, 3, 0), "{swept}");
    assert!(swept.first_failure.as_ref().unwrap().contains("PT1H.json"), "{swept}");
    assert!(!swept.scanned_nothing());
    assert_eq!(horizon(&world), NINE);
    assert_eq!(sweep(&sweeper).await.records, 3);
    assert_eq!(horizon(&world), hour(1));
}

#[tokio::test]
async fn storage_out_of_reach_is_told_and_nothing_is_passed() {
    let (world, sweeper) = world_at(0).await;
    world.commit(&blob_in(1, NINE, 1), &records(2));
    world.commit(&blob_in(2, NINE, 1), &own_records(2, 1));
    world.set_clock(hour(3), 0);
    world.blobs.fail_lists(Some(""));
    world.forget_calls();
    let swept = sweep(&sweeper).await;
    assert!(swept.scanned_nothing(), "{swept}");
    assert!(swept.to_string().contains("as told"), "{swept}");
    assert_eq!((swept.outcome(), horizon(&world)), (SweepOutcome::Failed, hour(-1)));
    assert_eq!(world.blobs.take_lists(), 1 + 5, "the walk, and five hours of the flow log that is known");

    let broken = blob_in(2, NINE, 1).name().split("/y=").next().unwrap().to_owned();
    world.blobs.fail_lists(Some(&format!("{broken}/y=")));
    let swept = sweep(&sweeper).await;
    assert_eq!(
        (swept.scanned_nothing(), swept.records, swept.failed_scans),
        (false, 2, 5),
        "one flow log, five hours: {swept}"
    );
    assert_eq!(horizon(&world), hour(-1));
    world.blobs.fail_lists(None);
    assert_eq!(sweep(&sweeper).await.records, 1);
    assert_eq!(horizon(&world), hour(2));
}

#[tokio::test]
async fn a_container_that_does_not_exist_yet_is_told_and_does_not_keep_the_others() {
    let world = World::default();
    let nowhere = Container::new(Url::parse("https://other.blob.core.windows.net/").unwrap(), "logs".into());
    world.set_clock(NINE, 0);
    world.commit(&blob_in(1, NINE, 1), &records(2));
    let containers = vec![nowhere.clone(), container()];
    let sweeper =
        world.sweeper_of(containers, &Arc::new(world.process("a")), sweep::SweeperOptions::default());
    let swept = sweep(&sweeper).await;
    assert_eq!((swept.missing.as_slice(), swept.records), (&[nowhere.to_string()][..], 2));
    assert!(!swept.scanned_nothing());
    assert_eq!(world.table.row(&nowhere.sweep_key()), None, "it begins when it is there");
}

#[tokio::test]
async fn both_layouts_are_found_among_foreign_names_in_either_case() {
    let world = World::default();
    world.set_clock(NINE, 0);
    let day = "y=2026/m=11/d=22/h=09/m=00/macAddress=A1/PT1H.json";
    let names = [
        format!("flowLogResourceID=/SUB_NETWORKWATCHERRG/NETWORKWATCHER_X_Y/{day}"),
        format!(
            "flowLogResourceID=/OTHER_NETWORKWATCHERRG/NETWORKWATCHER_X_Y/{}",
            day.replace("m=", "M=").replace("y=", "Y=").replace("d=", "D=").replace("h=", "H=")
        ),
        format!(
            "resourceId=/SUBSCRIPTIONS/S/RESOURCEGROUPS/R/PROVIDERS/MICROSOFT.NETWORK/NETWORKSECURITYGROUPS/N/{day}"
        ),
    ];
    let mut all = Vec::new();
    for (name, seed) in names.iter().zip(1..) {
        let records = own_records(seed, 2);
        world.commit(&container().blob(name).unwrap(), &records);
        all.extend(records);
    }
    let beside = "flowLogResourceID=/SUB_NETWORKWATCHERRG/NETWORKWATCHER_X_Y/y=2026/m=11/d=22/h=09/notes.txt";
    for name in ["notes.txt", "backup/y=2026/m=11/d=22/h=09/m=00/macAddress=A1/PT1H.json", "y=2026/x", beside]
    {
        world.blobs.put(&container(), name);
    }
    let swept = sweep(&world.sweeper(&Arc::new(world.process("a")))).await;
    assert_eq!((swept.flow_logs, swept.listed, swept.failed_scans), (3, 3, 0), "{swept}");
    assert_eq!(received(&world), sorted(all));
}

#[tokio::test]
async fn a_flow_log_that_begins_in_the_last_minute_of_an_hour_is_found_before_the_hour_is_closed() {
    let (world, sweeper) = world_at(58).await;
    world.set_clock(NINE, 59);
    world.commit(&blob_in(7, NINE, 1), &records(1));
    for minute in [0, 3, 30, 57, 58, 59] {
        world.set_clock(hour(1), minute);
        sweep(&sweeper).await;
    }
    assert_eq!(world.received(), records(1));
}
