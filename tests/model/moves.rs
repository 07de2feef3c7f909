//! What can happen next in a state, and what becomes of it.

use super::blob::{Version, etag};
use super::faults::Fault;
use super::state::State;
use super::table::Answer;
use super::worker::{Phase, Run, Stop, Write};
use flowlog_forwarder::checkpoint::lease::is_of;

/// One step. Workers and messages go by their number.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Move {
    /// The blob gains records.
    Commit,
    /// The blob is replaced.
    Rewrite,
    /// So much time passes.
    Pass,
    /// An event, or the sweep, starts an attempt.
    Start(usize, Answer),
    /// A worker makes the call that is due.
    Call(usize, Answer),
    /// A worker sends its next message.
    Send(usize),
    /// A worker writes in the middle of a run.
    Write(usize, Write, Answer),
    /// A worker ends its run with everything accepted that it sent, and releases the claim.
    Finish(usize, Stop, Answer),
    /// The same after a send failed and so many before it were accepted.
    Fail(usize, usize, Answer),
    /// A worker dies; its successor may have another setting.
    Crash(usize, bool),
}

/// How a write in the middle of an attempt may go instead of well.
const WRITES: [Answer; 3] = [Answer::Failed, Answer::Lost, Answer::Twice];
/// And a release, which has the last of an attempt's time.
const RELEASES: [Answer; 5] =
    [Answer::Failed, Answer::Lost, Answer::Twice, Answer::CutOff, Answer::DoneAndCutOff];

/// What the system is made of, beside its state.
#[derive(Clone, Debug)]
pub struct Setup {
    /// How many records a commit brings.
    pub grows_by: u8,
    /// How much time passes at once, milliseconds.
    pub passes: u64,
    /// The settings between which a crash may change.
    pub settings: [u64; 2],
}

impl State {
    /// Everything that can happen next.
    pub fn moves(&self, moves: &mut Vec<Move>) {
        let faults =
            [(Fault::Commit, Move::Commit), (Fault::Rewrite, Move::Rewrite), (Fault::Expiry, Move::Pass)];
        moves.extend(faults.into_iter().filter(|(fault, _)| self.left.allows(*fault)).map(|(_, step)| step));
        for me in 0..self.workers.len() {
            self.moves_of(me, moves);
        }
    }

    fn moves_of(&self, me: usize, moves: &mut Vec<Move>) {
        let worker = &self.workers[me];
        match &worker.phase {
            // Otherwise it would only look.
            Phase::Idle if self.is_settled() && worker.unsaved.is_none() => {}
            Phase::Idle => {
                moves.extend(self.answers(&[Answer::Unread]).map(|answer| Move::Start(me, answer)));
            }
            Phase::Run(run) => self.moves_of_run(me, run, moves),
            phase => {
                let others: &[_] = match phase {
                    Phase::Reload => &[Answer::Failed, Answer::Unread],
                    Phase::ReleaseEarlier(_) => {
                        &[Answer::Unread, Answer::Failed, Answer::Lost, Answer::Twice]
                    }
                    Phase::GiveBack { .. } => &RELEASES,
                    _ => &WRITES,
                };
                moves.extend(self.answers(others).map(|answer| Move::Call(me, answer)));
            }
        }
        let owner = self.row.as_ref().and_then(|row| row.claim.as_ref()).map(|claim| &claim.owner);
        let owns = owner.is_some_and(|owner| is_of(owner, &worker.name));
        let remembers = owns || worker.seen.is_some() || worker.unsaved.is_some() || !worker.is_idle();
        if self.left.allows(Fault::Crash) {
            moves.extend(remembers.then_some(Move::Crash(me, false)));
            moves.extend(self.left.allows(Fault::Setting).then_some(Move::Crash(me, true)));
        }
    }

    fn moves_of_run(&self, me: usize, run: &Run, moves: &mut Vec<Move>) {
        let write = |write: &Write, moves: &mut Vec<Move>| {
            moves.extend(self.answers(&WRITES).map(|answer| Move::Write(me, write.clone(), answer)));
        };
        if let Some(pending) = &run.writing {
            return write(pending, moves);
        }
        let under_way = run.in_flight.len();
        if self.left.allows(Fault::Send) {
            moves.extend((0..under_way).map(|accepted| Move::Fail(me, accepted, Answer::Good)));
        }
        let mut stops = run.stop.map_or_else(Vec::new, |stop| vec![stop]);
        if run.stop.is_none() {
            moves.push(Move::Send(me));
            let least = usize::from(!run.renews_at(self.clock(me)));
            (least..=under_way).for_each(|accepted| write(&Write::Save { accepted }, moves));
            let is_outdated = run.opened.number + 1 < self.versions.len();
            stops.extend(is_outdated.then_some(Stop::NewVersion));
            stops.extend(self.left.allows(Fault::Call).then_some(Stop::Failed));
            if self.left.allows(Fault::Time) {
                stops.push(Stop::OutOfTime);
                for range in (1..).map_while(|count| run.early(count)) {
                    moves.push(Move::Write(me, Write::Narrow(range), Answer::Good));
                }
            }
        }
        for stop in stops {
            moves.extend(self.answers(&RELEASES).map(|answer| Move::Finish(me, stop, answer)));
        }
    }

    /// The good answer, and those of `others` that may still happen.
    fn answers(&self, others: &[Answer]) -> impl Iterator<Item = Answer> {
        let allowed = |answer: &Answer| answer.fault().is_none_or(|fault| self.left.allows(fault));
        [Answer::Good].iter().chain(others).copied().filter(allowed)
    }

    /// Whether the row covers the newest version, and nobody claims it.
    fn is_settled(&self) -> bool {
        let newest = etag(self.versions.len() - 1);
        self.row.as_ref().is_some_and(|row| row.covers(&newest) && row.claim.is_none())
    }

    /// What becomes of the state by `next`; none when that takes more faults than are left.
    pub fn after(&self, setup: &Setup, next: &Move) -> Option<Self> {
        let mut state = self.clone();
        for fault in next.faults().into_iter().flatten() {
            if !state.left.allows(fault) {
                return None;
            }
            state.left.take(fault);
        }
        match next.clone() {
            Move::Commit => {
                let Version { content, records } = self.newest();
                state.versions.push(Version { content, records: records + setup.grows_by });
            }
            Move::Rewrite => {
                let Version { content, records } = self.newest();
                state.versions.push(Version { content: content + 1, records: records.div_ceil(2) });
            }
            Move::Pass => state.now += setup.passes,
            Move::Start(me, answer) => state.start(me, answer),
            Move::Call(me, answer) => state.call(me, answer),
            Move::Send(me) => state.send(me),
            Move::Write(me, write, answer) => state.write(me, write, answer),
            Move::Finish(me, stop, answer) => state.finish(me, stop, answer),
            Move::Fail(me, accepted, answer) => state.fail(me, accepted, answer),
            Move::Crash(me, is_changed) => {
                let worker = &self.workers[me];
                let [one, other] = setup.settings;
                let changed = if worker.max_body == one { other } else { one };
                let name = format!("{}'", worker.name);
                state.crash(me, &name, if is_changed { changed } else { worker.max_body });
            }
        }
        state.workers.iter_mut().filter(|worker| worker.is_idle()).for_each(|worker| worker.asked = 0);
        Some(state)
    }
}

impl Move {
    /// Which faults it takes.
    fn faults(&self) -> [Option<Fault>; 2] {
        match self {
            Self::Commit => [Some(Fault::Commit), None],
            Self::Rewrite => [Some(Fault::Rewrite), None],
            Self::Pass => [Some(Fault::Expiry), None],
            Self::Crash(_, is_changed) => [Some(Fault::Crash), is_changed.then_some(Fault::Setting)],
            Self::Fail(_, _, answer) => [Some(Fault::Send), answer.fault()],
            Self::Finish(_, Stop::Failed, answer) => [Some(Fault::Call), answer.fault()],
            Self::Finish(_, Stop::OutOfTime, answer) | Self::Write(_, Write::Narrow(_), answer) => {
                [Some(Fault::Time), answer.fault()]
            }
            Self::Start(_, answer)
            | Self::Call(_, answer)
            | Self::Write(_, _, answer)
            | Self::Finish(_, _, answer) => [answer.fault(), None],
            Self::Send(..) => [None, None],
        }
    }

    /// Whether it brings worker number `worker` on, with nothing going wrong.
    pub fn is_progress_of(&self, worker: usize) -> bool {
        match self {
            Self::Call(me, Answer::Good)
            | Self::Send(me)
            | Self::Write(me, _, Answer::Good)
            | Self::Finish(me, Stop::Edge(_), Answer::Good) => *me == worker,
            _ => false,
        }
    }
}
