//! Work that takes longer than its deadline makes progress at each attempt, or has a definite end.

use crate::support::blobs::blob;
use crate::support::faults::{Action, Call, When};
use crate::support::judge::{Verdict, judge};
use crate::support::memory::MemoryHub;
use crate::support::records::{content, record, records, records_of};
use crate::support::world::{World, now, play, slow_world};
use bytes::Bytes;
use flowlog_forwarder::forward::{Completion, ForwarderOptions};
use std::num::NonZeroUsize;
use std::time::Duration;

fn budget(budget: Duration) -> ForwarderOptions {
    ForwarderOptions { budget, ..ForwarderOptions::default() }
}

fn offset(world: &World) -> u64 {
    world.row(&blob(1)).map_or(0, |row| row.progress.offset)
}

/// A record of some 6 MB between two small ones.
fn with_a_long_record() -> (Vec<String>, Bytes) {
    let all = vec![record(1, 3), record(2, 80_000), record(3, 3)];
    let whole = content(&all).into();
    (all, whole)
}

#[tokio::test]
async fn a_delta_too_large_for_one_event_continues_from_its_checkpoint() {
    let (world, count) = (slow_world(Duration::from_millis(15)), 1_000);
    let world = World { hub: MemoryHub::with_limit(8_000), ..world };
    let options = ForwarderOptions {
        window: 2_000,
        max_message_bytes: NonZeroUsize::new(2_500),
        ..budget(Duration::from_millis(400))
    };
    let commit = world.commit(&blob(1), &records(count));
    let mut left_over = 0;
    for event in 0.. {
        assert!(event < 100, "no progress");
        // Each process knows only the row.
        let process = world.process_with(&format!("process-{event}"), options.clone());
        match process.forward(&blob(1), &commit, std::time::Instant::now()).await.unwrap().completion {
            Completion::LeftOver => left_over += 1,
            Completion::Complete => break,
            other => panic!("{other:?}"),
        }
        let row = world.row(&blob(1)).unwrap();
        assert_eq!(
            (row.claim, row.in_flight, row.progress.etag),
            (None, None, None),
            "any process may continue"
        );
    }
    assert!(left_over >= 2, "{left_over}");
    let clean = Verdict { records: count as usize, ..Verdict::default() };
    assert_eq!(judge(&records(count), &world.hub.received()), clean);
}

#[tokio::test(start_paused = true)]
async fn a_message_larger_than_one_budget_makes_progress() {
    let options = ForwarderOptions { window: 2_000, ..budget(Duration::from_millis(400)) };
    let world = slow_world(Duration::from_millis(15));
    let process = world.process_with("a", options);
    let commit = world.commit_raw(&blob(1), content(&records(1_000)));
    let mut attempts = 0;
    loop {
        let before = offset(&world);
        let done = play(&process, &blob(1), &commit).await.unwrap();
        if done.completion == Completion::Complete {
            break;
        }
        assert!(offset(&world) > before, "attempt {attempts} made no progress");
        attempts += 1;
    }
    assert!(attempts > 2, "{attempts}");
    let clean = Verdict { records: 1_000, ..Verdict::default() };
    assert_eq!(judge(&records(1_000), &world.hub.received()), clean);
}

#[tokio::test(start_paused = true)]
async fn a_takeover_ends_an_early_message_at_the_same_offset() {
    let options = ForwarderOptions { window: 2_000, ..budget(Duration::from_millis(400)) };
    let world = slow_world(Duration::from_millis(15));
    let process = world.process_with("a", options);
    let commit = world.commit_raw(&blob(1), content(&records(200)));
    // The message that the first run ends early is accepted, but its answer is lost.
    world.faults.nth(Call::Send, 0, Action::Fail(When::After));
    play(&process, &blob(1), &commit).await.unwrap_err();
    world.faults.clear();
    let other = world.process_with("b", budget(Duration::from_secs(9)));
    play(&other, &blob(1), &commit).await.unwrap();
    let verdict = judge(&records(200), &world.hub.received());
    assert!(verdict.is_kept() && verdict.repeated > 0, "{verdict:?}");
}

#[tokio::test(start_paused = true)]
async fn a_record_too_long_for_an_event_is_forwarded_by_the_sweep() {
    let options = ForwarderOptions { window: 500_000, ..budget(Duration::from_secs(2)) };
    let world = slow_world(Duration::from_millis(300));
    let process = world.process_with("a", options);
    let (_, whole) = with_a_long_record();
    let commit = world.commit_raw(&blob(1), whole);
    let done = play(&process, &blob(1), &commit).await.unwrap();
    assert_eq!(done.completion, Completion::LeftOver);
    let mut turns = 0;
    while process
        .catch_up(&blob(1), &commit, None, now() + Duration::from_secs(200))
        .await
        .unwrap()
        .completion
        != Completion::Complete
    {
        turns += 1;
        assert!(turns < 4, "no progress");
    }
    let bodies = world.hub.bodies();
    let tuples =
        bodies.iter().flat_map(|body| records_of(body)).map(|record| record.matches(",443,").count());
    assert_eq!(tuples.sum::<usize>(), 80_006);
    assert_eq!(world.quarantine.items().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_record_too_long_for_any_sweep_is_quarantined() {
    let options = ForwarderOptions { window: 100_000, ..budget(Duration::from_secs(2)) };
    let world = slow_world(Duration::from_millis(300));
    let process = world.process_with("a", options);
    let (all, whole) = with_a_long_record();
    let blocks = [&whole[..12], all[0].as_bytes(), b",", all[1].as_bytes(), b",", all[2].as_bytes(), b"]}"];
    let commit = world.commit_blocks(&blob(1), &blocks);
    let mut turns = 0;
    loop {
        let result = process.catch_up(&blob(1), &commit, None, now() + Duration::from_secs(9)).await;
        turns += 1;
        assert!(turns < 60, "no definite outcome: {result:?}");
        if result.is_ok_and(|done| done.completion == Completion::Complete) {
            break;
        }
    }
    assert_eq!(world.received(), [all[0].clone(), all[2].clone()]);
    let kept: Vec<u8> = world.quarantine.items().into_iter().flat_map(|(_, bytes)| bytes).collect();
    assert!(kept.starts_with(all[1].as_bytes()), "whole, in order, in several items");
    assert!(world.quarantine.items().len() > 1);
}

#[tokio::test(start_paused = true)]
async fn a_gap_too_long_for_an_event_is_crossed_in_several() {
    let options = ForwarderOptions { window: 50_000, ..budget(Duration::from_secs(2)) };
    let world = slow_world(Duration::from_millis(300));
    let process = world.process_with("a", options);
    let all = records(2);
    let whole = content(&[all[0].clone(), format!("{}{}", " ".repeat(3_000_000), all[1])]);
    let commit = world.commit_raw(&blob(1), whole);
    let mut attempts = 0;
    loop {
        let before = offset(&world);
        if play(&process, &blob(1), &commit).await.unwrap().completion == Completion::Complete {
            break;
        }
        assert!(offset(&world) > before, "attempt {attempts} made no progress");
        attempts += 1;
    }
    assert!(attempts > 2, "{attempts}");
    assert_eq!((world.received(), world.quarantine.items().len()), (all, 0));
    assert!(!world.row(&blob(1)).unwrap().progress.is_broken());
}
