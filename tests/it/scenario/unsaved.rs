//! Progress that a run could not save belongs to its claim, and moves no later checkpoint back.

use crate::support::blobs::blob;
use crate::support::faults::{Action, Call, Faults, When};
use crate::support::judge::{Verdict, judge};
use crate::support::records::{content, records};
use crate::support::stage::Stage;
use flowlog_forwarder::forward::ForwarderOptions;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

fn stage(acts: &[(usize, Action)], budget: Duration) -> (Stage, Arc<Faults>) {
    let faults = Faults::at(acts.iter().copied());
    let max_message_bytes = NonZeroUsize::new(2_000);
    let options =
        ForwarderOptions { window: 1_500, max_message_bytes, budget, ..ForwarderOptions::default() };
    (Stage::new(Arc::clone(&faults), 4_000, options), faults)
}

/// How process 0 loses its first claim.
#[derive(Clone, Copy, PartialEq)]
enum First {
    /// The release fails.
    ReleaseFails,
    /// It pauses until process 1 has taken over.
    Pauses,
}

/// Process 0 forwards a commit but cannot save it, process 1 takes over, then process 0 gets another event.
/// Returns the calls, how many there were after each of the first two steps, and the verdict.
async fn play(first: First, acts: &[(usize, Action)]) -> (Vec<Call>, [usize; 2], Verdict) {
    let (mut stage, faults) = stage(acts, ForwarderOptions::default().budget);
    let one = stage.commit(&blob(1), content(&records(7)));
    let run = stage.start(&one, 0);
    if first == First::Pauses && !acts.is_empty() {
        faults.until_paused().await;
        stage.expire_claims();
        stage.deliver(&[(&one, 1)]).await;
        let next = stage.commit(&blob(1), content(&records(8)));
        stage.deliver(&[(&next, 1)]).await;
        faults.resume();
        let _ = run.await.unwrap();
    } else {
        let _ = run.await.unwrap();
        stage.expire_claims();
        stage.deliver(&[(&one, 1)]).await;
    }
    let after_first = faults.calls().len();
    for count in [9, 11, 13] {
        let next = stage.commit(&blob(1), content(&records(count)));
        stage.deliver(&[(&next, 1)]).await;
    }
    let offset = stage.row(&blob(1)).unwrap().progress.offset;
    let before_last = faults.calls().len();
    let last = stage.commit(&blob(1), content(&records(15)));
    for _ in 0..2 {
        let _ = stage.start(&last, 0).await.unwrap();
        let row = stage.row(&blob(1)).unwrap();
        assert!(row.progress.offset >= offset, "the offset fell from {offset}: {row:?}");
    }
    (faults.calls(), [after_first, before_last], judge(&records(15), &stage.arrivals(&last).unwrap()))
}

fn nth(calls: &[Call], from: usize, call: Call, nth: usize) -> usize {
    calls.iter().enumerate().skip(from).filter(|(_, made)| **made == call).nth(nth).unwrap().0
}

#[tokio::test]
async fn unsaved_progress_of_an_old_claim_moves_no_offset_back() {
    for first in [First::ReleaseFails, First::Pauses] {
        let (calls, [after_first, _], _) = play(first, &[]).await;
        let struck = match first {
            First::ReleaseFails => (nth(&calls, 0, Call::Swap, 1), Action::Fail(When::Before)),
            First::Pauses => {
                let sends = calls[..after_first].iter().filter(|call| **call == Call::Send).count();
                (nth(&calls, 0, Call::Send, sends - 1), Action::Pause(When::After))
            }
        };
        let (calls, [_, before_last], once) = play(first, &[struck]).await;
        assert!(once.is_kept(), "{once:?}");
        // The claim of the last event is written, but its answer is lost.
        let claim = (nth(&calls, before_last, Call::Swap, 0), Action::Fail(When::After));
        let (_, _, verdict) = play(first, &[struck, claim]).await;
        assert!(verdict.is_kept() && verdict.doubled == 0, "{verdict:?}");
    }
}

#[tokio::test]
async fn a_call_that_hangs_repeats_nothing_in_the_same_process() {
    let budget = Duration::from_millis(800);
    let (mut alone, faults) = stage(&[], budget);
    let event = alone.commit(&blob(1), content(&records(30)));
    alone.deliver(&[(&event, 0)]).await;
    let calls = faults.calls();
    let (reads, swaps) =
        [Call::Read, Call::Swap].map(|call| calls.iter().filter(|made| **made == call).count()).into();
    for (what, number) in [
        ("the claim", nth(&calls, 0, Call::Swap, 0)),
        ("the release", nth(&calls, 0, Call::Swap, swaps - 1)),
        ("a late read", nth(&calls, 0, Call::Read, reads - 1)),
    ] {
        for when in [When::Before, When::After] {
            let (mut stage, _) = stage(&[(number, Action::Hang(when))], budget);
            let event = stage.commit(&blob(1), content(&records(30)));
            for _ in 0..2 {
                let _ = stage.start(&event, 0).await.unwrap();
            }
            let verdict = judge(&records(30), &stage.arrivals(&event).unwrap());
            let clean = Verdict { records: 30, ..Verdict::default() };
            assert_eq!(verdict, clean, "{what} hangs, {when:?} its effect");
        }
    }
}
