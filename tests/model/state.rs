//! One state of the model: the blob, the row, the hub and the workers.

use super::blob::Version;
use super::faults::FaultBudget;
use super::hub::Hub;
use super::row::{LoadedRow, Row};
use super::worker::Worker;
use flowlog_forwarder::checkpoint::Checkpoint;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    /// Milliseconds since the Unix epoch.
    pub now: u64,
    /// All versions of the blob, the newest last.
    pub versions: Vec<Version>,
    pub row: Option<Row>,
    /// Whether a write has moved the generation, or the offset within it, back.
    pub moved_back: bool,
    pub hub: Hub,
    pub workers: Vec<Worker>,
    /// The faults that may still occur.
    pub faults_left: FaultBudget,
}

impl State {
    pub fn newest(&self) -> Version {
        self.versions[self.versions.len() - 1]
    }

    /// The time on the clock of worker number `worker`.
    pub fn clock(&self, worker: usize) -> u64 {
        self.now + self.workers[worker].ahead
    }

    /// The row as stored, or a new one.
    pub fn load(&self) -> LoadedRow {
        let row = self.row.clone().unwrap_or_else(|| Checkpoint::default().into());
        LoadedRow { row, is_current: true }
    }

    /// Stores `row` and marks every other copy of it as stale.
    pub fn store(&mut self, row: Checkpoint) -> LoadedRow {
        let reached = |row: &Checkpoint| (row.progress.generation, row.progress.offset);
        self.moved_back |= self.row.as_ref().is_some_and(|before| reached(&row) < reached(before));
        self.workers.iter_mut().for_each(Worker::mark_stale);
        self.row = Some(row.into());
        self.load()
    }

    /// Allows repeats of the messages that were sent under the claim of `owner`.
    pub fn allow_repeats(&mut self, owner: &str) {
        self.hub.allow_repeats(owner);
        self.workers.iter_mut().for_each(|worker| worker.allow_repeats(owner));
    }

    /// Whether all workers are idle.
    pub fn is_quiet(&self) -> bool {
        self.workers.iter().all(Worker::is_idle)
    }
}
