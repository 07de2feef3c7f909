//! What a sweep did, for the log and for the answer to the host.

use super::hours::Hour;
use std::fmt;

/// What came of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sweep {
    /// It swept.
    Done(Swept),
    /// Another sweep is under way in this process.
    UnderWay,
}

/// What a sweep did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// The first and the last hour that were to be swept.
    pub hours: Option<(Hour, Hour)>,
    /// Flow logs known.
    pub flow_logs: u64,
    /// Flow logs' hours that were looked at.
    pub looked_at: u64,
    /// Blobs listed there.
    pub listed: u64,
    /// Blobs found behind their checkpoints.
    pub behind: u64,
    /// Of these, blobs forwarded to their end, or gone.
    pub caught_up: u64,
    /// Records that the hub accepted.
    pub records: u64,
    /// Messages that carried them.
    pub messages: u64,
    /// Stretches of bytes that were put into quarantine.
    pub quarantined: u64,
    /// Blobs behind that another worker has claimed.
    pub at_work: u64,
    /// Blobs that failed.
    pub failed: u64,
    /// Blobs, and containers' hours, for which the time was too short.
    pub left_over: u64,
    /// Checkpoint rows deleted for their age.
    pub deleted: u64,
    /// Containers that do not exist.
    pub missing: Vec<String>,
    /// How often something could not be looked at, and why the first time.
    pub unseen: u64,
    /// The first failure of any kind.
    pub first_failure: Option<String>,
}

impl Swept {
    /// Whether nothing at all could be looked at.
    #[must_use]
    pub fn saw_nothing(&self) -> bool {
        self.looked_at == 0 && self.unseen > 0
    }

    /// Notes a failure.
    pub(super) fn note(&mut self, failure: impl fmt::Display) {
        self.first_failure.get_or_insert_with(|| failure.to_string());
    }
}

/// One line; what is nothing is not said.
impl fmt::Display for Swept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { flow_logs, listed, behind, caught_up, records, messages, .. } = self;
        match self.hours {
            Some((first, last)) => write!(f, "swept {first} to {last} of {flow_logs} flow logs")?,
            None => f.write_str("swept nothing")?,
        }
        write!(f, ": {listed} blobs, {behind} behind, {caught_up} caught up; ")?;
        write!(f, "{records} records forwarded in {messages} messages")?;
        for (count, what) in [
            (self.quarantined, "stretches put into quarantine"),
            (self.at_work, "blobs at work elsewhere"),
            (self.failed, "blobs failed"),
            (self.left_over, "left for the next sweep"),
            (self.deleted, "old checkpoints deleted"),
            (self.unseen, "looks failed"),
        ] {
            if count > 0 {
                write!(f, "; {count} {what}")?;
            }
        }
        if !self.missing.is_empty() {
            write!(f, "; no container {}", self.missing.join(", "))?;
        }
        match &self.first_failure {
            Some(failure) => write!(f, "; first failure: {failure}"),
            None => Ok(()),
        }
    }
}
