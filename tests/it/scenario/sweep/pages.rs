//! Names and rows are compared page by page, and stale blobs wait in a bounded queue.

use super::sweep;
use crate::support::blobs::{NINE, blob_in, container};
use crate::support::faults::{Answered, Call};
use crate::support::records::{content, record};
use crate::support::world::World;
use flowlog_forwarder::checkpoint::Checkpoint;
use flowlog_forwarder::flow_log::FlowLogBlob;
use flowlog_forwarder::ports::checkpoints::CheckpointStore as _;
use flowlog_forwarder::sweep::{SweepReport, SweeperOptions};
use proptest::prelude::*;
use std::sync::Arc;

/// A step of a sweep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Names(usize),
    Rows(usize),
    /// A blob is read to be forwarded.
    Read,
}

/// Sweeps `world` once, and returns the steps, in order.
async fn sweep_steps(world: &World, options: SweeperOptions) -> (SweepReport, Vec<Step>) {
    let swept = sweep(&world.sweeper_with(&Arc::new(world.process("a")), options)).await;
    let answered = world.faults.answered().into_iter();
    let steps = answered.filter_map(|Answered { call, target, items }| match call {
        Call::List => (items > 0).then_some(Step::Names(items)),
        // Not the rows of the sweep itself, nor those that may be too old.
        Call::Scan => target.starts_with("20261122").then_some(Step::Rows(items)),
        _ => Some(Step::Read),
    });
    (swept, steps.collect())
}

#[tokio::test]
async fn an_hour_of_twenty_thousand_blobs_is_compared_page_by_page() {
    let world = World::default();
    world.set_clock(NINE, 30);
    for nic in 0..20_500 {
        let blob = blob_in(1, NINE, nic);
        let mut row = Checkpoint::new(blob.to_string());
        row.progress.etag = Some(world.blobs.commit(&blob, "{\"records\":[]}"));
        world.table.swap(&blob.checkpoint_key(), &row, None).await.unwrap();
    }
    let (swept, steps) = sweep_steps(&world, SweeperOptions::default()).await;
    assert_eq!((swept.listed, swept.behind), (20_500, 0), "{swept}");
    // The rows of a page are read after its names, and before the names of the next page.
    let page = |count| [Step::Names(count), Step::Rows(count)];
    let expected: Vec<_> = [1_000; 20].into_iter().chain([500]).flat_map(page).collect();
    assert_eq!(steps, expected);
}

#[tokio::test]
async fn listing_waits_while_many_blobs_wait_to_be_forwarded() {
    let world = World::default();
    world.set_clock(NINE, 30);
    let one = content(&[record(1, 1)]);
    for nic in 0..6_000 {
        world.commit_raw(&blob_in(nic % 20, NINE, nic), one.clone());
    }
    let (swept, steps) =
        sweep_steps(&world, SweeperOptions { page_size: 100, ..SweeperOptions::default() }).await;
    assert_eq!((swept.behind, swept.caught_up), (6_000, 6_000), "{swept}");
    let (mut waiting, mut most) = (0, 0);
    for step in steps {
        match step {
            Step::Names(count) => waiting += count,
            Step::Rows(_) => {}
            Step::Read => waiting -= 1,
        }
        most = most.max(waiting);
    }
    // The limit of a thousand, eight pages in progress when it is reached, and the blobs being forwarded.
    assert!(most <= 1_000 + 8 * 100 + 32, "{most} waited at once");
}

/// The address of a NIC in one of the spellings that names have.
fn spelled(nic: u32, how: u8) -> String {
    match how {
        0 => format!("6045BD{nic:06X}"),
        1 => format!("6045bd{nic:06x}"),
        _ => format!("60-45-BD-{nic:06X}"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn names_and_rows_in_different_orders_are_compared_right(
        blobs in proptest::collection::btree_map(0..60u32, (0..3u8, 0..3u8), 0..40),
        strangers in proptest::collection::btree_set(0..60u32, 0..40),
        page in 1..9u32,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let world = World::default();
            world.set_clock(NINE, 30);
            let folder = blob_in(1, NINE, 1).name().split("macAddress").next().unwrap().to_owned();
            let put = async |blob: &FlowLogBlob, etag: Option<String>| {
                let mut row = Checkpoint::new(blob.to_string());
                row.progress.etag = etag;
                world.table.swap(&blob.checkpoint_key(), &row, None).await.unwrap();
            };
            world.blobs.put(&container(), &format!("{folder}notes.txt"));
            let mut behind = 0;
            for (nic, (how, state)) in &blobs {
                let name = format!("{folder}macAddress={}/PT1H.json", spelled(*nic, *how));
                let blob = container().blob(&name).unwrap();
                let old = world.blobs.commit(&blob, "{\"records\":[]}");
                match state {
                    0 => behind += 1,
                    1 => {
                        put(&blob, Some(old)).await;
                        world.blobs.commit(&blob, "{\"records\":[ ]}");
                        behind += 1;
                    }
                    _ => put(&blob, Some(old)).await,
                }
            }
            // Rows of deleted blobs between them.
            for nic in &strangers {
                let name = format!("{folder}macAddress={}/PT1H.json", spelled(nic + 1_000, 0));
                put(&container().blob(&name).unwrap(), None).await;
                let name = format!("{folder}macAddress={}0/PT1H.json", spelled(*nic, 0));
                put(&container().blob(&name).unwrap(), None).await;
            }
            let process = Arc::new(world.process("a"));
            let options = SweeperOptions { page_size: page, ..SweeperOptions::default() };
            let swept = sweep(&world.sweeper_with(&process, options)).await;
            assert_eq!((swept.listed, swept.behind), (blobs.len() as u64, behind));
            assert_eq!(sweep(&world.sweeper(&process)).await.behind, 0);
        });
    }
}
