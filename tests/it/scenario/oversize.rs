//! Records that fit no message, and bytes that are not records.

use crate::support::blobs::blob;
use crate::support::records::{content, record, records, unsplittable};
use crate::support::world::{World, play};
use flowlog_forwarder::flow_log::FlowLogBlob;
use flowlog_forwarder::forward::{Completion, ForwarderOptions};
use serde_json::Value;
use std::sync::atomic::Ordering;

/// 2026-11-22T10:00:00Z: the hour of the blobs is over.
const HOUR_OVER: u64 = 1_795_341_600_000;

fn small() -> World {
    World::with_hub_limit(4_000)
}

/// The tuples of these records, in order, each with the rest of its record.
fn tuples(records: &[String]) -> Vec<(Value, String)> {
    let mut all = Vec::new();
    for record in records {
        let mut surroundings: Value = serde_json::from_str(record).unwrap();
        let tuples = surroundings["flowRecords"]["flows"][0]["flowGroups"][0]["flowTuples"].take();
        let texts: Vec<String> = serde_json::from_value(tuples).unwrap();
        all.extend(texts.into_iter().map(|tuple| (surroundings.clone(), tuple)));
    }
    all
}

async fn all_arrives_over_two_commits(world: &World, all: &[String], options: ForwarderOptions) {
    let process = world.process_with("a", options.clone());
    let blob = blob(1);
    let half = all.len() / 2;
    play(&process, &blob, &world.commit(&blob, &all[..half])).await.unwrap();
    let rest = world.commit(&blob, all);
    let done = play(&world.process_with("b", options), &blob, &rest).await.unwrap();
    assert_eq!((done.completion, done.rewritten, done.quarantined), (Completion::Complete, None, 0));
    assert_eq!(done.records, (all.len() - half) as u64, "the parts of a record count once");
    assert_eq!(tuples(&world.received()), tuples(all));
    let ids = world.hub.ids();
    assert_eq!(ids.iter().collect::<std::collections::HashSet<_>>().len(), ids.len(), "ids are unique");
}

#[tokio::test]
async fn a_record_over_the_message_limit_is_split_at_its_tuples() {
    let sizes = [3, 200, 1, 90, 2, 2, 400, 400];
    let all: Vec<String> = (0u32..).zip(sizes).map(|(number, tuples)| record(number, tuples)).collect();
    for window in [700, 1 << 20] {
        all_arrives_over_two_commits(
            &small(),
            &all,
            ForwarderOptions { window, ..ForwarderOptions::default() },
        )
        .await;
    }
}

#[tokio::test]
async fn a_record_too_long_for_memory_is_split_while_streaming() {
    let all =
        [record(0, 2), record(1, 160_000), record(2, 2), record(3, 170_000), record(4, 1), record(5, 3)];
    assert!(all[1].len() > 8 << 20);
    all_arrives_over_two_commits(&World::default(), &all, ForwarderOptions::default()).await;
}

#[tokio::test]
async fn a_record_that_cannot_be_split_is_quarantined_whole() {
    for (world, size, window) in [(small(), 9_000, 1_000), (World::default(), 9 << 20, 4 << 20)] {
        let (blob, lump) = (blob(1), unsplittable(size));
        let all = [record(0, 2), lump.clone(), record(2, 2)];
        let process = world.process_with("a", ForwarderOptions { window, ..ForwarderOptions::default() });
        let done = play(&process, &blob, &world.commit(&blob, &all)).await.unwrap();
        assert_eq!((done.records, done.quarantined, done.completion), (2, 1, Completion::Complete));
        let more = [&all[..], &[record(3, 1)]].concat();
        play(&process, &blob, &world.commit(&blob, &more)).await.unwrap();
        assert_eq!(world.received(), [record(0, 2), record(2, 2), record(3, 1)]);
        let items = world.quarantine.items();
        assert_eq!(items.len(), 1);
        let (note, bytes) = &items[0];
        assert_eq!(bytes, lump.as_bytes());
        assert_eq!((note.blob.clone(), note.range.end - note.range.start), (blob.url(), lump.len() as u64));
        assert!(note.reason.contains("no list of flows"), "{}", note.reason);
    }
}

#[tokio::test]
async fn a_lone_record_that_cannot_be_split_is_quarantined_once() {
    let (world, blob) = (small(), blob(1));
    for process in ["a", "b"] {
        let commit = world.commit(&blob, &[unsplittable(9_000)]);
        play(&world.process(process), &blob, &commit).await.unwrap();
    }
    assert_eq!(world.quarantine.finished(), 1);
    assert!(world.received().is_empty());
}

async fn broken_stays_quarantined(
    world: &World,
    blob: &FlowLogBlob,
    good: usize,
    raw: impl Fn(usize) -> String,
) {
    for minute in 1..=5 {
        let commit = world.commit_raw(blob, raw(minute));
        let done = play(&world.process("a"), blob, &commit).await.unwrap();
        assert_eq!(done.completion, Completion::Complete);
        assert_eq!(world.quarantine.finished(), 1, "once, not at each commit");
    }
    assert_eq!(world.received(), records(2)[..good]);
    let last = world.commit_raw(blob, raw(6));
    play(&world.process("a"), blob, &last).await.unwrap();
    assert_eq!(world.quarantine.finished(), 1, "not at the last commit within the hour either");
    world.now.store(HOUR_OVER, Ordering::Relaxed);
    for _ in 0..3 {
        // As the sweep does, without another commit.
        play(&world.process("a"), blob, &last).await.unwrap();
    }
    assert_eq!(world.quarantine.finished(), 2, "once more, whole, when the hour is over");
    let mut items = world.quarantine.items();
    items.sort_by_key(|(_, bytes)| bytes.len());
    assert_eq!(items.len(), 2, "each under its own name");
    for ((_, bytes), whole) in items.iter().zip([raw(1), raw(6)]) {
        let start = if good == 0 { 0 } else { whole.find(", 5").unwrap() };
        assert_eq!(bytes, &whole.as_bytes()[start..]);
    }
}

#[tokio::test]
async fn a_blob_is_quarantined_from_its_break_on() {
    let raw = |minute: usize| {
        let rest = "}".repeat(minute);
        format!("{{\"records\":[{},{}, 5, {rest}", records(2)[0], records(2)[1])
    };
    broken_stays_quarantined(&World::default(), &blob(1), 2, raw).await;
}

#[tokio::test]
async fn a_blob_that_is_broken_from_the_start_is_quarantined_once() {
    let raw = |minute: usize| format!("<html>{}", "not a flow log ".repeat(minute));
    broken_stays_quarantined(&World::default(), &blob(1), 0, raw).await;
}

#[tokio::test]
async fn a_broken_blob_that_is_repaired_is_forwarded() {
    let (world, blob) = (World::default(), blob(1));
    let process = world.process("a");
    let torn = content(&records(1)).replace("]}]}]}}]}", "]}]}]}}]!");
    play(&process, &blob, &world.commit_raw(&blob, torn)).await.unwrap();
    play(&process, &blob, &world.commit(&blob, &records(3))).await.unwrap();
    assert_eq!(world.received(), records(3));
}
