//! Who may move a checkpoint, what others may note in it, and what a takeover keeps.

use crate::support::chaos::{Act, Call, Chaos, When};
use crate::support::judge::{Verdict, judge};
use crate::support::memory_hub::MemoryHub;
use crate::support::samples::{blob, content};
use crate::support::stage::{Answer, Event, Stage};
use crate::support::world::records;
use flowlog_forwarder::forward::lease_store::LeaseError;
use flowlog_forwarder::forward::{Completion, ForwardError, ForwarderOptions};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

/// Two processes, whose calls of this number (from 0) are struck. A message takes about four records.
fn stage(acts: impl IntoIterator<Item = (usize, Act)>) -> (Stage, Arc<Chaos>) {
    stage_with(acts, ForwarderOptions::default().save_every)
}

fn stage_with(acts: impl IntoIterator<Item = (usize, Act)>, save_every: Duration) -> (Stage, Arc<Chaos>) {
    let chaos = Chaos::new(acts);
    let max_message_bytes = NonZeroUsize::new(2_000);
    let options =
        ForwarderOptions { window: 1_500, max_message_bytes, save_every, ..ForwarderOptions::default() };
    (Stage::new(Arc::clone(&chaos), MemoryHub::with_limit(4_000), options), chaos)
}

/// The numbers of the calls of this kind when one process forwards `count` records of a new blob.
async fn numbers_of(call: Call, count: u32) -> Vec<usize> {
    let (mut stage, chaos) = stage([]);
    let event = stage.commit(&blob(1), content(&records(count)));
    stage.deliver(&[(&event, 0)]).await;
    assert_eq!(verdict(&stage, &event, count), clean(count));
    let calls = chaos.calls();
    (0..calls.len()).filter(|number| calls[*number] == call).collect()
}

fn clean(count: u32) -> Verdict {
    Verdict { records: count as usize, ..Verdict::default() }
}

fn verdict(stage: &Stage, event: &Event, count: u32) -> Verdict {
    judge(&records(count), &stage.arrivals(event).unwrap())
}

/// Who took the claim, as the loser reports it.
fn lost_to(answer: Answer) -> Option<String> {
    match answer {
        Some(Err(ForwardError::Checkpoint { cause: LeaseError::ClaimLost { owner, .. }, .. })) => owner,
        other => panic!("no claim lost: {other:?}"),
    }
}

#[tokio::test]
async fn an_owner_that_slept_past_its_claim_can_not_move_the_checkpoint_and_says_so() {
    let sends = numbers_of(Call::Send, 30).await;
    for save_every in [Duration::from_secs(5), Duration::ZERO] {
        for number in [sends[0], sends[1]] {
            let (mut stage, chaos) = stage_with([(number, Act::Hold(When::Before))], save_every);
            let old = stage.commit(&blob(1), content(&records(30)));
            let sleeper = stage.start(&old, 0);
            chaos.held().await;
            stage.outlive_claims();
            let new = stage.commit(&blob(1), content(&records(40)));
            stage.deliver(&[(&new, 1)]).await;
            let row = stage.row(&blob(1));
            chaos.let_go();
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
async fn an_owner_that_lost_its_claim_to_one_at_work_names_it_and_sends_nothing_more() {
    let sends = numbers_of(Call::Send, 60).await;
    // Calls of the sleeper up to its first send, then those of its successor up to the same.
    let acts = [sends[0], 2 * sends[0] + 1].map(|number| (number, Act::Hold(When::Before)));
    let (mut stage, chaos) = stage_with(acts, Duration::ZERO);
    let event = stage.commit(&blob(1), content(&records(60)));
    let sleeper = stage.start(&event, 0);
    chaos.held().await;
    stage.outlive_claims();
    let successor = stage.start(&event, 1);
    chaos.held().await;
    let row = stage.row(&blob(1)).unwrap();
    chaos.let_go();
    assert_eq!(lost_to(sleeper.await.unwrap()), row.claim.clone().map(|claim| claim.owner));
    assert_eq!(stage.row(&blob(1)), Some(row));
    assert!(stage.hub.sends() < sends.len(), "{}", stage.hub.sends());
    chaos.let_go();
    assert_eq!(successor.await.unwrap().unwrap().unwrap().records, 60);
    assert!(verdict(&stage, &event, 60).is_kept());
}

#[tokio::test]
async fn a_wish_of_a_loser_makes_the_owner_go_round_again() {
    for number in numbers_of(Call::Send, 30).await {
        let (mut stage, chaos) = stage([(number, Act::Hold(When::After))]);
        let first = stage.commit(&blob(1), content(&records(30)));
        let owner = stage.start(&first, 0);
        chaos.held().await;
        let second = stage.commit(&blob(1), content(&records(33)));
        let loser = stage.start(&second, 1).await.unwrap().unwrap().unwrap();
        assert_eq!((loser.records, loser.completion), (0, Completion::ClaimedElsewhere));
        chaos.let_go();
        assert_eq!(owner.await.unwrap().unwrap().unwrap().records, 33);
        assert_eq!(verdict(&stage, &second, 33), clean(33));
    }
}

#[tokio::test]
async fn a_wish_for_what_is_done_already_leaves_no_claim_behind() {
    let number = numbers_of(Call::Send, 30).await[0];
    let (mut stage, chaos) = stage([(number, Act::Hold(When::After))]);
    let late = stage.commit(&blob(1), content(&records(10)));
    let newest = stage.commit(&blob(1), content(&records(30)));
    let owner = stage.start(&newest, 0);
    chaos.held().await;
    assert_eq!(
        stage.start(&late, 1).await.unwrap().unwrap().unwrap().completion,
        Completion::ClaimedElsewhere
    );
    chaos.let_go();
    owner.await.unwrap().unwrap().unwrap();
    assert_eq!(verdict(&stage, &newest, 30), clean(30));
    let next = stage.commit(&blob(1), content(&records(31)));
    let done = stage.start(&next, 1).await.unwrap().unwrap().unwrap();
    assert_eq!((done.records, done.completion), (1, Completion::Complete));
}

#[tokio::test]
async fn a_commit_in_the_midst_of_a_read_for_quarantine_is_kept_instead() {
    let torn =
        |more: usize| format!("{{\"records\":[{},{}, 5{}", records(2)[0], records(2)[1], "}".repeat(more));
    let (mut alone, calls) = stage([]);
    let event = alone.commit(&blob(1), torn(1));
    alone.deliver(&[(&event, 0)]).await;
    let kept = calls.calls().iter().position(|call| *call == Call::Quarantine).unwrap();
    let read = calls.calls()[..kept].iter().rposition(|call| *call == Call::Read).unwrap();

    let (mut stage, chaos) = stage([(read, Act::Hold(When::Before))]);
    let event = stage.commit(&blob(1), torn(1));
    let run = stage.start(&event, 0);
    chaos.held().await;
    let newer = stage.commit(&blob(1), torn(2));
    chaos.let_go();
    let done = run.await.unwrap().unwrap().unwrap();
    assert_eq!((done.records, done.quarantined, done.completion), (2, 1, Completion::Complete));
    let items = stage.quarantine.items();
    assert_eq!(items.iter().map(|(_, bytes)| &bytes[..]).collect::<Vec<_>>(), [b", 5}}"]);
    assert_eq!(verdict(&stage, &newer, 2), clean(2));
}

#[tokio::test]
async fn the_hub_is_asked_for_its_limits_while_the_claim_is_under_way() {
    let claim = numbers_of(Call::Swap, 5).await[0];
    let (mut stage, chaos) = stage([(claim, Act::Hold(When::Before))]);
    let event = stage.commit(&blob(1), content(&records(5)));
    let run = stage.start(&event, 0);
    chaos.held().await;
    assert!(chaos.calls().contains(&Call::Limits), "{:?}", chaos.calls());
    chaos.let_go();
    run.await.unwrap().unwrap().unwrap();
    assert_eq!(verdict(&stage, &event, 5), clean(5));
}

#[tokio::test]
async fn a_loser_that_finds_a_rewrite_notes_its_wish_and_changes_nothing_else() {
    let numbers = numbers_of(Call::Swap, 5).await;
    // After the release a read, the limits, the claim, and whatever comes next.
    let next_run = numbers[1] + 4;
    let (mut stage, chaos) = stage([(next_run, Act::Hold(When::Before))]);
    let first = stage.commit(&blob(1), content(&records(5)));
    stage.deliver(&[(&first, 0)]).await;
    let second = stage.commit(&blob(1), content(&records(9)));
    let owner = stage.start(&second, 0);
    chaos.held().await;
    let before = stage.row(&blob(1)).unwrap();
    let rewritten = stage.commit(&blob(1), content(&records(2)[1..]));
    assert_eq!(
        stage.start(&rewritten, 1).await.unwrap().unwrap().unwrap().completion,
        Completion::ClaimedElsewhere
    );
    let after = stage.row(&blob(1)).unwrap();
    assert_eq!(after.wanted.as_ref(), Some(&rewritten.commit));
    assert_eq!((after.progress, after.in_flight), (before.progress, before.in_flight));
    chaos.let_go();
    owner.await.unwrap().unwrap().unwrap();
    let expected = [records(9), records(2)[1..].to_vec()].concat();
    assert_eq!(judge(&expected, &stage.arrivals(&rewritten).unwrap()), clean(10));
}

#[tokio::test]
async fn a_new_commit_during_a_takeover_leaves_the_bounds_of_repeated_messages_alone() {
    let last_send = *numbers_of(Call::Send, 30).await.last().unwrap();
    for read in 2..6 {
        // All is sent and nothing saved when the first process ends. Its successor loads and reads,
        // asks for the limits, claims, and reads on.
        let acts = [(last_send, Act::Kill(When::After)), (last_send + 3 + read, Act::Hold(When::Before))];
        let (mut stage, chaos) = stage(acts);
        let first = stage.commit(&blob(1), content(&records(30)));
        stage.deliver(&[(&first, 0)]).await;
        assert_eq!(stage.ended, 1);
        stage.outlive_claims();
        let successor = stage.start(&first, 0);
        chaos.held().await;
        let second = stage.commit(&blob(1), content(&records(37)));
        chaos.let_go();
        successor.await.unwrap().unwrap().unwrap();
        let verdict = verdict(&stage, &second, 37);
        assert!(verdict.is_kept() && verdict.repeated > 0, "held at {read}: {verdict:?}");
    }
}

#[tokio::test]
async fn a_takeover_that_runs_out_of_time_leaves_the_bounds_of_repeated_messages_alone() {
    let last_send = *numbers_of(Call::Send, 30).await.last().unwrap();
    let acts = [(last_send, Act::Kill(When::After)), (last_send + 5, Act::Hold(When::Before))];
    let (mut stage, chaos) = stage(acts);
    let first = stage.commit(&blob(1), content(&records(30)));
    stage.options.budget = Duration::from_secs(3);
    stage.deliver(&[(&first, 0)]).await;
    stage.outlive_claims();
    let successor = stage.start(&first, 0);
    chaos.held().await;
    // Until no more is read, and before the event is given up: at 60 and 100 percent of the budget.
    tokio::time::sleep(stage.options.budget * 65 / 100).await;
    assert_eq!(
        stage.start(&first, 1).await.unwrap().unwrap().unwrap().completion,
        Completion::ClaimedElsewhere
    );
    chaos.let_go();
    let done = successor.await.unwrap().unwrap().unwrap();
    assert_eq!(done.completion, Completion::LeftOver);
    assert_eq!(stage.row(&blob(1)).unwrap().claim, None, "what is left over is anybody's");
    let second = stage.commit(&blob(1), content(&records(37)));
    stage.deliver(&[(&second, 1)]).await;
    let verdict = verdict(&stage, &second, 37);
    assert!(verdict.is_kept() && verdict.repeated > 0, "{verdict:?}");
}

#[tokio::test]
async fn a_blob_created_anew_after_a_crash_is_not_taken_for_the_one_before() {
    let last_send = *numbers_of(Call::Send, 30).await.last().unwrap();
    let (mut stage, _) = stage([(last_send, Act::Kill(When::After))]);
    let before = stage.commit(&blob(1), content(&records(30)));
    stage.deliver(&[(&before, 0)]).await;
    stage.outlive_claims();
    stage.blobs.delete(&blob(1));
    // As long as those before, to the byte.
    let others: Vec<String> = records(30).iter().map(|record| record.replace("09:", "10:")).collect();
    let after = stage.commit(&blob(1), content(&others));
    stage.deliver(&[(&after, 0)]).await;
    let expected = [records(30), others].concat();
    assert_eq!(judge(&expected, &stage.arrivals(&after).unwrap()), clean(60));
}
