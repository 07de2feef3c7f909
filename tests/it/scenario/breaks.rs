//! Bytes that are not records go to quarantine, and as few bytes as possible: one broken block costs one block.

use crate::support::blobs::{NINE, blob_in};
use crate::support::records::{blocks, content, records};
use crate::support::world::{World, play};
use flowlog_forwarder::checkpoint::GRACE;
use flowlog_forwarder::flow_log::FlowLogBlob;
use flowlog_forwarder::forward::Completion;
use flowlog_forwarder::hour::Hour;
use proptest::prelude::*;

const TEN: Hour = Hour::new(498_706);

fn blob() -> FlowLogBlob {
    blob_in(1, NINE, 1)
}

/// A world at this minute of the blob's hour.
fn world(minute: u64) -> World {
    let world = World::default();
    world.set_clock(NINE, minute);
    world
}

/// A record that lacks a quote: from there on, strings and structure are confused.
fn without_quote(record: &str) -> String {
    record.replacen("\",\"macAddress", ",\"macAddress", 1)
}

#[tokio::test]
async fn an_unfinished_record_is_quarantined_after_its_hour_and_grace() {
    let all = records(5);
    for (what, cut) in [("in a string", "0,443,6,O"), ("between brackets", "\",\"flowRecords\"")] {
        let world = world(30);
        let whole = content(&all);
        let torn = whole[..whole.rfind(cut).unwrap()].to_owned();
        let commit = world.commit_raw(&blob(), torn.clone());
        let process = world.process(what);
        let done = play(&process, &blob(), &commit).await.unwrap();
        assert!(done.broken && done.completion == Completion::Complete, "{what}: {done:?}");
        world.set_clock(TEN, 0);
        play(&process, &blob(), &commit).await.unwrap();
        assert_eq!(world.quarantined().len(), 0, "{what}: another commit may complete it");
        world.set_clock(TEN, GRACE.as_secs() / 60);
        let done = play(&process, &blob(), &commit).await.unwrap();
        assert!(done.broken, "{what}");
        let start = torn.rfind("{\"time\"").unwrap();
        assert_eq!(world.quarantined(), [&torn[start..]], "{what}");
        for _ in 0..3 {
            play(&process, &blob(), &commit).await.unwrap();
        }
        assert_eq!(world.quarantine.finished(), 1, "{what}: once");
    }
}

#[tokio::test]
async fn a_late_change_of_an_unfinished_record_restarts_the_grace() {
    let (world, all) = (world(30), records(3));
    let process = world.process("a");
    let whole = content(&all);
    let torn = |less: usize| whole[..whole.len() - less].to_owned();
    play(&process, &blob(), &world.commit_raw(&blob(), torn(30))).await.unwrap();
    world.set_clock(TEN, 9);
    let commit = world.commit_raw(&blob(), torn(20));
    play(&process, &blob(), &commit).await.unwrap();
    world.set_clock(TEN, 18);
    play(&process, &blob(), &commit).await.unwrap();
    assert_eq!(world.quarantined().len(), 0);
    world.set_clock(TEN, 19);
    play(&process, &blob(), &commit).await.unwrap();
    assert_eq!(world.quarantined().len(), 1);
    // A later commit completes the record.
    let done = play(&process, &blob(), &world.commit_raw(&blob(), whole)).await.unwrap();
    assert!(!done.broken, "{done:?}");
    assert_eq!(world.received(), all);
}

#[tokio::test]
async fn a_sweep_quarantines_an_unfinished_record_and_reports_it() {
    let world = world(30);
    let process = std::sync::Arc::new(world.process("a"));
    let sweeper = world.sweeper(&process);
    let mut torn = records(40);
    torn[2] = without_quote(&torn[2]);
    world.commit_raw(&blob(), content(&torn));
    for minute in [35, 55] {
        world.set_clock(NINE, minute);
        sweeper.sweep().await;
    }
    world.set_clock(TEN, 30);
    sweeper.sweep().await;
    let end = blob().hour_end();
    let row = world.table.row(&blob().checkpoint_key()).unwrap();
    assert!(row.progress.is_broken() && row.progress.quarantine_due_to(end, u64::MAX).is_none(), "{row:?}");
    // The blob has no blocks: everything from the third record on is quarantined.
    assert_eq!(world.received(), torn[..2]);
    assert!(world.quarantined()[0].starts_with(&torn[2]) && world.quarantined()[0].ends_with("]}"));
}

#[tokio::test]
async fn one_broken_block_costs_one_block() {
    for garble in [
        |block: &str| without_quote(block),
        |block: &str| block.replacen('}', "]", 1),
        |block: &str| block[..block.len() * 2 / 3].to_owned(),
        |block: &str| "x".repeat(block.len()),
    ] {
        let (world, all) = (world(30), records(12));
        let process = world.process("a");
        let mut blocks = blocks(&all, 2);
        blocks[3] = garble(&blocks[3]);
        let commit = world.commit_blocks(&blob(), &blocks);
        // A string without an end is quarantined when its hour is over.
        play(&process, &blob(), &commit).await.unwrap();
        world.set_clock(TEN, 10);
        let done = play(&process, &blob(), &commit).await.unwrap();
        assert!(done.broken, "a broken blob is never up to date");
        let kept = world.quarantined();
        let good: Vec<String> = all.iter().filter(|record| !kept[0].contains(*record)).cloned().collect();
        assert_eq!(kept.len(), 1);
        assert!(blocks[3].contains(kept[0].trim_start_matches(',')), "{kept:?}");
        let received = world.received();
        assert!(received.len() >= 10, "{} of 12 arrived", received.len());
        assert!(received.iter().all(|record| good.contains(record)));
        let row = world.table.row(&blob().checkpoint_key()).unwrap();
        // The comma before it may be skipped too.
        assert!(row.progress.skipped_bytes - kept[0].len() as u64 <= 1, "{row:?}");
        assert_eq!((row.progress.broken, row.claim, row.in_flight), (None, None, None));
    }
}

#[tokio::test]
async fn good_blocks_behind_a_break_are_forwarded_as_they_come() {
    let (world, all) = (world(30), records(10));
    let process = world.process("a");
    let mut broken = all.clone();
    broken[3] = broken[3].replacen('}', "]", 1);
    for count in 4..=10 {
        let commit = world.commit_blocks(&blob(), &blocks(&broken[..count], 1));
        let done = play(&process, &blob(), &commit).await.unwrap();
        assert!(done.broken && done.completion == Completion::Complete, "{count}: {done:?}");
    }
    let expected = [&all[..3], &all[4..]].concat();
    assert_eq!(world.received(), expected);
    assert!(
        world.quarantined().iter().all(|item| item.contains(&broken[3]) || item.contains("g-3")),
        "{:?}",
        world.quarantined()
    );
}

#[tokio::test]
async fn a_blob_that_is_no_flow_log_is_quarantined_whole() {
    let world = world(30);
    let blocks = ["<html>".to_owned(), records(1)[0].clone()];
    let done = play(&world.process("a"), &blob(), &world.commit_blocks(&blob(), &blocks)).await.unwrap();
    assert_eq!((done.records, world.quarantined()), (0, vec![blocks.concat()]));
}

#[tokio::test]
async fn other_members_of_the_root_are_tolerated() {
    let all = records(3);
    let list = all.join(",");
    for whole in [
        format!("{{\"version\":1,\"records\":[{list}]}}"),
        format!("{{\"records\":[{list}],\"version\":{{\"a\":[1,\"]}}\"]}}}}"),
    ] {
        let world = world(30);
        let done = play(&world.process("a"), &blob(), &world.commit_raw(&blob(), whole)).await.unwrap();
        assert!(!done.broken);
        assert_eq!((world.received(), world.quarantined().len()), (all.clone(), 0));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn any_content_of_one_block_leaves_the_other_blocks_intact(
        counts in proptest::collection::vec(1usize..4, 2..7),
        which in any::<prop::sample::Index>(),
        junk in proptest::collection::vec(any::<u8>(), 1..300),
    ) {
        let all = records(u32::try_from(counts.iter().sum::<usize>()).unwrap());
        let (mut layout, mut at) = (vec![b"{\"records\":[".to_vec()], 0);
        for (number, count) in counts.iter().enumerate() {
            let comma = if number == 0 { "" } else { "," };
            layout.push(format!("{comma}{}", all[at..at + count].join(",")).into_bytes());
            at += count;
        }
        layout.push(b"]}".to_vec());
        let broken = 1 + which.index(counts.len());
        layout[broken] = junk;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let world = world(30);
            let process = world.process("a");
            let commit = world.commit_blocks(&blob(), &layout);
            play(&process, &blob(), &commit).await.unwrap();
            world.set_clock(TEN, 10);
            play(&process, &blob(), &commit).await.unwrap();
            // Junk inside brackets may count as a record, so the bodies are searched as text.
            let received = world.hub.bodies().concat();
            let received = String::from_utf8_lossy(&received);
            let mut from = 0;
            for (number, count) in counts.iter().enumerate() {
                if number + 1 != broken {
                    for record in &all[from..from + count] {
                        assert_eq!(received.matches(record.as_str()).count(), 1);
                    }
                }
                from += count;
            }
            let row = world.table.row(&blob().checkpoint_key()).unwrap();
            assert_eq!((row.claim.clone(), row.in_flight), (None, None));
            assert!(row.is_complete(&commit.etag, blob().hour_end(), u64::MAX), "{row:?}");
        });
    }
}
