//! The steps of a run under a claim: send, save, and the end that the row will hold.

use super::blob::{ReadEnd, early_message, etag};
use super::hub::Message;
use super::row::LoadedRow;
use super::state::State;
use super::table::{CallOutcome, Updated};
use super::worker::{Phase, RoundResult, Run, StopReason, Worker, Write};
use flowlog_forwarder::checkpoint::lease::RunEnd;
use flowlog_forwarder::checkpoint::{Checkpoint, Progress, RunOutcome};

impl Run {
    /// The progress to save in the row.
    fn progress(&self) -> Progress {
        let progress = self.loaded.row.progress.clone();
        match self.acknowledged {
            Some(offset) => {
                let fingerprint = Some(self.opened.version.fingerprint_tail(offset).fingerprint());
                Progress { offset, fingerprint, ..progress }
            }
            None => progress,
        }
    }

    /// Whether a save at `now` would change the row.
    pub fn renews_at(&self, now: u64) -> bool {
        self.loaded.row.advanced(self.progress(), now) != *self.loaded.row
    }

    /// The message of `count` records that a run out of time may end early; `None` if it may not.
    pub fn early(&self, count: u8) -> Option<std::ops::Range<u64>> {
        let may = self.sent == 0 && !self.repeats;
        let offset = self.loaded.row.progress.offset;
        early_message(self.opened.version, offset, count, self.opened.max_body).filter(|_| may)
    }

    fn send(&mut self, range: std::ops::Range<u64>) {
        let message = Message {
            generation: self.loaded.row.progress.generation,
            start: range.start,
            end: range.end,
            content: self.opened.version.content,
            owner: self.owner.clone(),
        };
        self.in_flight.push(message);
    }
}

impl State {
    /// Sends the next message. A later step decides whether the hub has accepted it.
    pub fn send(&mut self, me: usize) {
        let Some(run) = self.workers[me].run_mut() else { return };
        run.send(run.planned[run.sent].clone());
        run.sent += 1;
        if run.sent == run.planned.len() {
            run.stop = Some(StopReason::Reached(run.read_end));
        }
    }

    /// Acknowledges the first `accepted` messages in flight. Earlier acceptance by the hub would change nothing
    /// that a worker can see.
    fn acknowledge(&mut self, me: usize, accepted: usize) {
        let Some(run) = self.workers[me].run_mut() else { return };
        let accepted: Vec<_> = run.in_flight.drain(..accepted).collect();
        if let Some(last) = accepted.last() {
            run.acknowledged = Some(last.end);
        }
        for message in accepted {
            self.hub.accept(message);
        }
    }

    /// Writes the row in mid-run.
    pub fn write(&mut self, me: usize, write: Write, outcome: CallOutcome) {
        let now = self.clock(me);
        if let Write::Save { accepted } = &write {
            self.acknowledge(me, *accepted);
        }
        let Some(run) = self.workers[me].run_mut() else { return };
        run.writing = None;
        let (loaded, progress) = (run.loaded.clone(), run.progress());
        let updated = self.update(loaded.clone(), outcome, |row: &Checkpoint| match &write {
            Write::Save { .. } => row.advanced(progress.clone(), now),
            Write::Narrow(message) => row.narrowed(message.end),
        });
        let Some(run) = self.workers[me].run_mut() else { return };
        match updated {
            Updated::Written { after, .. } => {
                run.loaded = after;
                if let Write::Narrow(message) = write {
                    run.send(message);
                    run.stop = Some(StopReason::OutOfTime);
                }
            }
            Updated::Pending => {
                run.writing = Some(match write {
                    Write::Save { .. } => Write::Save { accepted: 0 },
                    narrow @ Write::Narrow(_) => narrow,
                });
            }
            Updated::Failed => run.stop = Some(StopReason::Failed),
            Updated::ClaimLost => self.conclude(me, Err(())),
        }
    }

    /// Ends a run because of `stop`, after the hub accepted everything it sent, and releases the claim.
    pub fn finish(&mut self, me: usize, stop: StopReason, outcome: CallOutcome) {
        let Some(run) = self.workers[me].run() else { return };
        self.acknowledge(me, run.in_flight.len());
        self.conclude(me, Ok(stop));
        self.call(me, outcome);
    }

    /// Ends a run because a send failed, after the hub accepted the first `accepted` messages in flight, and
    /// releases the claim. The worker does not wait for the others.
    pub fn fail(&mut self, me: usize, accepted: usize, outcome: CallOutcome) {
        self.acknowledge(me, accepted);
        let owner = self.workers[me].run().and_then(|run| run.owner.clone());
        self.conclude(me, Err(()));
        if let Some(owner) = owner {
            self.allow_repeats(&owner);
        }
        self.call(me, outcome);
    }

    /// Decides what the row will say after a run that ended with `reached`. After an error the worker does not
    /// wait for further acknowledgements.
    fn conclude(&mut self, me: usize, reached: Result<StopReason, ()>) {
        let Phase::Run(run) = std::mem::replace(&mut self.workers[me].phase, Phase::Idle) else { return };
        let mut progress = run.progress();
        progress.length = run.opened.version.length();
        progress.etag =
            (reached == Ok(StopReason::Reached(ReadEnd::EndOfBlob))).then(|| etag(run.opened.number));
        let outcome = match reached {
            Ok(StopReason::OutOfTime | StopReason::NewVersion) => {
                RunOutcome::StoppedEarly { repeats: run.repeats, within_record: false }
            }
            Ok(StopReason::Reached(_)) => RunOutcome::Complete,
            Ok(StopReason::Failed) | Err(()) => RunOutcome::Failed,
        };
        let finished = outcome.clears_in_flight();
        run.in_flight.into_iter().for_each(|message| self.hub.abandon(message));
        let result = match reached {
            Ok(StopReason::OutOfTime) => RoundResult::OutOfTime,
            _ if outcome == RunOutcome::Failed => RoundResult::Failed,
            _ => RoundResult::Completed,
        };
        self.start_release(me, run.loaded, |owner| RunEnd { owner, progress, finished }, result);
    }

    /// The worker dies. Its replacement is named `name` and sends bodies of at most `max_body` bytes.
    pub fn crash(&mut self, me: usize, name: &str, max_body: u64) {
        let ahead = self.workers[me].ahead;
        let dead = std::mem::replace(&mut self.workers[me], Worker::new(name, ahead, max_body));
        let ended = dead.unsaved.as_ref().map(|end| end.0.owner.clone());
        let loaded: Option<&LoadedRow> = dead.run().map(|run| &run.loaded);
        let running = loaded.and_then(|loaded| loaded.row.claim.as_ref()).map(|claim| claim.owner.clone());
        if let Phase::Run(run) = dead.phase {
            run.in_flight.into_iter().for_each(|message| self.hub.abandon(message));
        }
        for owner in ended.into_iter().chain(running) {
            self.allow_repeats(&owner);
        }
    }
}
