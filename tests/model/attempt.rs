//! The steps of an attempt, in the order in which the crate makes them: load, release what an earlier run left,
//! read, claim, send, give back. Every decision is one of the crate's functions.

use super::blob::{Version, etag, messages};
use super::row::{End, Seen};
use super::state::State;
use super::table::{Answer, Updated};
use super::worker::{Ending, Opened, Phase, Run, Stop};
use flowlog_forwarder::checkpoint::lease::{self, ClaimDecision, RunEnd};
use flowlog_forwarder::checkpoint::{BlobVersion, Bounds, Checkpoint, InFlightRange};
use flowlog_forwarder::forward::plan::{self, Continuity};
use flowlog_forwarder::message::batch::PACKING_VERSION;
use std::sync::Arc;

/// The hub of the model accepts bodies of any setting, bytes.
const HUB_MAX_BODY: u64 = u64::MAX;

impl State {
    /// An event about the newest version reaches the worker. The first load and the first read are one step
    /// with it: whatever happens in between could happen before, or the claim finds the row changed.
    pub fn start(&mut self, me: usize, answer: Answer) {
        self.workers[me].asked = self.versions.len() - 1;
        let remembered = self.workers[me].seen.take();
        if let Some(seen) = remembered.filter(|_| self.workers[me].unsaved.is_none()) {
            return self.look(me, seen, answer);
        }
        let seen = self.load();
        let worker = &mut self.workers[me];
        if worker.unsaved.as_ref().is_some_and(|end| end.0.belongs_to(&seen.row)) {
            worker.phase = Phase::ReleaseEarlier(seen);
        } else {
            worker.unsaved = None;
            self.look(me, seen, answer);
        }
    }

    /// Makes the call that the worker's phase is about.
    pub fn call(&mut self, me: usize, answer: Answer) {
        let phase = std::mem::replace(&mut self.workers[me].phase, Phase::Idle);
        match phase {
            Phase::Reload if answer == Answer::Failed => {}
            Phase::Reload => self.open(me, self.load(), answer),
            Phase::ReleaseEarlier(seen) => self.release_earlier(me, seen, answer),
            Phase::Claim(seen, opened) => self.claim(me, seen, opened, answer),
            Phase::GiveBack { seen, end, how } => self.release(me, seen, end, how, answer),
            Phase::Idle | Phase::Run(_) => self.workers[me].phase = phase,
        }
    }

    fn release_earlier(&mut self, me: usize, seen: Seen, answer: Answer) {
        let Some(End(end)) = self.workers[me].unsaved.clone() else { return };
        let change = |row: &Checkpoint| row.released(end.progress.clone(), end.finished);
        match self.update(seen.clone(), answer, change) {
            Updated::Written { after, .. } => {
                self.workers[me].unsaved = None;
                self.look(me, after, answer);
            }
            Updated::Pending => {
                self.workers[me].phase = Phase::ReleaseEarlier(Seen { is_current: false, ..seen });
            }
            Updated::ClaimLost | Updated::Failed => {}
        }
    }

    /// Reads, unless the commit that was asked for has been forwarded.
    fn look(&mut self, me: usize, seen: Seen, answer: Answer) {
        let now = self.clock(me);
        let worker = &mut self.workers[me];
        if seen.row.is_complete(&etag(worker.asked), u64::MAX, now) {
            worker.seen = Some(seen);
        } else {
            self.open(me, seen, answer);
        }
    }

    fn open(&mut self, me: usize, seen: Seen, answer: Answer) {
        if answer == Answer::Unread {
            return self.end_unchanged(me, seen, Ending::Failed);
        }
        let (number, version) = (self.versions.len() - 1, self.newest());
        let mut row = Checkpoint::clone(&seen.row);
        if row.covers(&etag(number)) {
            return self.end_unchanged(me, seen, Ending::Well);
        }
        while !matches!(compare(&row, version), Continuity::Grown { .. }) {
            row = row.rewritten();
        }
        if row.progress.offset == 0 && row.progress.fingerprint.is_none() {
            row.progress.fingerprint = plan::first_fingerprint(&covered(&row, version), version.length());
        }
        let in_flight = row.in_flight;
        let stored = in_flight.and_then(|in_flight| in_flight.bounds);
        let bounds = Bounds::for_run(stored, bounds(self.workers[me].max_body), HUB_MAX_BODY);
        row.in_flight = in_flight.map(|in_flight| InFlightRange { bounds: Some(bounds), ..in_flight });
        let opened = Opened { number, version, row: row.into(), max_body: bounds.max_body };
        self.workers[me].phase = Phase::Claim(seen, Arc::new(opened));
    }

    fn claim(&mut self, me: usize, seen: Seen, opened: Arc<Opened>, answer: Answer) {
        let worker = &self.workers[me];
        let name = Arc::clone(&worker.name);
        let owner = lease::owner(&name, worker.runs);
        let asked = worker.asked;
        let wanted = BlobVersion { etag: etag(asked), length: self.versions[asked].length() };
        let in_flight =
            InFlightRange { until: opened.version.length(), bounds: Some(bounds(opened.max_body)) };
        let now = self.clock(me);
        let (row, is_claim) =
            match lease::claim(&seen.row, &opened.row, (&name, &owner), now, in_flight, &wanted) {
                ClaimDecision::AlreadyRequested => return,
                ClaimDecision::Request(row) => (row, false),
                ClaimDecision::Take(row) => (row, true),
            };
        if answer == Answer::Failed {
            return self.end_unchanged(me, seen, Ending::Failed);
        }
        if !seen.is_current {
            self.workers[me].phase = Phase::Reload;
            return;
        }
        if is_claim {
            self.workers[me].runs += 1;
            // The owner before, if it still is at work, has gone without renewal for too long.
            let before = seen.row.claim.as_ref().map(|claim| claim.owner.clone());
            if let Some(owner) = before.filter(|owner| !lease::is_of(owner, &name)) {
                self.excuse(&owner);
            }
        }
        let claimed = self.store(row);
        match answer {
            Answer::Good if is_claim => self.begin(me, claimed, opened, &owner),
            Answer::Good => {}
            Answer::Twice => self.workers[me].phase = Phase::Reload,
            _ => self.end_unchanged(me, Seen { is_current: false, ..seen }, Ending::Failed),
        }
    }

    fn begin(&mut self, me: usize, seen: Seen, opened: Arc<Opened>, owner: &str) {
        let length = opened.version.length();
        let until = seen.row.in_flight.map_or(length, |in_flight| in_flight.until);
        let offset = seen.row.progress.offset;
        let (planned, edge) = messages(opened.version, offset, until, opened.max_body);
        let stop = planned.is_empty().then_some(Stop::Edge(edge));
        self.workers[me].phase = Phase::Run(Run {
            seen,
            label: Some(owner.into()),
            repeats: opened.row.in_flight.is_some(),
            opened,
            planned,
            sent: 0,
            edge,
            in_flight: Vec::new(),
            landed: None,
            writing: None,
            stop,
        });
    }

    fn end_unchanged(&mut self, me: usize, seen: Seen, how: Ending) {
        let progress = seen.row.progress.clone();
        self.give_back(me, seen, |owner| RunEnd { owner, progress, finished: false }, how);
    }

    /// Begins to save the end of a round and to release its claim, if the row is claimed by this worker.
    pub fn give_back(&mut self, me: usize, seen: Seen, end: impl FnOnce(String) -> RunEnd, how: Ending) {
        let worker = &mut self.workers[me];
        let owner = seen.row.claim.as_ref().map(|claim| claim.owner.clone());
        match owner.filter(|owner| lease::is_of(owner, &worker.name)) {
            Some(owner) => {
                let end = End(Arc::new(end(owner)));
                // Remembered before the call, which may be cut off.
                worker.unsaved = Some(end.clone());
                worker.phase = Phase::GiveBack { seen, end, how };
            }
            None => self.go_on(me, seen, how, false, Answer::Good),
        }
    }

    fn release(&mut self, me: usize, seen: Seen, end: End, how: Ending, answer: Answer) {
        let RunEnd { progress, finished, .. } = &*end.0;
        let change = |row: &Checkpoint| row.released(progress.clone(), *finished);
        match self.update(seen.clone(), answer, change) {
            Updated::Written { before, after } => {
                self.workers[me].unsaved = None;
                let wanted = before.row.wanted.as_ref();
                let wanted_more = wanted.is_some_and(|wanted| progress.etag.as_ref() != Some(&wanted.etag));
                self.go_on(me, after, how, wanted_more, answer);
            }
            Updated::Pending => {
                let seen = Seen { is_current: false, ..seen };
                self.workers[me].phase = Phase::GiveBack { seen, end, how };
            }
            Updated::ClaimLost | Updated::Failed => {}
        }
    }

    /// Ends the attempt, or begins its next round when something is left to do.
    fn go_on(&mut self, me: usize, seen: Seen, how: Ending, wanted_more: bool, answer: Answer) {
        let now = self.clock(me);
        let worker = &mut self.workers[me];
        if how == Ending::Failed {
            return;
        }
        let complete = seen.row.progress.etag.as_ref();
        let complete = complete.is_some_and(|etag| seen.row.is_complete(etag, u64::MAX, now));
        worker.seen = Some(seen.clone());
        if !(complete && !wanted_more || how == Ending::OutOfTime) {
            self.open(me, seen, answer);
        }
    }
}

/// What decides the messages of a run by the setting `max_body`.
fn bounds(max_body: u64) -> Bounds {
    Bounds { max_body, by_nic: false, layout: PACKING_VERSION }
}

/// Whether `version` begins with what `row` says was forwarded.
fn compare(row: &Checkpoint, version: Version) -> Continuity {
    if plan::first_read(&row.progress, 0).start >= version.length() {
        return Continuity::Shrunk;
    }
    plan::continuity(&row.progress, &covered(row, version), version.length())
}

/// The first bytes that are read in order to compare.
fn covered(row: &Checkpoint, version: Version) -> Vec<u8> {
    let start = plan::first_read(&row.progress, 0).start;
    version.bytes(start..start + plan::covered(&row.progress))
}
