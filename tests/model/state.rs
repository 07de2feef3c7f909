//! One state of the model: the blob, the row, the hub and the workers.

use super::blob::Version;
use super::faults::Left;
use super::hub::Hub;
use super::row::{Row, Seen};
use super::worker::Worker;
use flowlog_forwarder::checkpoint::Checkpoint;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    /// Milliseconds since the Unix epoch.
    pub now: u64,
    /// The blob's versions, the newest last.
    pub versions: Vec<Version>,
    pub row: Option<Row>,
    /// Whether an offset has ever fallen within its generation, or the generation.
    pub has_fallen: bool,
    pub hub: Hub,
    pub workers: Vec<Worker>,
    /// What may still happen.
    pub left: Left,
}

impl State {
    pub fn newest(&self) -> Version {
        self.versions[self.versions.len() - 1]
    }

    /// The time by the clock of worker number `worker`.
    pub fn clock(&self, worker: usize) -> u64 {
        self.now + self.workers[worker].ahead
    }

    /// The row as stored, or a new one.
    pub fn load(&self) -> Seen {
        let row = self.row.clone().unwrap_or_else(|| Checkpoint::default().into());
        Seen { row, is_current: true }
    }

    /// Stores `row`, after which every other view of it is out of date.
    pub fn store(&mut self, row: Checkpoint) -> Seen {
        let reached = |row: &Checkpoint| (row.progress.generation, row.progress.offset);
        self.has_fallen |= self.row.as_ref().is_some_and(|before| reached(&row) < reached(before));
        self.workers.iter_mut().for_each(Worker::outdate);
        self.row = Some(row.into());
        self.load()
    }

    /// Notes that what the run of the claim `owner` sent may be sent again.
    pub fn excuse(&mut self, owner: &str) {
        self.hub.excuse(owner);
        self.workers.iter_mut().for_each(|worker| worker.excuse(owner));
    }

    /// Whether no worker is at work.
    pub fn is_quiet(&self) -> bool {
        self.workers.iter().all(Worker::is_idle)
    }
}
