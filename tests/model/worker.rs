//! A worker of the model: its cached row, and the phase of its attempt.

use super::blob::{ReadEnd, Version};
use super::hub::Message;
use super::row::{LoadedRow, Row, SharedRunEnd};
use std::ops::Range;
use std::sync::Arc;

/// One process.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Worker {
    /// Unique per process.
    pub name: Arc<str>,
    /// The number of claims it has written; each has its own owner name.
    pub runs: u64,
    /// How far its clock is ahead, milliseconds.
    pub ahead: u64,
    /// The largest message body by its setting, bytes.
    pub max_body: u64,
    /// The row that it caches between attempts.
    pub cached: Option<LoadedRow>,
    /// The end of its last run, until the row is known to hold it.
    pub unsaved: Option<SharedRunEnd>,
    /// The number of the version that the present event is about.
    pub event_version: usize,
    pub phase: Phase,
}

/// The next step of a worker.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Wait for an event.
    Idle,
    /// Release the claim of an earlier run, whose end is cached.
    ReleaseEarlier(LoadedRow),
    /// Load the row again, which has changed.
    Reload,
    /// Claim the blob.
    Claim(LoadedRow, Arc<Opened>),
    /// Send.
    Run(Run),
    /// Save the end of the run and release the claim.
    Release { loaded: LoadedRow, end: SharedRunEnd, result: RoundResult },
}

/// How a round ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RoundResult {
    /// Without an error.
    Completed,
    /// Out of time.
    OutOfTime,
    /// With an error.
    Failed,
}

/// A version that the row does not cover, ready to be claimed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Opened {
    pub number: usize,
    pub version: Version,
    /// The row to claim: as stored, or reset after a rewrite.
    pub row: Row,
    /// The largest body of the run's messages, bytes.
    pub max_body: u64,
}

/// A run under a claim.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Run {
    pub loaded: LoadedRow,
    pub opened: Arc<Opened>,
    /// The owner that its messages carry: see [`Message::owner`].
    pub owner: Option<Arc<str>>,
    /// Whether it repeats a range that an earlier run left in flight.
    pub repeats: bool,
    /// The messages to send.
    pub planned: Vec<Range<u64>>,
    /// The number of messages sent.
    pub sent: usize,
    /// Where the planned messages end.
    pub read_end: ReadEnd,
    /// Sent messages without an acknowledgement, in order.
    pub in_flight: Vec<Message>,
    /// The end of the acknowledged messages.
    pub acknowledged: Option<u64>,
    /// A write whose answer was lost and that the client will retry.
    pub writing: Option<Write>,
    /// Why it sends nothing more, once that is decided.
    pub stop: Option<StopReason>,
}

/// A write in mid-run.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Write {
    /// Saves progress, after this number of further acknowledgements.
    Save { accepted: usize },
    /// Narrows the range in flight to a message that ends early, before it is sent.
    Narrow(Range<u64>),
}

/// Why a run sends nothing more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StopReason {
    /// All planned messages were sent.
    Reached(ReadEnd),
    /// The time was over.
    OutOfTime,
    /// Another version was committed.
    NewVersion,
    /// A call failed.
    Failed,
}

impl Worker {
    pub fn new(name: &str, ahead: u64, max_body: u64) -> Self {
        let (runs, cached, unsaved, event_version, phase) = (0, None, None, 0, Phase::Idle);
        Self { name: name.into(), runs, ahead, max_body, cached, unsaved, event_version, phase }
    }

    pub fn is_idle(&self) -> bool {
        self.phase == Phase::Idle
    }

    /// The present run.
    pub fn run(&self) -> Option<&Run> {
        if let Phase::Run(run) = &self.phase { Some(run) } else { None }
    }

    pub fn run_mut(&mut self) -> Option<&mut Run> {
        if let Phase::Run(run) = &mut self.phase { Some(run) } else { None }
    }

    /// Marks its copies of the row as stale.
    pub fn mark_stale(&mut self) {
        let running = match &mut self.phase {
            Phase::Idle | Phase::Reload => None,
            Phase::ReleaseEarlier(loaded) | Phase::Claim(loaded, _) | Phase::Release { loaded, .. } => {
                Some(loaded)
            }
            Phase::Run(run) => Some(&mut run.loaded),
        };
        for loaded in self.cached.iter_mut().chain(running) {
            loaded.is_current = false;
        }
    }

    /// Allows repeats of the messages that were sent under the claim of `owner`.
    pub fn allow_repeats(&mut self, owner: &str) {
        let Some(run) = self.run_mut() else { return };
        let in_flight = run.in_flight.iter_mut().map(|message| &mut message.owner);
        for sender in in_flight.chain([&mut run.owner]) {
            if sender.as_deref() == Some(owner) {
                *sender = None;
            }
        }
    }
}
