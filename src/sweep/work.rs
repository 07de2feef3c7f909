//! The middle of a sweep: looks and runs, side by side.

use super::behind::Behind;
use super::look::{Looked, ScanError, look};
use super::open::in_time;
use super::place::{Place, Step};
use super::report::Swept;
use super::{Sweeper, Times};
use crate::forward::{Completion, ForwardError, Forwarded};
use crate::ports::SweepPorts;
use futures_util::future::Either;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt as _, StreamExt as _};
use std::collections::{BTreeMap, VecDeque};
use std::panic::AssertUnwindSafe;
use tokio::time::Instant;

/// How many pages are looked at at once.
const LOOKS_AT_ONCE: usize = 8;

/// No page is looked at while so many blobs wait to be forwarded: bounds memory when days are to be caught
/// up, together with the pages under way.
const GATHERED: usize = 1_000;

/// How many failed blobs are told of one by one.
const TOLD: u64 = 10;

/// A blob to be forwarded.
struct Task {
    /// The number of its hour in the sweep.
    step: usize,
    behind: Behind,
}

/// A page to be looked at.
struct Look {
    /// The number of its hour in the sweep.
    step: usize,
    /// The number of its flow log in the container.
    flow_log: usize,
    /// Where it begins; none for the first.
    marker: Option<String>,
}

/// Why a blob did not catch up.
#[derive(Debug, thiserror::Error)]
enum CatchUpError {
    #[error(transparent)]
    Forward(ForwardError),
    #[error("{blob}: a defect in the forwarder stopped it (see the log)")]
    Defect { blob: String },
}

/// What came to an end.
#[expect(clippy::large_enum_variant, reason = "taken apart at once")]
enum Ended {
    Look(Look, Result<Looked, ScanError>),
    Run(Task, Result<Forwarded, CatchUpError>),
}

/// The pages that are still to be looked at: each hour's flow logs, hour by hour, the rest of a listing
/// that has begun before the next one begins.
#[derive(Default)]
struct Ahead {
    step: usize,
    flow_log: usize,
    begun: VecDeque<Look>,
    /// How many looks at a place failed in a row.
    failed_in_a_row: BTreeMap<usize, usize>,
}

impl Ahead {
    fn next(&mut self, places: &[Place], steps: &[Step]) -> Option<Look> {
        if let Some(look) = self.begun.pop_front() {
            return Some(look);
        }
        while let Some(step) = steps.get(self.step) {
            if self.flow_log < places[step.place].flow_logs.len() && !self.is_out_of_reach(step.place) {
                self.flow_log += 1;
                return Some(Look { step: self.step, flow_log: self.flow_log - 1, marker: None });
            }
            (self.step, self.flow_log) = (self.step + 1, 0);
        }
        None
    }

    /// Where nothing can be looked at, other hours need not be tried.
    fn is_out_of_reach(&self, place: usize) -> bool {
        self.failed_in_a_row.get(&place).is_some_and(|failed| *failed >= LOOKS_AT_ONCE)
    }
}

impl<P: SweepPorts> Sweeper<P> {
    /// Looks at all steps in turn, and forwards what is behind as it is found: several blobs at once and
    /// each in turn; one with work left over goes to the queue's end.
    pub(super) async fn work(
        &self,
        places: &[Place],
        steps: &mut [Step],
        now: u64,
        times: Times,
        swept: &mut Swept,
    ) {
        let (mut ahead, mut queue) = (Ahead::default(), VecDeque::<Task>::new());
        let mut under_way = FuturesUnordered::new();
        let (mut looks, mut runs) = (0, 0);
        loop {
            if !self.is_over(times) {
                while runs < self.options.at_once
                    && let Some(task) = queue.pop_front()
                {
                    runs += 1;
                    under_way.push(Either::Left(self.run(task, times)));
                }
                while looks < LOOKS_AT_ONCE
                    && queue.len() < GATHERED
                    && let Some(look) = ahead.next(places, steps)
                {
                    looks += 1;
                    let step = &steps[look.step];
                    let place = &places[step.place];
                    let prefix = place.flow_logs[look.flow_log].prefix_of(step.hour);
                    under_way.push(Either::Right(self.look(place, look, prefix, now, times)));
                }
            }
            match under_way.next().await {
                Some(Ended::Run(task, result)) => {
                    runs -= 1;
                    ran(task, result, steps, &mut queue, swept);
                }
                Some(Ended::Look(look, result)) => {
                    looks -= 1;
                    looked(&look, result, places, steps, (&mut queue, &mut ahead), swept);
                }
                None => break,
            }
        }
        for task in &queue {
            swept.not_forwarded(task.behind.listed.modified);
            swept.broken += u64::from(task.behind.broken);
        }
        let unseen =
            steps.iter().filter(|step| !step.is_closed && step.looks_left > 0 && step.failed_looks == 0);
        let unseen = unseen.filter(|step| !ahead.is_out_of_reach(step.place)).count();
        swept.left_over += (queue.len() + unseen) as u64;
    }

    /// Whether nothing more may begin.
    fn is_over(&self, times: Times) -> bool {
        Instant::now() >= times.begin_until || self.forwarder.is_stopping()
    }

    async fn look(&self, place: &Place, page: Look, prefix: String, now: u64, times: Times) -> Ended {
        let from = (prefix.as_str(), page.marker.as_deref());
        let looked = look(&*self.listing, &self.table, &place.container, from, self.options.page, now);
        let result = in_time(times.run_until, looked).await;
        Ended::Look(page, result)
    }

    /// One turn of one blob. A panic fails this blob alone.
    async fn run(&self, mut task: Task, times: Times) -> Ended {
        let seen = task.behind.seen.take();
        let (blob, commit) = (&task.behind.listed.blob, &task.behind.listed.commit);
        let until = times.run_until.into_std();
        let result =
            AssertUnwindSafe(self.forwarder.catch_up(blob, commit, seen, until)).catch_unwind().await;
        let result = match result {
            Ok(result) => result.map_err(CatchUpError::Forward),
            Err(_) => Err(CatchUpError::Defect { blob: blob.url() }),
        };
        Ended::Run(task, result)
    }
}

/// Takes note of what a run did.
fn ran(
    task: Task,
    result: Result<Forwarded, CatchUpError>,
    steps: &mut [Step],
    queue: &mut VecDeque<Task>,
    swept: &mut Swept,
) {
    let Behind { listed, broken, .. } = &task.behind;
    match result {
        Ok(done) => {
            swept.records += done.records;
            swept.messages += done.messages;
            swept.quarantined += done.quarantined;
            match done.completion {
                Completion::LeftOver => {
                    queue.push_back(task);
                    return;
                }
                Completion::ClaimedElsewhere => {
                    swept.at_work += 1;
                    swept.not_forwarded(listed.modified);
                }
                Completion::Complete | Completion::Deleted => {
                    swept.caught_up += 1;
                    steps[task.step].open -= 1;
                }
            }
            let broken = done.broken || *broken && done.completion == Completion::ClaimedElsewhere;
            swept.count_broken(broken.into(), broken.then(|| listed.blob.url()));
        }
        Err(CatchUpError::Forward(ForwardError::Stopping { .. })) => swept.left_over += 1,
        Err(failure) => {
            swept.failed += 1;
            swept.not_forwarded(listed.modified);
            swept.count_broken((*broken).into(), broken.then(|| listed.blob.url()));
            if swept.failed <= TOLD {
                tracing::warn!("behind, and failed: {failure}");
            } else {
                tracing::debug!("behind, and failed: {failure}");
            }
            swept.note(failure);
        }
    }
}

/// Takes note of what a look found.
fn looked(
    look: &Look,
    result: Result<Looked, ScanError>,
    places: &[Place],
    steps: &mut [Step],
    (queue, ahead): (&mut VecDeque<Task>, &mut Ahead),
    swept: &mut Swept,
) {
    let Look { step: number, flow_log, .. } = *look;
    let step = &mut steps[number];
    let failed = ahead.failed_in_a_row.entry(step.place).or_default();
    let Looked { listed, newest, compared, next } = match result {
        Ok(looked) => looked,
        Err(error) => {
            *failed += 1;
            step.failed_looks += 1;
            swept.unseen += 1;
            let (container, hour) = (&places[step.place].container, step.hour);
            if *failed == 1 {
                tracing::warn!(%container, %hour, "not looked at: {error}");
            } else {
                tracing::debug!(%container, %hour, "not looked at: {error}");
            }
            swept.note(error);
            return;
        }
    };
    *failed = 0;
    let behind = compared.behind.len() as u64 + compared.at_work;
    step.listed += listed;
    step.open += behind;
    swept.behind += behind;
    swept.at_work += compared.at_work;
    swept.newest = swept.newest.max(newest);
    swept.count_broken(compared.broken, compared.first_broken);
    if step.is_closed {
        swept.behind_in_closed += behind;
        if behind > 0 {
            let (container, hour) = (&places[step.place].container, step.hour);
            tracing::warn!(
                %container,
                "{behind} blobs of the closed hour {hour} were behind: their commits came late and their event was \
                 lost, or was answered before all was forwarded"
            );
        }
    } else {
        swept.listed += listed;
    }
    queue.extend(compared.behind.into_iter().map(|behind| Task { step: number, behind }));
    if next.is_some() {
        ahead.begun.push_back(Look { step: number, flow_log, marker: next });
        return;
    }
    step.looks_left -= 1;
    if !step.is_closed {
        swept.looked_at += 1;
    } else if step.was_seen() {
        swept.closed_hours += 1;
    }
}
