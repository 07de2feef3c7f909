//! Each call to a port fails, hangs or ends its process in turn: nothing is lost, and repeats are the same
//! messages.

mod random_order;

use crate::support::blobs::blob;
use crate::support::faults::{Action, Call, Faults, When, random};
use crate::support::judge::{Recovery, Row, Verdict, judge, judge_tuples, show};
use crate::support::records::{content, record, tuples_of, unsplittable};
use crate::support::stage::Stage;
use flowlog_forwarder::forward::ForwarderOptions;
use std::fmt::Write as _;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::runtime::Runtime;

/// So small that a delta takes several batches of several messages.
const TRANSFER: usize = 3_500;
/// The size of a record that fits no message.
const UNSPLITTABLE: usize = 2_000;
const MESSAGE: NonZeroUsize = NonZeroUsize::new(1_600).unwrap();

/// Windows smaller than most records; progress is saved after each.
fn options(budget: Duration) -> ForwarderOptions {
    let (window, max_message_bytes) = (700, Some(MESSAGE));
    ForwarderOptions {
        window,
        max_message_bytes,
        save_every: Duration::ZERO,
        budget,
        ..ForwarderOptions::default()
    }
}

/// The records `[from, to)` of a blob; neighbours differ in length.
fn records(from: u32, to: u32) -> Vec<String> {
    (from..to).map(|number| record(number, 1 + number % 3)).collect()
}

/// An hour of four blobs: they grow, one is rewritten, one has records that are too long. Events come late,
/// twice, and at once at both processes; one commit comes in the middle of a run.
async fn play(stage: &mut Stage) -> Result<Verdict, String> {
    let [first, second, third, fourth] = [1, 2, 3, 4].map(blob);
    let whole = |from, to| content(&records(from, to));

    let first_1 = stage.commit(&first, whole(0, 1));
    let second_1 = stage.commit(&second, whole(100, 102));
    stage.deliver(&[(&first_1, 0), (&second_1, 1)]).await;
    let first_late = stage.commit(&first, whole(0, 3));
    let third_1 = stage.commit(&third, whole(200, 201));
    stage.deliver(&[(&third_1, 0)]).await;
    let first_3 = stage.commit(&first, whole(0, 24));
    stage.deliver(&[(&first_3, 0), (&first_3, 1)]).await;
    stage.deliver(&[(&first_late, 1)]).await;
    let second_2 = stage.commit(&second, whole(100, 109));
    stage.deliver(&[(&second_2, 1)]).await;
    stage.deliver_again().await;

    let third_2 = stage.commit(&third, whole(200, 220));
    let early = stage.begin(&third_2, 0);
    for _ in 0..5 {
        tokio::task::yield_now().await;
    }
    let third_3 = stage.commit(&third, whole(200, 230));
    let late = stage.begin(&third_3, 1);
    stage.finish(vec![early, late]).await;
    stage.deliver(&[(&third_2, 0)]).await;
    stage.settle(&[&second_2]).await?;

    let second_3 = stage.commit(&second, whole(300, 305));
    stage.deliver(&[(&second_3, 0)]).await;
    let second_4 = stage.commit(&second, whole(300, 321));
    stage.deliver(&[(&second_3, 1), (&second_4, 1)]).await;
    // The last commit of the hour.
    let first_4 = stage.commit(&first, whole(0, 26));
    stage.deliver(&[(&first_4, 1), (&first_4, 0)]).await;
    let odd = [records(400, 402), vec![record(402, 60)], records(403, 404)].concat();
    let fourth_1 = stage.commit(&fourth, content(&[&odd[..2], &[unsplittable(UNSPLITTABLE)]].concat()));
    stage.deliver(&[(&fourth_1, 0)]).await;
    let fourth_2 =
        stage.commit(&fourth, content(&[&odd[..2], &[unsplittable(UNSPLITTABLE)], &odd[2..]].concat()));
    stage.deliver(&[(&fourth_2, 1), (&fourth_1, 0)]).await;
    stage.settle(&[&first_4, &second_4, &third_3, &fourth_2]).await?;

    let mut verdict = judge(&records(0, 26), &stage.arrivals(&first_4)?);
    verdict += judge(&[records(100, 109), records(300, 321)].concat(), &stage.arrivals(&second_4)?);
    verdict += judge(&records(200, 230), &stage.arrivals(&third_3)?);
    let tuples: Vec<String> = odd.iter().flat_map(|record| tuples_of(record)).collect();
    verdict += judge_tuples(&tuples, &stage.arrivals(&fourth_2)?);
    let kept: Vec<Vec<u8>> = stage.world.quarantine.items().into_iter().map(|(_, bytes)| bytes).collect();
    if kept != [unsplittable(UNSPLITTABLE).into_bytes()] {
        return Err(format!("quarantine: {kept:?}"));
    }
    Ok(verdict)
}

/// The result of one scenario.
struct Played {
    verdict: Result<Verdict, String>,
    calls: Vec<Call>,
    attempts: usize,
}

/// A verdict without faults.
fn clean(records: usize) -> Verdict {
    Verdict { records, ..Verdict::default() }
}

/// One thread, so that the same faults strike the same calls each time.
fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap()
}

/// Plays the scenario with these faults, in a runtime of its own.
fn played(acts: &[(usize, Action)], budget: Duration) -> Played {
    runtime().block_on(async {
        let faults = Faults::at(acts.iter().copied());
        let mut stage = Stage::new(Arc::clone(&faults), TRANSFER, options(budget));
        let verdict = play(&mut stage).await;
        Played { verdict, calls: faults.calls(), attempts: stage.most_attempts }
    })
}

const LONG: Duration = Duration::from_secs(25);

fn undisturbed() -> Played {
    let played = played(&[], LONG);
    let verdict = played.verdict.clone().unwrap();
    assert_eq!(verdict, clean(verdict.records));
    let count = |call| played.calls.iter().filter(|made| **made == call).count();
    let counts = [Call::Read, Call::Load, Call::Swap, Call::Send, Call::Quarantine].map(count);
    assert!(counts.iter().zip([60, 10, 70, 20, 2]).all(|(count, least)| *count >= least), "{counts:?}");
    played
}

/// Plays the scenario once for each of `cases`, several at once, and checks each with `check`.
fn play_all(
    fault: &str,
    threads: usize,
    budget: Duration,
    cases: &[Vec<(usize, Action)>],
    check: impl Fn(&[(usize, Action)], &Played, Verdict) -> Option<String> + Sync,
) {
    let (next, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let (sum, failures) = (Mutex::new(Verdict::default()), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(acts) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let played = played(acts, budget);
                    most.fetch_max(played.attempts, Ordering::Relaxed);
                    let failure = match &played.verdict {
                        Err(reason) => Some(reason.clone()),
                        Ok(verdict) if !verdict.is_kept() => Some(format!("{verdict:?}")),
                        Ok(verdict) => {
                            *sum.lock().unwrap() += *verdict;
                            check(acts, &played, *verdict)
                        }
                    };
                    if let Some(failure) = failure {
                        let struck: Vec<_> =
                            acts.iter().map(|(n, act)| (n, act, played.calls.get(*n))).collect();
                        failures.lock().unwrap().push(format!("{struck:?}: {failure}"));
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().unwrap();
    let mut shown = String::new();
    failures.iter().take(10).for_each(|failure| writeln!(shown, "{failure}").unwrap());
    assert!(failures.is_empty(), "{fault}: {} of {} runs failed\n{shown}", failures.len(), cases.len());
    let verdict = sum.into_inner().unwrap();
    let recovered = Recovery::Deliveries(most.into_inner());
    show(&Row { fault, runs: cases.len(), verdict, recovered });
}

/// One case for each call of an undisturbed run.
fn each_call(act: Action) -> Vec<Vec<(usize, Action)>> {
    (0..undisturbed().calls.len()).map(|number| vec![(number, act)]).collect()
}

/// The faults allowed when the call number `struck` fails and no process ends: none, unless it is a send. Then
/// messages of the same run may be repeated: those of that send, those after it, because no offset passes a
/// failed send, and those of the same record before it.
fn allowed(calls: &[Call], struck: usize, verdict: Verdict) -> Verdict {
    let clean = clean(verdict.records);
    if calls[struck] != Call::Send {
        return clean;
    }
    // A run begins with the request for the limits.
    let (before, behind) = calls.split_at(struck);
    let of_run = before.iter().rev().take_while(|call| **call != Call::Limits);
    let of_run = of_run.chain(behind.iter().take_while(|call| **call != Call::Limits));
    let most = of_run.filter(|call| **call == Call::Send).count() * (TRANSFER / MESSAGE.get() + 1);
    Verdict { repeated: verdict.repeated.min(most), overtook: verdict.overtook, ..clean }
}

#[test]
fn a_failed_call_repeats_nothing_unless_it_is_a_send() {
    let cases = each_call(Action::Fail(When::Before));
    play_all("any call fails", 2, LONG, &cases, |acts, played, verdict| {
        let allowed = allowed(&played.calls, acts[0].0, verdict);
        (verdict != allowed).then(|| format!("{verdict:?} instead of {allowed:?}"))
    });
}

#[test]
fn a_lost_answer_repeats_nothing_unless_it_is_of_a_send() {
    let cases = each_call(Action::Fail(When::After));
    play_all("any call's answer is lost", 2, LONG, &cases, |acts, played, verdict| {
        let allowed = Verdict { overtook: 0, ..allowed(&played.calls, acts[0].0, verdict) };
        (verdict != allowed).then(|| format!("{verdict:?} instead of {allowed:?}"))
    });
}

#[test]
fn a_crash_at_any_call_repeats_only_what_was_not_saved() {
    for (fault, when) in [
        ("the process ends before any call's effect", When::Before),
        ("the process ends after any call's effect", When::After),
    ] {
        play_all(fault, 2, LONG, &each_call(Action::Kill(when)), |_, _, verdict| {
            // Progress is saved after every window here: only a few messages are unsaved.
            (verdict.overtook > 0 || verdict.repeated > 6).then(|| format!("{verdict:?}"))
        });
    }
}

#[test]
fn a_call_that_hangs_blocks_no_later_event() {
    for (fault, when) in
        [("any call hangs before its effect", When::Before), ("any call hangs after its effect", When::After)]
    {
        let budget = Duration::from_millis(500);
        play_all(fault, 32, budget, &each_call(Action::Hang(when)), |acts, played, verdict| {
            let allowed = allowed(&played.calls, acts[0].0, verdict);
            (verdict != allowed).then(|| format!("{verdict:?} instead of {allowed:?}"))
        });
    }
}

#[test]
fn two_faults_in_one_run_lose_nothing() {
    let calls = undisturbed().calls.len() as u64;
    let acts = [When::Before, When::After].map(|when| [Action::Fail(when), Action::Kill(when)]).concat();
    let mut drawn = 0x9e37_79b9_7f4a_7c15;
    let mut draw = |below: u64| {
        drawn = random(drawn);
        usize::try_from((drawn >> 11) % below).unwrap()
    };
    let cases: Vec<_> = (0..400)
        .map(|_| {
            // Half of the time, the second fault strikes the recovery from the first.
            let first = draw(calls);
            let second = if draw(2) == 0 { first + 1 + draw(12) } else { draw(calls) };
            vec![(first, acts[draw(4)]), (second, acts[draw(4)])]
        })
        .collect();
    play_all("any two faults", 2, LONG, &cases, |_, _, _| None);
}
