//! A repeated message is the same message, whatever has changed since.

use crate::support::blobs::blob;
use crate::support::faults::{Action, Call, When};
use crate::support::judge::{Verdict, judge};
use crate::support::records::records;
use crate::support::world::{World, play};
use flowlog_forwarder::checkpoint::InFlightRange;
use flowlog_forwarder::forward::ForwarderOptions;
use flowlog_forwarder::message::PartitionKey;
use flowlog_forwarder::ports::checkpoints::CheckpointStore as _;
use std::num::NonZeroUsize;

fn options(max_message_bytes: usize, partition_key: PartitionKey) -> ForwarderOptions {
    let max_message_bytes = NonZeroUsize::new(max_message_bytes);
    ForwarderOptions { max_message_bytes, partition_key, ..ForwarderOptions::default() }
}

/// A process with the options `before` sends a blob, but the answer to its second batch is lost. After
/// `between`, a process with the options `after` takes over.
async fn taken_over(
    before: ForwarderOptions,
    after: ForwarderOptions,
    between: impl AsyncFnOnce(&World),
) -> (World, Verdict) {
    let world = World::with_hub_limit(4_000);
    let commit = world.commit(&blob(1), &records(30));
    world.faults.nth(Call::Send, 1, Action::Fail(When::After));
    play(&world.process_with("a", before), &blob(1), &commit).await.unwrap_err();
    between(&world).await;
    play(&world.process_with("b", after), &blob(1), &commit).await.unwrap();
    let verdict = judge(&records(30), &world.hub.received());
    let again = verdict.repeated + verdict.doubled;
    assert!(again > 0, "a batch without an answer is sent again: {verdict:?}");
    (world, verdict)
}

async fn nothing(_: &World) {}

#[tokio::test]
async fn a_changed_limit_changes_no_repeated_message() {
    for (before, after) in [(2_000, 2_000), (2_000, 3_000), (3_000, 2_000), (3_000, 1_500)] {
        let [before, after] = [before, after].map(|limit| options(limit, PartitionKey::None));
        let what = format!("{:?} to {:?}", before.max_message_bytes, after.max_message_bytes);
        let (_, verdict) = taken_over(before, after, nothing).await;
        assert!(verdict.is_kept(), "{what}: {verdict:?}");
    }
}

#[tokio::test]
async fn a_changed_partition_key_changes_no_repeated_message() {
    use PartitionKey::{Nic, None};
    for (before, after) in [(None, Nic), (Nic, None)] {
        let (world, verdict) = taken_over(options(2_000, before), options(2_000, after), nothing).await;
        assert!(verdict.is_kept(), "{before:?} to {after:?}: {verdict:?}");
        // All of it was in flight.
        let keyed = world.hub.received().iter().filter(|event| event.partition_key.is_some()).count();
        assert_eq!(keyed, if before == Nic { world.hub.received().len() } else { 0 });
    }
}

#[tokio::test]
async fn a_row_without_bounds_is_taken_over_with_the_current_ones() {
    let options = || options(2_000, PartitionKey::None);
    let (world, verdict) = taken_over(options(), options(), async |world| {
        let key = blob(1).checkpoint_key();
        let (mut row, version) = world.table.load(&key).await.unwrap().unwrap();
        let in_flight = row.in_flight.unwrap();
        assert!(in_flight.bounds.is_some());
        row.in_flight = Some(InFlightRange { bounds: None, ..in_flight });
        world.table.swap(&key, &row, Some(&version)).await.unwrap();
    })
    .await;
    assert!(verdict.is_kept(), "{verdict:?}");
    assert_eq!(world.table.row(&blob(1).checkpoint_key()).unwrap().in_flight, None);
}

#[tokio::test]
async fn a_lower_limit_of_the_link_loses_nothing() {
    let whole = options(3_500, PartitionKey::None);
    let (_, verdict) =
        taken_over(whole.clone(), whole.clone(), async |world| world.hub.set_limit(3_900)).await;
    assert!(verdict.is_kept(), "the messages still fit: {verdict:?}");
    let (_, verdict) = taken_over(whole.clone(), whole, async |world| world.hub.set_limit(2_000)).await;
    assert_eq!((verdict.lost, verdict.altered), (0, 0), "the messages must change: {verdict:?}");
}
