//! Events in any order at two processes.

use super::{LONG, TRANSFER, clean, options, records, runtime};
use crate::support::blobs::blob;
use crate::support::faults::{Faults, random};
use crate::support::judge::{Recovery, Row, Verdict, judge, show};
use crate::support::records::content;
use crate::support::stage::Stage;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Commits and their events in random order: late, repeated, several at once, at either process.
/// Each event comes at least once, and none fails. Judges what the hub accepted.
async fn play_at_random(seed: u64) -> Result<Verdict, String> {
    let mut drawn = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut draw = move |below: u32| {
        drawn = random(drawn);
        u32::try_from((drawn >> 20) % u64::from(below)).unwrap()
    };
    let mut stage = Stage::new(Faults::reordering(seed), TRANSFER, options(LONG));
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
        // Half of the time, a commit in the middle of runs.
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
fn events_in_any_order_at_two_processes_send_each_record_once() {
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
    let fault = "none: events late, repeated, at once, at two processes";
    show(&Row { fault, runs: RUNS, verdict, recovered: Recovery::Deliveries(1) });
}
