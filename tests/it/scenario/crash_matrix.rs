//! Every call to the outside fails, hangs or ends its process, in turn: nothing is lost, and what
//! comes twice is the same twice.

use crate::support::chaos::{Act, Call, Chaos, When, random};
use crate::support::judge::{Recovery, Row, Verdict, judge, judge_tuples, show};
use crate::support::memory_hub::MemoryHub;
use crate::support::samples::{blob, content, record};
use crate::support::stage::Stage;
use flowlog_forwarder::forward::ForwarderOptions;
use std::fmt::Write as _;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::runtime::Runtime;

/// Small enough that a delta takes several batches of several messages.
const TRANSFER: usize = 3_500;
const MESSAGE: NonZeroUsize = NonZeroUsize::new(1_600).unwrap();

/// Windows smaller than most records, progress saved after each.
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

/// The records from `from` to `to` of a blob; each is of another length than its neighbours.
fn records(from: u32, to: u32) -> Vec<String> {
    (from..to).map(|number| record(number, 1 + number % 3)).collect()
}

/// A record that fits no message, and has no tuples at which it could be split.
fn unsplittable() -> String {
    format!("{{\"note\":\"{}\"}}", "x".repeat(2_000))
}

/// The tuples of a record, as [`record`] writes them.
fn tuples_of(record: &str) -> Vec<String> {
    let (_, tuples) = record.split_once("\"flowTuples\":[\"").unwrap();
    let (tuples, _) = tuples.split_once("\"]").unwrap();
    tuples.split("\",\"").map(str::to_owned).collect()
}

/// An hour of four blobs: they grow, one is rewritten, one has records that are too long; events come
/// late, twice, and at once at both processes; one commit falls into the middle of a run.
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
    let fourth_1 = stage.commit(&fourth, content(&[&odd[..2], &[unsplittable()]].concat()));
    stage.deliver(&[(&fourth_1, 0)]).await;
    let fourth_2 = stage.commit(&fourth, content(&[&odd[..2], &[unsplittable()], &odd[2..]].concat()));
    stage.deliver(&[(&fourth_2, 1), (&fourth_1, 0)]).await;
    stage.settle(&[&first_4, &second_4, &third_3, &fourth_2]).await?;

    let mut verdict = judge(&records(0, 26), &stage.arrivals(&first_4)?);
    verdict += judge(&[records(100, 109), records(300, 321)].concat(), &stage.arrivals(&second_4)?);
    verdict += judge(&records(200, 230), &stage.arrivals(&third_3)?);
    let tuples: Vec<String> = odd.iter().flat_map(|record| tuples_of(record)).collect();
    verdict += judge_tuples(&tuples, &stage.arrivals(&fourth_2)?);
    let kept: Vec<Vec<u8>> = stage.quarantine.items().into_iter().map(|(_, bytes)| bytes).collect();
    if kept != [unsplittable().into_bytes()] {
        return Err(format!("quarantine: {kept:?}"));
    }
    Ok(verdict)
}

/// What one run came to.
struct Played {
    verdict: Result<Verdict, String>,
    calls: Vec<Call>,
    attempts: usize,
}

/// A verdict without any blemish.
fn clean(records: usize) -> Verdict {
    Verdict { records, ..Verdict::default() }
}

/// One thread, so that the same faults fall upon the same calls each time.
fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap()
}

/// Plays the scenario with these faults, in a runtime of its own.
fn played(acts: &[(usize, Act)], budget: Duration) -> Played {
    runtime().block_on(async {
        let chaos = Chaos::new(acts.iter().copied());
        let hub = MemoryHub::with_limit(TRANSFER);
        let mut stage = Stage::new(Arc::clone(&chaos), hub, options(budget));
        let verdict = play(&mut stage).await;
        Played { verdict, calls: chaos.calls(), attempts: stage.most_attempts }
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

/// Plays the scenario once for each of `cases`, several at once, and checks each with `judge`.
fn play_all(
    fault: &str,
    threads: usize,
    budget: Duration,
    cases: &[Vec<(usize, Act)>],
    check: impl Fn(&[(usize, Act)], &Played, Verdict) -> Option<String> + Sync,
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
    let mut told = String::new();
    failures.iter().take(10).for_each(|failure| writeln!(told, "{failure}").unwrap());
    assert!(failures.is_empty(), "{fault}: {} of {} runs failed\n{told}", failures.len(), cases.len());
    let verdict = sum.into_inner().unwrap();
    let recovered = Recovery::Deliveries(most.into_inner());
    show(&Row { fault, runs: cases.len(), verdict, recovered });
}

/// One case for each call of an undisturbed run.
fn each_call(act: Act) -> Vec<Vec<(usize, Act)>> {
    (0..undisturbed().calls.len()).map(|number| vec![(number, act)]).collect()
}

/// What may be amiss when the call number `struck` is struck and nobody crashes: nothing, unless it was a
/// send. Then messages of the same run may come again: those of that send, those behind it, which an offset
/// can't pass, and those of the same record before it.
fn allowed(calls: &[Call], struck: usize, verdict: Verdict) -> Verdict {
    let clean = clean(verdict.records);
    if calls[struck] != Call::Send {
        return clean;
    }
    // Each run begins with the limits.
    let (before, behind) = calls.split_at(struck);
    let of_run = before.iter().rev().take_while(|call| **call != Call::Limits);
    let of_run = of_run.chain(behind.iter().take_while(|call| **call != Call::Limits));
    let most = of_run.filter(|call| **call == Call::Send).count() * (TRANSFER / MESSAGE.get() + 1);
    Verdict { repeated: verdict.repeated.min(most), overtook: verdict.overtook, ..clean }
}

#[test]
fn a_call_that_fails_without_effect_repeats_nothing_unless_it_was_a_send() {
    let cases = each_call(Act::Fail(When::Before));
    play_all("any call fails", 2, LONG, &cases, |acts, played, verdict| {
        let allowed = allowed(&played.calls, acts[0].0, verdict);
        (verdict != allowed).then(|| format!("{verdict:?} instead of {allowed:?}"))
    });
}

#[test]
fn a_call_whose_answer_is_lost_repeats_nothing_unless_it_was_a_send() {
    let cases = each_call(Act::Fail(When::After));
    play_all("any call's answer is lost", 2, LONG, &cases, |acts, played, verdict| {
        let allowed = Verdict { overtook: 0, ..allowed(&played.calls, acts[0].0, verdict) };
        (verdict != allowed).then(|| format!("{verdict:?} instead of {allowed:?}"))
    });
}

#[test]
fn a_process_that_ends_at_any_call_repeats_at_most_what_it_had_not_saved() {
    for (fault, when) in [
        ("the process ends before any call's effect", When::Before),
        ("the process ends after any call's effect", When::After),
    ] {
        play_all(fault, 2, LONG, &each_call(Act::Kill(when)), |_, _, verdict| {
            // Progress is saved after every window here: no more is unsaved than a few messages.
            (verdict.overtook > 0 || verdict.repeated > 6).then(|| format!("{verdict:?}"))
        });
    }
}

#[test]
fn a_call_that_never_comes_back_holds_up_no_later_event() {
    for (fault, when) in
        [("any call hangs before its effect", When::Before), ("any call hangs after its effect", When::After)]
    {
        let budget = Duration::from_millis(500);
        play_all(fault, 32, budget, &each_call(Act::Hang(when)), |acts, played, verdict| {
            let allowed = allowed(&played.calls, acts[0].0, verdict);
            (verdict != allowed).then(|| format!("{verdict:?} instead of {allowed:?}"))
        });
    }
}

#[test]
fn two_faults_in_one_run_lose_nothing_either() {
    let calls = undisturbed().calls.len() as u64;
    let acts = [When::Before, When::After].map(|when| [Act::Fail(when), Act::Kill(when)]).concat();
    let mut drawn = 0x9e37_79b9_7f4a_7c15;
    let mut draw = |below: u64| {
        drawn = random(drawn);
        usize::try_from((drawn >> 11) % below).unwrap()
    };
    let cases: Vec<_> = (0..400)
        .map(|_| {
            // The second fault falls upon what mends the first, as often as not.
            let first = draw(calls);
            let second = if draw(2) == 0 { first + 1 + draw(12) } else { draw(calls) };
            vec![(first, acts[draw(4)]), (second, acts[draw(4)])]
        })
        .collect();
    play_all("any two faults", 2, LONG, &cases, |_, _, _| None);
}

/// Commits and their events in a random order: late, doubled, several at once, at either process.
/// Every event comes at least once, and none fails. Returns what the hub has, blob by blob.
async fn play_at_random(seed: u64) -> Result<Verdict, String> {
    let mut drawn = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut draw = move |below: u32| {
        drawn = random(drawn);
        u32::try_from((drawn >> 20) % u64::from(below)).unwrap()
    };
    let chaos = Chaos::with_jitter([], seed);
    let mut stage = Stage::new(chaos, MemoryHub::with_limit(TRANSFER), options(LONG));
    let blobs = [1, 2, 3].map(blob);
    let mut lengths = [0; 3];
    let mut newest = [None, None, None];
    let mut waiting = Vec::new();
    for _ in 0..12 {
        let which = draw(3) as usize;
        lengths[which] += 1 + draw(9);
        let first = 100 * u32::try_from(which).unwrap();
        let event = stage.commit(&blobs[which], content(&records(first, first + lengths[which])));
        waiting.extend(std::iter::repeat_n(event.clone(), 1 + usize::from(draw(4) == 0)));
        newest[which] = Some(event);
        let mut now = Vec::new();
        while !waiting.is_empty() && draw(3) > 0 {
            let event = waiting.swap_remove(draw(u32::try_from(waiting.len()).unwrap()) as usize);
            now.push(stage.begin(&event, draw(2) as usize));
        }
        // A commit in the middle of runs, as often as not.
        if draw(2) == 0 {
            stage.finish(now).await;
        } else {
            for _ in 0..draw(60) {
                tokio::task::yield_now().await;
            }
            let again = draw(3) as usize;
            if let Some(event) = &newest[again] {
                now.push(stage.begin(&event.clone(), draw(2) as usize));
            }
            stage.finish(now).await;
        }
    }
    while !waiting.is_empty() {
        let some = waiting.split_off(waiting.len().saturating_sub(3));
        let deliveries = some.iter().map(|event| stage.begin(event, draw(2) as usize)).collect();
        stage.finish(deliveries).await;
    }
    assert_eq!(stage.most_attempts, 1);
    let mut verdict = Verdict::default();
    for (which, event) in
        newest.iter().enumerate().filter_map(|(which, event)| Some((which, event.as_ref()?)))
    {
        let first = 100 * u32::try_from(which).unwrap();
        verdict += judge(&records(first, first + lengths[which]), &stage.arrivals(event)?);
    }
    Ok(verdict)
}

#[test]
fn in_any_order_of_events_at_two_processes_every_record_comes_once() {
    const RUNS: usize = 300;
    let (next, failures) = (AtomicUsize::new(1), Mutex::new(Vec::new()));
    let sum = Mutex::new(Verdict::default());
    let work = || {
        while let seed = next.fetch_add(1, Ordering::Relaxed)
            && seed <= RUNS
        {
            let verdict = runtime().block_on(play_at_random(seed as u64));
            match verdict {
                Ok(verdict) if verdict == clean(verdict.records) => *sum.lock().unwrap() += verdict,
                other => failures.lock().unwrap().push(format!("seed {seed}: {other:?}")),
            }
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(work);
        scope.spawn(work);
    });
    let failures = failures.into_inner().unwrap();
    assert!(failures.is_empty(), "{} of {RUNS} runs failed: {:?}", failures.len(), failures.first());
    let verdict = sum.into_inner().unwrap();
    let fault = "none: events late, doubled, at once, at two processes";
    show(&Row { fault, runs: RUNS, verdict, recovered: Recovery::Deliveries(1) });
}
