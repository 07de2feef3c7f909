//! The sweep on twins, with a clock that only tests set.

mod claims;
mod clock;
mod closed_hours;
mod cost;
mod crash;
mod deadlines;
mod installation;
mod lost_events;
mod lost_table;
mod outages;
mod pages;
mod report;
mod shares;

use crate::support::blobs::{NINE, blob_in};
use crate::support::faults::{Action, Call, When};
use crate::support::records::{content, own_records};
use crate::support::world::{MemorySweeper, World};
use flowlog_forwarder::hour::Hour;
use flowlog_forwarder::sweep::{SweepReport, SweepResult};

/// The hour so many hours after nine o'clock.
fn hour(after: i64) -> Hour {
    Hour::new(NINE.number().checked_add_signed(after).unwrap())
}

/// Fails the sends with these numbers, counted from 0; they do not reach the hub.
fn fail_sends(world: &World, sends: impl IntoIterator<Item = usize>) {
    for send in sends {
        world.faults.nth(Call::Send, send, Action::Fail(When::Before));
    }
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
    let sweeper = world.sweeper_named("a");
    world.blobs.commit(&blob_in(1, hour(-48), 1), content(&own_records(9_999, 1)));
    world.set_clock(NINE, minute);
    assert_eq!(sweep(&sweeper).await.records, 0);
    (world, sweeper)
}

/// The records received, sorted: blobs may come in any order.
fn received(world: &World) -> Vec<String> {
    sorted(world.received())
}

fn sorted(mut records: Vec<String>) -> Vec<String> {
    records.sort();
    records
}
