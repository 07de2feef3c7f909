//! A worker of the model: what it remembers of the blob, and where its attempt stands.

use super::blob::{Edge, Version};
use super::hub::Message;
use super::row::{End, Row, Seen};
use std::ops::Range;
use std::sync::Arc;

/// One process.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Worker {
    /// Unique to this process.
    pub name: Arc<str>,
    /// How many claims it has written: each gets a name of its own.
    pub runs: u64,
    /// How far its clock is ahead, milliseconds.
    pub ahead: u64,
    /// The largest message body by its setting.
    pub max_body: u64,
    /// The row as it remembers it between attempts.
    pub seen: Option<Seen>,
    /// The end of its last run, while the row may not say it.
    pub unsaved: Option<End>,
    /// Which version the event at work is about.
    pub asked: usize,
    pub phase: Phase,
}

/// What a worker does next.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// It waits for an event.
    Idle,
    /// It releases the claim of an earlier run, as it remembers its end.
    ReleaseEarlier(Seen),
    /// It loads the row again, which had changed.
    Reload,
    /// It claims the blob.
    Claim(Seen, Arc<Opened>),
    /// It sends.
    Run(Run),
    /// It saves the end of its run and releases the claim.
    GiveBack { seen: Seen, end: End, how: Ending },
}

/// How a round ended, beside what the row is to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ending {
    /// Nothing went wrong.
    Well,
    /// The time was over.
    OutOfTime,
    /// With an error.
    Failed,
}

/// A version of the blob in which there is something new.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Opened {
    pub number: usize,
    pub version: Version,
    /// The row to claim: as stored, or starting over.
    pub row: Row,
    /// The largest body of the run's messages.
    pub max_body: u64,
}

/// A run under a claim.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Run {
    pub seen: Seen,
    pub opened: Arc<Opened>,
    /// What tells its messages from those of other runs: see [`Message::run`].
    pub label: Option<Arc<str>>,
    /// Whether an earlier run may have sent some of this.
    pub repeats: bool,
    /// The messages that are to be sent.
    pub planned: Vec<Range<u64>>,
    /// How many of them were sent.
    pub sent: usize,
    /// Where they end.
    pub edge: Edge,
    /// Those on their way, in order.
    pub in_flight: Vec<Message>,
    /// The end of the unbroken row of those accepted.
    pub landed: Option<u64>,
    /// The write that was done without the worker knowing it.
    pub writing: Option<Write>,
    /// Why nothing more is sent, if that is known already.
    pub stop: Option<Stop>,
}

/// A write in the middle of a run.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Write {
    /// Of what was accepted: so many messages more of those on their way.
    Save { accepted: usize },
    /// Of the end of a message that is not full, before it is sent.
    Narrow(Range<u64>),
}

/// Why a run sends nothing more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stop {
    /// Everything was sent.
    Edge(Edge),
    /// The time is over.
    OutOfTime,
    /// Another version was committed.
    NewVersion,
    /// A call failed.
    Failed,
}

impl Worker {
    pub fn new(name: &str, ahead: u64, max_body: u64) -> Self {
        let (runs, seen, unsaved, asked, phase) = (0, None, None, 0, Phase::Idle);
        Self { name: name.into(), runs, ahead, max_body, seen, unsaved, asked, phase }
    }

    pub fn is_idle(&self) -> bool {
        self.phase == Phase::Idle
    }

    /// The run at work.
    pub fn run(&self) -> Option<&Run> {
        if let Phase::Run(run) = &self.phase { Some(run) } else { None }
    }

    pub fn run_mut(&mut self) -> Option<&mut Run> {
        if let Phase::Run(run) = &mut self.phase { Some(run) } else { None }
    }

    /// Notes that the stored row has changed.
    pub fn outdate(&mut self) {
        let at_work = match &mut self.phase {
            Phase::Idle | Phase::Reload => None,
            Phase::ReleaseEarlier(seen) | Phase::Claim(seen, _) | Phase::GiveBack { seen, .. } => Some(seen),
            Phase::Run(run) => Some(&mut run.seen),
        };
        for seen in self.seen.iter_mut().chain(at_work) {
            seen.is_current = false;
        }
    }

    /// Notes that what `run` sent may be sent again.
    pub fn excuse(&mut self, excused: &str) {
        let Some(run) = self.run_mut() else { return };
        let in_flight = run.in_flight.iter_mut().map(|message| &mut message.run);
        for label in in_flight.chain([&mut run.label]) {
            if label.as_deref() == Some(excused) {
                *label = None;
            }
        }
    }
}
