//! The steps of a run under a claim: send, save, and the conclusion that the row is to hold.

use super::blob::{Edge, early_message, etag};
use super::hub::Message;
use super::row::Seen;
use super::state::State;
use super::table::{Answer, Updated};
use super::worker::{Ending, Phase, Run, Stop, Worker, Write};
use flowlog_forwarder::checkpoint::lease::RunEnd;
use flowlog_forwarder::checkpoint::{Checkpoint, Progress, RunOutcome};

impl Run {
    /// What the row is to say.
    fn progress(&self) -> Progress {
        let progress = self.seen.row.progress.clone();
        match self.landed {
            Some(offset) => {
                let fingerprint = Some(self.opened.version.trail(offset).fingerprint());
                Progress { offset, fingerprint, ..progress }
            }
            None => progress,
        }
    }

    /// Whether a save would renew the claim at `now`.
    pub fn renews_at(&self, now: u64) -> bool {
        self.seen.row.advanced(self.progress(), now) != *self.seen.row
    }

    /// The message that a run out of time would end after `count` records; none when it may not.
    pub fn early(&self, count: u8) -> Option<std::ops::Range<u64>> {
        let may = self.sent == 0 && !self.repeats;
        let offset = self.seen.row.progress.offset;
        early_message(self.opened.version, offset, count, self.opened.max_body).filter(|_| may)
    }

    fn send(&mut self, range: std::ops::Range<u64>) {
        let message = Message {
            generation: self.seen.row.progress.generation,
            start: range.start,
            end: range.end,
            content: self.opened.version.content,
            run: self.label.clone(),
        };
        self.in_flight.push(message);
    }
}

impl State {
    /// Sends the next message. When it is accepted is known when a save or the end of the run depends on it.
    pub fn send(&mut self, me: usize) {
        let Some(run) = self.workers[me].run_mut() else { return };
        run.send(run.planned[run.sent].clone());
        run.sent += 1;
        if run.sent == run.planned.len() {
            run.stop = Some(Stop::Edge(run.edge));
        }
    }

    /// The worker hears that the hub accepted the first `accepted` messages on their way. That the hub did so
    /// earlier makes no difference to anybody.
    fn land(&mut self, me: usize, accepted: usize) {
        let Some(run) = self.workers[me].run_mut() else { return };
        let accepted: Vec<_> = run.in_flight.drain(..accepted).collect();
        if let Some(last) = accepted.last() {
            run.landed = Some(last.end);
        }
        for message in accepted {
            self.hub.accept(message);
        }
    }

    /// Writes in the middle of a run.
    pub fn write(&mut self, me: usize, write: Write, answer: Answer) {
        let now = self.clock(me);
        if let Write::Save { accepted } = &write {
            self.land(me, *accepted);
        }
        let Some(run) = self.workers[me].run_mut() else { return };
        run.writing = None;
        let (seen, progress) = (run.seen.clone(), run.progress());
        let updated = self.update(seen.clone(), answer, |row: &Checkpoint| match &write {
            Write::Save { .. } => row.advanced(progress.clone(), now),
            Write::Narrow(message) => row.narrowed(message.end),
        });
        let Some(run) = self.workers[me].run_mut() else { return };
        match updated {
            Updated::Written { after, .. } => {
                run.seen = after;
                if let Write::Narrow(message) = write {
                    run.send(message);
                    run.stop = Some(Stop::OutOfTime);
                }
            }
            Updated::Pending => {
                run.writing = Some(match write {
                    Write::Save { .. } => Write::Save { accepted: 0 },
                    narrow @ Write::Narrow(_) => narrow,
                });
            }
            Updated::Failed => run.stop = Some(Stop::Failed),
            Updated::ClaimLost => self.conclude(me, Err(())),
        }
    }

    /// Ends a run because of `stop`, once all it sent was accepted, and gives the blob back.
    pub fn finish(&mut self, me: usize, stop: Stop, answer: Answer) {
        let Some(run) = self.workers[me].run() else { return };
        self.land(me, run.in_flight.len());
        self.conclude(me, Ok(stop));
        self.call(me, answer);
    }

    /// Ends a run because a send failed after the hub accepted the first `accepted` messages on their way, and
    /// gives the blob back. What becomes of the others is not waited for.
    pub fn fail(&mut self, me: usize, accepted: usize, answer: Answer) {
        self.land(me, accepted);
        let label = self.workers[me].run().and_then(|run| run.label.clone());
        self.conclude(me, Err(()));
        if let Some(owner) = label {
            self.excuse(&owner);
        }
        self.call(me, answer);
    }

    /// Says what the row is to hold after a run that came as far as `reached`; an error is one after which
    /// answers to other sends are not waited for.
    fn conclude(&mut self, me: usize, reached: Result<Stop, ()>) {
        let Phase::Run(run) = std::mem::replace(&mut self.workers[me].phase, Phase::Idle) else { return };
        let mut progress = run.progress();
        progress.length = run.opened.version.length();
        progress.etag = (reached == Ok(Stop::Edge(Edge::Version))).then(|| etag(run.opened.number));
        let outcome = match reached {
            Ok(Stop::OutOfTime | Stop::NewVersion) => {
                RunOutcome::StoppedEarly { repeats: run.repeats, within_record: false }
            }
            Ok(Stop::Edge(_)) => RunOutcome::Complete,
            Ok(Stop::Failed) | Err(()) => RunOutcome::Failed,
        };
        let finished = outcome.clears_in_flight();
        run.in_flight.into_iter().for_each(|message| self.hub.set_adrift(message));
        let how = match reached {
            Ok(Stop::OutOfTime) => Ending::OutOfTime,
            _ if outcome == RunOutcome::Failed => Ending::Failed,
            _ => Ending::Well,
        };
        self.give_back(me, run.seen, |owner| RunEnd { owner, progress, finished }, how);
    }

    /// The worker dies, and another takes its place, named `name`, with messages of at most `max_body` bytes.
    pub fn crash(&mut self, me: usize, name: &str, max_body: u64) {
        let ahead = self.workers[me].ahead;
        let dead = std::mem::replace(&mut self.workers[me], Worker::new(name, ahead, max_body));
        let ended = dead.unsaved.as_ref().map(|end| end.0.owner.clone());
        let seen: Option<&Seen> = dead.run().map(|run| &run.seen);
        let at_work = seen.and_then(|seen| seen.row.claim.as_ref()).map(|claim| claim.owner.clone());
        if let Phase::Run(run) = dead.phase {
            run.in_flight.into_iter().for_each(|message| self.hub.set_adrift(message));
        }
        for owner in ended.into_iter().chain(at_work) {
            self.excuse(&owner);
        }
    }
}
