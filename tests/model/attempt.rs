//! The steps of an attempt, in the crate's order: load, release an earlier claim, read, claim, send, release.
//! The crate's own functions make every decision.

use super::blob::{Version, etag, messages};
use super::row::{LoadedRow, SharedRunEnd};
use super::state::State;
use super::table::{CallOutcome, Updated};
use super::worker::{Opened, Phase, RoundResult, Run, StopReason};
use flowlog_forwarder::checkpoint::lease::{self, ClaimDecision, RunEnd};
use flowlog_forwarder::checkpoint::{BlobVersion, Bounds, Checkpoint, InFlightRange};
use flowlog_forwarder::forward::plan::{self, Continuity};
use flowlog_forwarder::message::batch::PACKING_VERSION;
use std::sync::Arc;

/// The hub of the model accepts the largest body of every setting, bytes.
const HUB_MAX_BODY: u64 = u64::MAX;

impl State {
    /// Starts an attempt for an event about the newest version. The first load and the first read are one step:
    /// a change between them could also happen before both, or else the claim finds the row changed.
    pub fn start(&mut self, me: usize, outcome: CallOutcome) {
        self.workers[me].event_version = self.versions.len() - 1;
        let remembered = self.workers[me].cached.take();
        if let Some(loaded) = remembered.filter(|_| self.workers[me].unsaved.is_none()) {
            return self.open_unless_complete(me, loaded, outcome);
        }
        let loaded = self.load();
        let worker = &mut self.workers[me];
        if worker.unsaved.as_ref().is_some_and(|end| end.0.belongs_to(&loaded.row)) {
            worker.phase = Phase::ReleaseEarlier(loaded);
        } else {
            worker.unsaved = None;
            self.open_unless_complete(me, loaded, outcome);
        }
    }

    /// Makes the call of the worker's phase.
    pub fn call(&mut self, me: usize, outcome: CallOutcome) {
        let phase = std::mem::replace(&mut self.workers[me].phase, Phase::Idle);
        match phase {
            Phase::Reload if outcome == CallOutcome::Failed => {}
            Phase::Reload => self.open(me, self.load(), outcome),
            Phase::ReleaseEarlier(loaded) => self.release_earlier(me, loaded, outcome),
            Phase::Claim(loaded, opened) => self.claim(me, loaded, opened, outcome),
            Phase::Release { loaded, end, result } => self.release(me, loaded, end, result, outcome),
            Phase::Idle | Phase::Run(_) => self.workers[me].phase = phase,
        }
    }

    fn release_earlier(&mut self, me: usize, loaded: LoadedRow, outcome: CallOutcome) {
        let Some(SharedRunEnd(end)) = self.workers[me].unsaved.clone() else { return };
        let change = |row: &Checkpoint| row.released(end.progress.clone(), end.finished);
        match self.update(loaded.clone(), outcome, change) {
            Updated::Written { after, .. } => {
                self.workers[me].unsaved = None;
                self.open_unless_complete(me, after, outcome);
            }
            Updated::Pending => {
                self.workers[me].phase = Phase::ReleaseEarlier(LoadedRow { is_current: false, ..loaded });
            }
            Updated::ClaimLost | Updated::Failed => {}
        }
    }

    /// Opens the blob, unless the event's version has been forwarded.
    fn open_unless_complete(&mut self, me: usize, loaded: LoadedRow, outcome: CallOutcome) {
        let now = self.clock(me);
        let worker = &mut self.workers[me];
        if loaded.row.is_complete(&etag(worker.event_version), u64::MAX, now) {
            worker.cached = Some(loaded);
        } else {
            self.open(me, loaded, outcome);
        }
    }

    fn open(&mut self, me: usize, loaded: LoadedRow, outcome: CallOutcome) {
        if outcome == CallOutcome::ReadFailed {
            return self.end_unchanged(me, loaded, RoundResult::Failed);
        }
        let (number, version) = (self.versions.len() - 1, self.newest());
        let mut row = Checkpoint::clone(&loaded.row);
        if row.covers(&etag(number)) {
            return self.end_unchanged(me, loaded, RoundResult::Completed);
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
        self.workers[me].phase = Phase::Claim(loaded, Arc::new(opened));
    }

    fn claim(&mut self, me: usize, loaded: LoadedRow, opened: Arc<Opened>, outcome: CallOutcome) {
        let worker = &self.workers[me];
        let name = Arc::clone(&worker.name);
        let owner = lease::owner(&name, worker.runs);
        let event_version = worker.event_version;
        let wanted = BlobVersion { etag: etag(event_version), length: self.versions[event_version].length() };
        let in_flight =
            InFlightRange { until: opened.version.length(), bounds: Some(bounds(opened.max_body)) };
        let now = self.clock(me);
        let (row, is_claim) =
            match lease::claim(&loaded.row, &opened.row, (&name, &owner), now, in_flight, &wanted) {
                ClaimDecision::AlreadyRequested => return,
                ClaimDecision::Request(row) => (row, false),
                ClaimDecision::Take(row) => (row, true),
            };
        if outcome == CallOutcome::Failed {
            return self.end_unchanged(me, loaded, RoundResult::Failed);
        }
        if !loaded.is_current {
            self.workers[me].phase = Phase::Reload;
            return;
        }
        if is_claim {
            self.workers[me].runs += 1;
            // The previous owner's claim has expired: if it still runs, its messages may be repeated.
            let before = loaded.row.claim.as_ref().map(|claim| claim.owner.clone());
            if let Some(owner) = before.filter(|owner| !lease::is_of(owner, &name)) {
                self.allow_repeats(&owner);
            }
        }
        let claimed = self.store(row);
        match outcome {
            CallOutcome::Good if is_claim => self.start_run(me, claimed, opened, &owner),
            CallOutcome::Good => {}
            CallOutcome::Retried => self.workers[me].phase = Phase::Reload,
            _ => self.end_unchanged(me, LoadedRow { is_current: false, ..loaded }, RoundResult::Failed),
        }
    }

    fn start_run(&mut self, me: usize, loaded: LoadedRow, opened: Arc<Opened>, owner: &str) {
        let length = opened.version.length();
        let until = loaded.row.in_flight.map_or(length, |in_flight| in_flight.until);
        let offset = loaded.row.progress.offset;
        let (planned, read_end) = messages(opened.version, offset, until, opened.max_body);
        let stop = planned.is_empty().then_some(StopReason::Reached(read_end));
        self.workers[me].phase = Phase::Run(Run {
            loaded,
            owner: Some(owner.into()),
            repeats: opened.row.in_flight.is_some(),
            opened,
            planned,
            sent: 0,
            read_end,
            in_flight: Vec::new(),
            acknowledged: None,
            writing: None,
            stop,
        });
    }

    fn end_unchanged(&mut self, me: usize, loaded: LoadedRow, result: RoundResult) {
        let progress = loaded.row.progress.clone();
        self.start_release(me, loaded, |owner| RunEnd { owner, progress, finished: false }, result);
    }

    /// Starts to save the end of a round and to release the claim, if this worker holds it.
    pub fn start_release(
        &mut self,
        me: usize,
        loaded: LoadedRow,
        end: impl FnOnce(String) -> RunEnd,
        result: RoundResult,
    ) {
        let worker = &mut self.workers[me];
        let owner = loaded.row.claim.as_ref().map(|claim| claim.owner.clone());
        match owner.filter(|owner| lease::is_of(owner, &worker.name)) {
            Some(owner) => {
                let end = SharedRunEnd(Arc::new(end(owner)));
                // Cached before the call, which may be cancelled.
                worker.unsaved = Some(end.clone());
                worker.phase = Phase::Release { loaded, end, result };
            }
            None => self.finish_round(me, loaded, result, false, CallOutcome::Good),
        }
    }

    fn release(
        &mut self,
        me: usize,
        loaded: LoadedRow,
        end: SharedRunEnd,
        result: RoundResult,
        outcome: CallOutcome,
    ) {
        let RunEnd { progress, finished, .. } = &*end.0;
        let change = |row: &Checkpoint| row.released(progress.clone(), *finished);
        match self.update(loaded.clone(), outcome, change) {
            Updated::Written { before, after } => {
                self.workers[me].unsaved = None;
                let wanted = before.row.wanted.as_ref();
                let newer_wanted = wanted.is_some_and(|wanted| progress.etag.as_ref() != Some(&wanted.etag));
                self.finish_round(me, after, result, newer_wanted, outcome);
            }
            Updated::Pending => {
                let loaded = LoadedRow { is_current: false, ..loaded };
                self.workers[me].phase = Phase::Release { loaded, end, result };
            }
            Updated::ClaimLost | Updated::Failed => {}
        }
    }

    /// Ends the attempt, or starts its next round when work is left.
    fn finish_round(
        &mut self,
        me: usize,
        loaded: LoadedRow,
        result: RoundResult,
        newer_wanted: bool,
        outcome: CallOutcome,
    ) {
        let now = self.clock(me);
        let worker = &mut self.workers[me];
        if result == RoundResult::Failed {
            return;
        }
        let complete = loaded.row.progress.etag.as_ref();
        let complete = complete.is_some_and(|etag| loaded.row.is_complete(etag, u64::MAX, now));
        worker.cached = Some(loaded.clone());
        if !(complete && !newer_wanted || result == RoundResult::OutOfTime) {
            self.open(me, loaded, outcome);
        }
    }
}

/// The bounds that the setting `max_body` gives to messages.
fn bounds(max_body: u64) -> Bounds {
    Bounds { max_body, by_nic: false, layout: PACKING_VERSION }
}

/// Whether `version` still begins with the bytes that `row` covers.
fn compare(row: &Checkpoint, version: Version) -> Continuity {
    if plan::first_read(&row.progress, 0).start >= version.length() {
        return Continuity::Shrunk;
    }
    plan::continuity(&row.progress, &covered(row, version), version.length())
}

/// The bytes that a run reads first and compares with the fingerprint.
fn covered(row: &Checkpoint, version: Version) -> Vec<u8> {
    let start = plan::first_read(&row.progress, 0).start;
    version.bytes(start..start + plan::covered(&row.progress))
}
