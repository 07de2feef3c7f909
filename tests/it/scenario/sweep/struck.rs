//! A sweep is struck at each of its calls in turn: whatever it left, the next ones finish, and what comes
//! twice is the same twice.

use super::NINE;
use crate::support::chaos::{Act, Call, Chaos, Life, Through, When};
use crate::support::memory::{MemoryBlobs, MemoryQuarantine, MemoryTable, MemoryWatermarkCopy};
use crate::support::memory_hub::{MemoryHub, records_of};
use crate::support::samples::{blob_in, container, record};
use crate::support::world::{Twins, World};
use flowlog_forwarder::checkpoint::{CLAIM, Checkpoint};
use flowlog_forwarder::flow_log::CheckpointKey;
use flowlog_forwarder::forward::lease_store::LeaseStore;
use flowlog_forwarder::forward::{Forwarder, ForwarderOptions};
use flowlog_forwarder::hour::Hour;
use flowlog_forwarder::ports::checkpoints::CheckpointStore as _;
use flowlog_forwarder::sweep::{self, SweepResult, Sweeper};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;

pub(super) type ChaosSweeper = Sweeper<
    Twins<
        Through<MemoryBlobs>,
        Through<MemoryTable>,
        Through<Arc<MemoryHub>>,
        Through<MemoryQuarantine>,
        Through<MemoryWatermarkCopy>,
    >,
>;

/// A process in `world`, whose calls go through `chaos`.
pub(super) fn process(world: &World, chaos: &Arc<Chaos>, me: &str) -> (ChaosSweeper, Arc<Life>) {
    fn through<T>(inner: T, (chaos, life): (&Arc<Chaos>, &Arc<Life>)) -> Through<T> {
        Through { inner, chaos: Arc::clone(chaos), life: Arc::clone(life) }
    }
    let life = Arc::new(Life::default());
    let way = (chaos, &life);
    let blobs = Arc::new(through(world.blobs.clone(), way));
    let leases = LeaseStore::new(through(world.table.clone(), way), me.to_owned(), world.clock());
    let hub = Arc::new(through(Arc::clone(&world.hub), way));
    let quarantine = through(world.quarantine.clone(), way);
    let forwarder = Forwarder::new(Arc::clone(&blobs), leases, hub, quarantine, ForwarderOptions::default());
    let (table, copy) = (through(world.table.clone(), way), through(world.copy.clone(), way));
    let (forwarder, options) = (Arc::new(forwarder), sweep::SweeperOptions::default());
    let sweeper = Sweeper::new(vec![container()], blobs, table, copy, forwarder, world.clock(), options);
    (sweeper, life)
}

/// Three blobs behind, one of them several messages long, and a row that is too old.
async fn world() -> (World, BTreeSet<String>, CheckpointKey) {
    let world = World { hub: Arc::new(MemoryHub::with_limit(2_500)), ..World::default() };
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
    let (sweeper, _) = process(world, &Chaos::new([]), "another");
    for _ in 0..3 {
        match sweeper.sweep().await {
            SweepResult::Finished(swept) if swept.behind == 0 => return,
            SweepResult::Finished(swept) => assert_eq!((swept.failed, swept.failed_scans), (0, 0), "{swept}"),
            SweepResult::AlreadyRunning => panic!("one at a time"),
        }
    }
    panic!("three sweeps were not enough");
}

#[tokio::test]
async fn a_sweep_struck_at_any_call_loses_nothing_and_repeats_only_the_same() {
    let (undisturbed, ..) = world().await;
    let chaos = Chaos::new([]);
    process(&undisturbed, &chaos, "first").0.sweep().await;
    let calls = chaos.calls();
    for call in [Call::List, Call::Scan, Call::Delete, Call::Swap, Call::Read, Call::Send, Call::Copy] {
        assert!(calls.contains(&call), "{call:?} is struck, too");
    }
    for act in [When::Before, When::After].into_iter().flat_map(|when| [Act::Fail(when), Act::Kill(when)]) {
        for (number, call) in calls.iter().enumerate() {
            let case = format!("{act:?} at call {number}, {call:?}");
            let (world, expected, old) = world().await;
            let (sweeper, life) = process(&world, &Chaos::new([(number, act)]), "first");
            tokio::select! {
                _ = sweeper.sweep() => {}
                () = life.ended() => {}
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
