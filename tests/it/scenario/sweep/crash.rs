//! A sweep fails or crashes at each of its calls in turn: the next sweeps forward the rest.

use crate::support::blobs::{NINE, blob_in};
use crate::support::faults::{Action, Call, Faults, When};
use crate::support::records::{record, records_of};
use crate::support::world::World;
use flowlog_forwarder::checkpoint::{CLAIM, Checkpoint};
use flowlog_forwarder::flow_log::CheckpointKey;
use flowlog_forwarder::hour::Hour;
use flowlog_forwarder::ports::checkpoints::CheckpointStore as _;
use flowlog_forwarder::sweep::SweepResult;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;

/// Three blobs behind, one of them several messages long, and a row that is too old.
async fn world() -> (World, BTreeSet<String>, CheckpointKey) {
    let world = World::with_hub_limit(2_500);
    world.set_clock(NINE, 5);
    let mut expected = BTreeSet::new();
    for (nic, hour, count) in [(1, NINE.number() - 1, 9), (2, NINE.number(), 2), (3, NINE.number(), 1)] {
        let records: Vec<_> = (0..count).map(|number| record(nic * 100 + number, 2)).collect();
        world.commit(&blob_in(1, Hour::new(hour), nic), &records);
        expected.extend(records);
    }
    let old = blob_in(1, Hour::new(NINE.number() - 24 * 30), 9).checkpoint_key();
    world.table.swap(&old, &Checkpoint::new("old".to_owned()), None).await.unwrap();
    (world, expected, old)
}

async fn sweep_until_all_is_forwarded(world: &World) {
    let sweeper = world.with_faults(Faults::at([])).sweeper_named("another");
    for _ in 0..3 {
        match sweeper.sweep().await {
            SweepResult::Finished(swept) if swept.behind == 0 => return,
            SweepResult::Finished(swept) => assert_eq!((swept.failed, swept.failed_scans), (0, 0), "{swept}"),
            SweepResult::AlreadyRunning => panic!("no other sweep is under way"),
        }
    }
    panic!("still behind after three sweeps");
}

#[tokio::test]
async fn a_sweep_that_fails_at_any_call_loses_nothing() {
    let (undisturbed, ..) = world().await;
    undisturbed.sweeper_named("first").sweep().await;
    let calls = undisturbed.faults.calls();
    for call in [Call::List, Call::Scan, Call::Delete, Call::Swap, Call::Read, Call::Send, Call::Copy] {
        assert!(calls.contains(&call), "no {call:?} to strike");
    }
    for action in
        [When::Before, When::After].into_iter().flat_map(|when| [Action::Fail(when), Action::Kill(when)])
    {
        for (number, call) in calls.iter().enumerate() {
            let case = format!("{action:?} at call {number}, {call:?}");
            let (world, expected, old) = world().await;
            let struck = world.with_faults(Faults::at([(number, action)]));
            let sweeper = struck.sweeper_named("first");
            tokio::select! {
                _ = sweeper.sweep() => {}
                () = struck.life.ended() => {}
            }
            drop(sweeper);
            world.now.fetch_add(u64::try_from(CLAIM.as_millis()).unwrap() + 1, Ordering::Relaxed);
            sweep_until_all_is_forwarded(&world).await;

            let mut messages = BTreeMap::new();
            for message in world.hub.received() {
                let first = messages.entry(message.id).or_insert_with(|| message.body.clone());
                assert_eq!(*first, message.body, "{case}");
            }
            let records: Vec<_> = messages.values().flat_map(|body| records_of(body)).collect();
            assert_eq!(records.len(), expected.len(), "{case}");
            assert_eq!(records.into_iter().collect::<BTreeSet<_>>(), expected, "{case}");
            assert_eq!(world.table.row(&old), None, "{case}");
        }
    }
}
