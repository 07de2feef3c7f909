//! The steps that are possible in a state, and the state after each.

use super::blob::{Version, etag};
use super::faults::Fault;
use super::state::State;
use super::table::CallOutcome;
use super::worker::{Phase, Run, StopReason, Write};
use flowlog_forwarder::checkpoint::lease::is_of;

/// One step. Workers are numbered.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// The blob gains records.
    Commit,
    /// The blob is replaced.
    Rewrite,
    /// Enough time passes for claims to expire.
    Expire,
    /// An event, or the sweep, starts an attempt.
    Start(usize, CallOutcome),
    /// A worker makes the call of its phase.
    Call(usize, CallOutcome),
    /// A worker sends its next message.
    Send(usize),
    /// A worker writes its row in mid-run.
    Write(usize, Write, CallOutcome),
    /// A run ends after the hub accepted everything it sent, and its claim is released.
    Finish(usize, StopReason, CallOutcome),
    /// A run ends because a send failed, after the hub accepted this number of messages before it.
    Fail(usize, usize, CallOutcome),
    /// A worker dies. The flag says whether its replacement has another message limit.
    Crash(usize, bool),
}

/// How a write within an attempt may fail.
const WRITES: [CallOutcome; 3] = [CallOutcome::Failed, CallOutcome::Lost, CallOutcome::Retried];
/// How a release may fail: it may also be cancelled at the end of the attempt.
const RELEASES: [CallOutcome; 5] = [
    CallOutcome::Failed,
    CallOutcome::Lost,
    CallOutcome::Retried,
    CallOutcome::Timeout,
    CallOutcome::DoneThenTimeout,
];

/// The constants of a model.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Records per commit.
    pub grows_by: u8,
    /// The time of one [`Action::Expire`], milliseconds.
    pub expiry: u64,
    /// The message limits between which a crash may switch, bytes.
    pub settings: [u64; 2],
}

impl State {
    /// Adds every possible step to `actions`.
    pub fn actions(&self, actions: &mut Vec<Action>) {
        let faults = [
            (Fault::Commit, Action::Commit),
            (Fault::Rewrite, Action::Rewrite),
            (Fault::Expiry, Action::Expire),
        ];
        actions.extend(
            faults.into_iter().filter(|(fault, _)| self.faults_left.allows(*fault)).map(|(_, step)| step),
        );
        for me in 0..self.workers.len() {
            self.actions_of(me, actions);
        }
    }

    fn actions_of(&self, me: usize, actions: &mut Vec<Action>) {
        let worker = &self.workers[me];
        match &worker.phase {
            // An attempt would change nothing.
            Phase::Idle if self.is_forwarded() && worker.unsaved.is_none() => {}
            Phase::Idle => {
                actions.extend(
                    self.outcomes(&[CallOutcome::ReadFailed]).map(|outcome| Action::Start(me, outcome)),
                );
            }
            Phase::Run(run) => self.actions_of_run(me, run, actions),
            phase => {
                let others: &[_] = match phase {
                    Phase::Reload => &[CallOutcome::Failed, CallOutcome::ReadFailed],
                    Phase::ReleaseEarlier(_) => &[
                        CallOutcome::ReadFailed,
                        CallOutcome::Failed,
                        CallOutcome::Lost,
                        CallOutcome::Retried,
                    ],
                    Phase::Release { .. } => &RELEASES,
                    _ => &WRITES,
                };
                actions.extend(self.outcomes(others).map(|outcome| Action::Call(me, outcome)));
            }
        }
        let owner = self.row.as_ref().and_then(|row| row.claim.as_ref()).map(|claim| &claim.owner);
        let owns = owner.is_some_and(|owner| is_of(owner, &worker.name));
        let remembers = owns || worker.cached.is_some() || worker.unsaved.is_some() || !worker.is_idle();
        if self.faults_left.allows(Fault::Crash) {
            actions.extend(remembers.then_some(Action::Crash(me, false)));
            actions.extend(self.faults_left.allows(Fault::Setting).then_some(Action::Crash(me, true)));
        }
    }

    fn actions_of_run(&self, me: usize, run: &Run, actions: &mut Vec<Action>) {
        let write = |write: &Write, actions: &mut Vec<Action>| {
            actions.extend(self.outcomes(&WRITES).map(|outcome| Action::Write(me, write.clone(), outcome)));
        };
        if let Some(pending) = &run.writing {
            return write(pending, actions);
        }
        let in_flight = run.in_flight.len();
        if self.faults_left.allows(Fault::Send) {
            actions.extend((0..in_flight).map(|accepted| Action::Fail(me, accepted, CallOutcome::Good)));
        }
        let mut stops = run.stop.map_or_else(Vec::new, |stop| vec![stop]);
        if run.stop.is_none() {
            actions.push(Action::Send(me));
            let least = usize::from(!run.renews_at(self.clock(me)));
            (least..=in_flight).for_each(|accepted| write(&Write::Save { accepted }, actions));
            let is_outdated = run.opened.number + 1 < self.versions.len();
            stops.extend(is_outdated.then_some(StopReason::NewVersion));
            stops.extend(self.faults_left.allows(Fault::Call).then_some(StopReason::Failed));
            if self.faults_left.allows(Fault::OutOfTime) {
                stops.push(StopReason::OutOfTime);
                for range in (1..).map_while(|count| run.early(count)) {
                    actions.push(Action::Write(me, Write::Narrow(range), CallOutcome::Good));
                }
            }
        }
        for stop in stops {
            actions.extend(self.outcomes(&RELEASES).map(|outcome| Action::Finish(me, stop, outcome)));
        }
    }

    /// Success, and those of `others` that the faults left allow.
    fn outcomes(&self, others: &[CallOutcome]) -> impl Iterator<Item = CallOutcome> {
        let allowed =
            |outcome: &CallOutcome| outcome.fault().is_none_or(|fault| self.faults_left.allows(fault));
        [CallOutcome::Good].iter().chain(others).copied().filter(allowed)
    }

    /// Whether the newest version is forwarded and the row has no claim.
    fn is_forwarded(&self) -> bool {
        let newest = etag(self.versions.len() - 1);
        self.row.as_ref().is_some_and(|row| row.covers(&newest) && row.claim.is_none())
    }

    /// The state after `next`; `None` if that takes more faults than are left.
    pub fn after(&self, setup: &Setup, next: &Action) -> Option<Self> {
        let mut state = self.clone();
        for fault in next.faults().into_iter().flatten() {
            if !state.faults_left.allows(fault) {
                return None;
            }
            state.faults_left.take(fault);
        }
        match next.clone() {
            Action::Commit => {
                let Version { content, records } = self.newest();
                state.versions.push(Version { content, records: records + setup.grows_by });
            }
            Action::Rewrite => {
                let Version { content, records } = self.newest();
                state.versions.push(Version { content: content + 1, records: records.div_ceil(2) });
            }
            Action::Expire => state.now += setup.expiry,
            Action::Start(me, outcome) => state.start(me, outcome),
            Action::Call(me, outcome) => state.call(me, outcome),
            Action::Send(me) => state.send(me),
            Action::Write(me, write, outcome) => state.write(me, write, outcome),
            Action::Finish(me, stop, outcome) => state.finish(me, stop, outcome),
            Action::Fail(me, accepted, outcome) => state.fail(me, accepted, outcome),
            Action::Crash(me, is_changed) => {
                let worker = &self.workers[me];
                let [one, other] = setup.settings;
                let changed = if worker.max_body == one { other } else { one };
                let name = format!("{}'", worker.name);
                state.crash(me, &name, if is_changed { changed } else { worker.max_body });
            }
        }
        state
            .workers
            .iter_mut()
            .filter(|worker| worker.is_idle())
            .for_each(|worker| worker.event_version = 0);
        Some(state)
    }
}

impl Action {
    /// The faults that it takes.
    fn faults(&self) -> [Option<Fault>; 2] {
        match self {
            Self::Commit => [Some(Fault::Commit), None],
            Self::Rewrite => [Some(Fault::Rewrite), None],
            Self::Expire => [Some(Fault::Expiry), None],
            Self::Crash(_, is_changed) => [Some(Fault::Crash), is_changed.then_some(Fault::Setting)],
            Self::Fail(_, _, outcome) => [Some(Fault::Send), outcome.fault()],
            Self::Finish(_, StopReason::Failed, outcome) => [Some(Fault::Call), outcome.fault()],
            Self::Finish(_, StopReason::OutOfTime, outcome) | Self::Write(_, Write::Narrow(_), outcome) => {
                [Some(Fault::OutOfTime), outcome.fault()]
            }
            Self::Start(_, outcome)
            | Self::Call(_, outcome)
            | Self::Write(_, _, outcome)
            | Self::Finish(_, _, outcome) => [outcome.fault(), None],
            Self::Send(..) => [None, None],
        }
    }

    /// Whether it is a step of `worker` without a fault.
    pub fn advances(&self, worker: usize) -> bool {
        match self {
            Self::Call(me, CallOutcome::Good)
            | Self::Send(me)
            | Self::Write(me, _, CallOutcome::Good)
            | Self::Finish(me, StopReason::Reached(_), CallOutcome::Good) => *me == worker,
            _ => false,
        }
    }
}
