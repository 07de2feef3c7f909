//! Who may move a checkpoint, what others may note in it, and what a takeover keeps.

use crate::support::blobs::blob;
use crate::support::faults::{Action, Call, Faults, When};
use crate::support::judge::{Verdict, judge};
use crate::support::records::{content, records};
use crate::support::stage::{Answer, Event, Stage};
use flowlog_forwarder::forward::lease_store::LeaseError;
use flowlog_forwarder::forward::{Completion, ForwardError, ForwarderOptions};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

/// Two processes with these faults. A message holds about four records.
fn stage(acts: impl IntoIterator<Item = (usize, Action)>) -> (Stage, Arc<Faults>) {
    stage_with(acts, ForwarderOptions::default().save_every)
}

fn stage_with(acts: impl IntoIterator<Item = (usize, Action)>, save_every: Duration) -> (Stage, Arc<Faults>) {
    let faults = Faults::at(acts);
    let max_message_bytes = NonZeroUsize::new(2_000);
    let options =
        ForwarderOptions { window: 1_500, max_message_bytes, save_every, ..ForwarderOptions::default() };
    (Stage::new(Arc::clone(&faults), 4_000, options), faults)
}

/// The numbers of the calls of this kind when one process forwards `count` records of a new blob.
async fn numbers_of(call: Call, count: u32) -> Vec<usize> {
    let (mut stage, faults) = stage([]);
    let event = stage.commit(&blob(1), content(&records(count)));
    stage.deliver(&[(&event, 0)]).await;
    assert_eq!(verdict(&stage, &event, count), clean(count));
    let calls = faults.calls();
    (0..calls.len()).filter(|number| calls[*number] == call).collect()
}

fn clean(count: u32) -> Verdict {
    Verdict { records: count as usize, ..Verdict::default() }
}

fn verdict(stage: &Stage, event: &Event, count: u32) -> Verdict {
    judge(&records(count), &stage.arrivals(event).unwrap())
}

/// The owner that a process names when it lost its claim.
fn lost_to(answer: Answer) -> Option<String> {
    match answer {
        Some(Err(ForwardError::Checkpoint { cause: LeaseError::ClaimLost { owner, .. }, .. })) => owner,
        other => panic!("no claim lost: {other:?}"),
    }
}

#[tokio::test]
async fn an_owner_with_an_expired_claim_moves_no_checkpoint() {
    let sends = numbers_of(Call::Send, 30).await;
    for save_every in [Duration::from_secs(5), Duration::ZERO] {
        for number in [sends[0], sends[1]] {
            let (mut stage, faults) = stage_with([(number, Action::Pause(When::Before))], save_every);
            let old = stage.commit(&blob(1), content(&records(30)));
            let sleeper = stage.start(&old, 0);
            faults.until_paused().await;
            stage.expire_claims();
            let new = stage.commit(&blob(1), content(&records(40)));
            stage.deliver(&[(&new, 1)]).await;
            let row = stage.row(&blob(1));
            faults.resume();
            assert_eq!(lost_to(sleeper.await.unwrap()), None, "the new owner has finished");
            assert_eq!(stage.row(&blob(1)), row);
            stage.deliver(&[(&old, 0)]).await;
            assert_eq!(stage.row(&blob(1)), row);
            let verdict = verdict(&stage, &new, 40);
            assert!(verdict.is_kept(), "{verdict:?}");
        }
    }
}

#[tokio::test]
async fn an_owner_that_lost_its_claim_names_the_winner_and_stops() {
    let sends = numbers_of(Call::Send, 60).await;
    // The first send of the paused owner, then the first send of its successor.
    let acts = [sends[0], 2 * sends[0] + 1].map(|number| (number, Action::Pause(When::Before)));
    let (mut stage, faults) = stage_with(acts, Duration::ZERO);
    let event = stage.commit(&blob(1), content(&records(60)));
    let sleeper = stage.start(&event, 0);
    faults.until_paused().await;
    stage.expire_claims();
    let successor = stage.start(&event, 1);
    faults.until_paused().await;
    let row = stage.row(&blob(1)).unwrap();
    faults.resume();
    assert_eq!(lost_to(sleeper.await.unwrap()), row.claim.clone().map(|claim| claim.owner));
    assert_eq!(stage.row(&blob(1)), Some(row));
    assert!(stage.world.hub.sends() < sends.len(), "{}", stage.world.hub.sends());
    faults.resume();
    assert_eq!(successor.await.unwrap().unwrap().unwrap().records, 60);
    assert!(verdict(&stage, &event, 60).is_kept());
}

#[tokio::test]
async fn a_commit_noted_by_another_process_is_forwarded_by_the_owner() {
    for number in numbers_of(Call::Send, 30).await {
        let (mut stage, faults) = stage([(number, Action::Pause(When::After))]);
        let first = stage.commit(&blob(1), content(&records(30)));
        let owner = stage.start(&first, 0);
        faults.until_paused().await;
        let second = stage.commit(&blob(1), content(&records(33)));
        let loser = stage.start(&second, 1).await.unwrap().unwrap().unwrap();
        assert_eq!((loser.records, loser.completion), (0, Completion::ClaimedElsewhere));
        faults.resume();
        assert_eq!(owner.await.unwrap().unwrap().unwrap().records, 33);
        assert_eq!(verdict(&stage, &second, 33), clean(33));
    }
}

#[tokio::test]
async fn a_noted_commit_that_is_covered_leaves_no_claim() {
    let number = numbers_of(Call::Send, 30).await[0];
    let (mut stage, faults) = stage([(number, Action::Pause(When::After))]);
    let late = stage.commit(&blob(1), content(&records(10)));
    let newest = stage.commit(&blob(1), content(&records(30)));
    let owner = stage.start(&newest, 0);
    faults.until_paused().await;
    assert_eq!(
        stage.start(&late, 1).await.unwrap().unwrap().unwrap().completion,
        Completion::ClaimedElsewhere
    );
    faults.resume();
    owner.await.unwrap().unwrap().unwrap();
    assert_eq!(verdict(&stage, &newest, 30), clean(30));
    let next = stage.commit(&blob(1), content(&records(31)));
    let done = stage.start(&next, 1).await.unwrap().unwrap().unwrap();
    assert_eq!((done.records, done.completion), (1, Completion::Complete));
}

#[tokio::test]
async fn a_commit_during_a_read_for_quarantine_is_quarantined_instead() {
    let torn =
        |more: usize| format!("{{\"records\":[{},{}, 5{}", records(2)[0], records(2)[1], "}".repeat(more));
    let (mut alone, calls) = stage([]);
    let event = alone.commit(&blob(1), torn(1));
    alone.deliver(&[(&event, 0)]).await;
    let kept = calls.calls().iter().position(|call| *call == Call::Quarantine).unwrap();
    let read = calls.calls()[..kept].iter().rposition(|call| *call == Call::Read).unwrap();

    let (mut stage, faults) = stage([(read, Action::Pause(When::Before))]);
    let event = stage.commit(&blob(1), torn(1));
    let run = stage.start(&event, 0);
    faults.until_paused().await;
    let newer = stage.commit(&blob(1), torn(2));
    faults.resume();
    let done = run.await.unwrap().unwrap().unwrap();
    assert_eq!((done.records, done.quarantined, done.completion), (2, 1, Completion::Complete));
    let items = stage.world.quarantine.items();
    assert_eq!(items.iter().map(|(_, bytes)| &bytes[..]).collect::<Vec<_>>(), [b", 5}}"]);
    assert_eq!(verdict(&stage, &newer, 2), clean(2));
}

#[tokio::test]
async fn the_limits_are_requested_during_the_claim() {
    let claim = numbers_of(Call::Swap, 5).await[0];
    let (mut stage, faults) = stage([(claim, Action::Pause(When::Before))]);
    let event = stage.commit(&blob(1), content(&records(5)));
    let run = stage.start(&event, 0);
    faults.until_paused().await;
    assert!(faults.calls().contains(&Call::Limits), "{:?}", faults.calls());
    faults.resume();
    run.await.unwrap().unwrap().unwrap();
    assert_eq!(verdict(&stage, &event, 5), clean(5));
}

#[tokio::test]
async fn a_process_without_the_claim_only_notes_a_rewrite() {
    let numbers = numbers_of(Call::Swap, 5).await;
    // After the release: a read, the limits, the claim, and the next call.
    let next_run = numbers[1] + 4;
    let (mut stage, faults) = stage([(next_run, Action::Pause(When::Before))]);
    let first = stage.commit(&blob(1), content(&records(5)));
    stage.deliver(&[(&first, 0)]).await;
    let second = stage.commit(&blob(1), content(&records(9)));
    let owner = stage.start(&second, 0);
    faults.until_paused().await;
    let before = stage.row(&blob(1)).unwrap();
    let rewritten = stage.commit(&blob(1), content(&records(2)[1..]));
    assert_eq!(
        stage.start(&rewritten, 1).await.unwrap().unwrap().unwrap().completion,
        Completion::ClaimedElsewhere
    );
    let after = stage.row(&blob(1)).unwrap();
    assert_eq!(after.wanted.as_ref(), Some(&rewritten.commit));
    assert_eq!((after.progress, after.in_flight), (before.progress, before.in_flight));
    faults.resume();
    owner.await.unwrap().unwrap().unwrap();
    let expected = [records(9), records(2)[1..].to_vec()].concat();
    assert_eq!(judge(&expected, &stage.arrivals(&rewritten).unwrap()), clean(10));
}

#[tokio::test]
async fn a_commit_during_a_takeover_changes_no_repeated_message() {
    let last_send = *numbers_of(Call::Send, 30).await.last().unwrap();
    for read in 2..6 {
        // The first process ends when all is sent and nothing is saved. Its successor loads and reads,
        // requests the limits, claims, and reads on.
        let acts =
            [(last_send, Action::Kill(When::After)), (last_send + 3 + read, Action::Pause(When::Before))];
        let (mut stage, faults) = stage(acts);
        let first = stage.commit(&blob(1), content(&records(30)));
        stage.deliver(&[(&first, 0)]).await;
        assert_eq!(stage.ended, 1);
        stage.expire_claims();
        let successor = stage.start(&first, 0);
        faults.until_paused().await;
        let second = stage.commit(&blob(1), content(&records(37)));
        faults.resume();
        successor.await.unwrap().unwrap().unwrap();
        let verdict = verdict(&stage, &second, 37);
        assert!(verdict.is_kept() && verdict.repeated > 0, "held at {read}: {verdict:?}");
    }
}

#[tokio::test]
async fn a_takeover_out_of_time_changes_no_repeated_message() {
    let last_send = *numbers_of(Call::Send, 30).await.last().unwrap();
    let acts = [(last_send, Action::Kill(When::After)), (last_send + 5, Action::Pause(When::Before))];
    let (mut stage, faults) = stage(acts);
    let first = stage.commit(&blob(1), content(&records(30)));
    stage.options.budget = Duration::from_secs(3);
    stage.deliver(&[(&first, 0)]).await;
    stage.expire_claims();
    let successor = stage.start(&first, 0);
    faults.until_paused().await;
    // After the deadline for reads (60 percent of the budget), before that of the event (100 percent).
    tokio::time::sleep(stage.options.budget * 65 / 100).await;
    assert_eq!(
        stage.start(&first, 1).await.unwrap().unwrap().unwrap().completion,
        Completion::ClaimedElsewhere
    );
    faults.resume();
    let done = successor.await.unwrap().unwrap().unwrap();
    assert_eq!(done.completion, Completion::LeftOver);
    assert_eq!(stage.row(&blob(1)).unwrap().claim, None, "any process may continue");
    let second = stage.commit(&blob(1), content(&records(37)));
    stage.deliver(&[(&second, 1)]).await;
    let verdict = verdict(&stage, &second, 37);
    assert!(verdict.is_kept() && verdict.repeated > 0, "{verdict:?}");
}

#[tokio::test]
async fn a_blob_recreated_after_a_crash_is_forwarded_as_a_new_one() {
    let last_send = *numbers_of(Call::Send, 30).await.last().unwrap();
    let (mut stage, _) = stage([(last_send, Action::Kill(When::After))]);
    let before = stage.commit(&blob(1), content(&records(30)));
    stage.deliver(&[(&before, 0)]).await;
    stage.expire_claims();
    stage.world.blobs.delete(&blob(1));
    // The same length as before, to the byte.
    let others: Vec<String> = records(30).iter().map(|record| record.replace("09:", "10:")).collect();
    let after = stage.commit(&blob(1), content(&others));
    stage.deliver(&[(&after, 0)]).await;
    let expected = [records(30), others].concat();
    assert_eq!(judge(&expected, &stage.arrivals(&after).unwrap()), clean(60));
}
