//! Commits and events at one forwarder.

use crate::support::blobs::blob;
use crate::support::records::{record, records};
use crate::support::world::{World, play};
use flowlog_forwarder::checkpoint::BlobVersion;
use flowlog_forwarder::forward::plan::Continuity;
use flowlog_forwarder::forward::{Completion, Forwarded, ForwarderOptions};
use std::sync::Arc;

#[tokio::test]
async fn each_commit_forwards_only_what_it_added() {
    let (world, blob, all) = (World::default(), blob(1), records(60));
    let process = world.process("a");
    for minute in 1..=60 {
        let commit = world.commit(&blob, &all[..minute]);
        let done = play(&process, &blob, &commit).await.unwrap();
        assert_eq!((done.records, done.messages, done.completion), (1, 1, Completion::Complete));
    }
    assert_eq!(world.received(), all);
}

#[tokio::test]
async fn a_blob_that_fits_one_message_is_sent_byte_for_byte() {
    let (world, blob) = (World::default(), blob(1));
    let odd = format!("{{ \"records\" : [\n {} ,\r\n{}\n]\n}}\n", record(1, 2), record(2, 1));
    let commit = world.commit_raw(&blob, odd.clone());
    play(&world.process("a"), &blob, &commit).await.unwrap();
    assert_eq!(world.hub.bodies(), [odd.into_bytes()]);
}

#[tokio::test]
async fn a_repeated_event_forwards_nothing_and_makes_no_call() {
    let (world, blob) = (World::default(), blob(1));
    let process = world.process("a");
    let commit = world.commit(&blob, &records(3));
    play(&process, &blob, &commit).await.unwrap();
    world.forget_calls();
    assert_eq!(play(&process, &blob, &commit).await.unwrap(), Forwarded::default());
    assert_eq!((world.blobs.take_reads().len(), world.table.take_calls()), (0, 0));
    assert_eq!(world.received(), records(3));
}

#[tokio::test]
async fn a_late_event_forwards_nothing_and_moves_no_checkpoint() {
    let (world, blob) = (World::default(), blob(1));
    let process = world.process("a");
    let late = world.commit(&blob, &records(1));
    let newest = world.commit(&blob, &records(3));
    play(&process, &blob, &newest).await.unwrap();
    let before = world.table.row(&blob.checkpoint_key());
    for process in [process, world.process("b")] {
        let done = play(&process, &blob, &late).await.unwrap();
        assert_eq!((done.records, done.completion, done.rewritten), (0, Completion::Complete, None));
    }
    assert_eq!(world.table.row(&blob.checkpoint_key()), before);
    assert_eq!(world.received(), records(3));
}

#[tokio::test]
async fn one_event_forwards_everything_committed_so_far() {
    let (world, blob) = (World::default(), blob(1));
    let first = world.commit(&blob, &records(1));
    world.commit(&blob, &records(40));
    let done = play(&world.process("a"), &blob, &first).await.unwrap();
    assert_eq!((done.records, done.messages), (40, 1));
    assert_eq!(world.received(), records(40));
}

#[tokio::test]
async fn another_process_continues_where_the_first_stopped() {
    let (world, blob) = (World::default(), blob(1));
    play(&world.process("a"), &blob, &world.commit(&blob, &records(5))).await.unwrap();
    play(&world.process("b"), &blob, &world.commit(&blob, &records(9))).await.unwrap();
    assert_eq!(world.received(), records(9));
}

#[tokio::test]
async fn an_event_costs_one_read_and_two_writes() {
    let (world, blob) = (World::default(), blob(1));
    let process = world.process("a");
    play(&process, &blob, &world.commit(&blob, &records(5))).await.unwrap();
    world.forget_calls();
    play(&process, &blob, &world.commit(&blob, &records(6))).await.unwrap();
    assert_eq!((world.blobs.take_reads().len(), world.table.take_calls()), (1, 2));
}

#[tokio::test]
async fn concurrent_events_of_one_blob_send_each_record_once() {
    let (world, blob) = (World::default(), blob(1));
    let processes = [Arc::new(world.process("a")), Arc::new(world.process("b"))];
    let commits: Vec<BlobVersion> = (1..=30).map(|count| world.commit(&blob, &records(count))).collect();
    let events = commits.into_iter().enumerate().flat_map(|(n, commit)| {
        let (blob, processes) = (blob.clone(), processes.clone());
        (0..3).map(move |copy| {
            let (blob, commit, process) =
                (blob.clone(), commit.clone(), Arc::clone(&processes[(n + copy) % 2]));
            tokio::spawn(async move { play(&process, &blob, &commit).await.unwrap() })
        })
    });
    for event in events.collect::<Vec<_>>() {
        event.await.unwrap();
    }
    assert_eq!(world.received(), records(30));
}

#[tokio::test]
async fn a_large_blob_becomes_messages_with_the_same_records() {
    let world = World::with_hub_limit(4_000);
    let (blob, all) = (blob(1), records(100));
    let options = ForwarderOptions { window: 1_000, ..ForwarderOptions::default() };
    let commit = world.commit(&blob, &all);
    let done = play(&world.process_with("a", options), &blob, &commit).await.unwrap();
    assert_eq!(done.records, 100);
    assert!(done.messages >= 10, "{}", done.messages);
    assert_eq!(world.received(), all);
}

#[tokio::test]
async fn a_rewritten_blob_is_forwarded_again_from_the_start_under_new_ids() {
    let (world, blob) = (World::default(), blob(1));
    let process = world.process("a");
    play(&process, &blob, &world.commit(&blob, &records(4))).await.unwrap();
    let others: Vec<String> = (100..104).map(|number| record(number, 2)).collect();
    let done = play(&process, &blob, &world.commit(&blob, &others)).await.unwrap();
    assert_eq!(done.rewritten, Some(Continuity::Altered));
    assert_eq!(world.received(), [records(4), others.clone()].concat());
    let shorter = play(&world.process("b"), &blob, &world.commit(&blob, &others[..1])).await.unwrap();
    assert_eq!(shorter.rewritten, Some(Continuity::Shrunk));
    let ids = world.hub.ids();
    assert_eq!(ids.iter().collect::<std::collections::HashSet<_>>().len(), ids.len(), "{ids:?}");
}

#[tokio::test]
async fn a_deleted_blob_succeeds_and_a_recreated_one_is_a_rewrite() {
    let (world, blob) = (World::default(), blob(1));
    let process = world.process("a");
    let first = world.commit(&blob, &records(2));
    play(&process, &blob, &first).await.unwrap();
    let second = world.commit(&blob, &records(3));
    world.blobs.delete(&blob);
    assert_eq!(play(&process, &blob, &second).await.unwrap().completion, Completion::Deleted);
    let other = vec![record(77, 5), record(78, 5)];
    let done = play(&process, &blob, &world.commit(&blob, &other)).await.unwrap();
    assert!(done.rewritten.is_some());
    assert_eq!(world.received(), [records(2), other].concat());
}

#[tokio::test]
async fn an_empty_blob_and_one_without_records_forward_nothing() {
    let (world, blob) = (World::default(), blob(1));
    let process = world.process("a");
    for raw in ["", "{\"records\":[]}"] {
        let done = play(&process, &blob, &world.commit_raw(&blob, raw)).await.unwrap();
        assert_eq!((done.records, done.completion), (0, Completion::Complete));
    }
    play(&process, &blob, &world.commit(&blob, &records(2))).await.unwrap();
    assert_eq!(world.received(), records(2));
}
