//! What a sweep did, for the log, the metrics and the answer to the host.

use crate::hour::Hour;
use std::fmt;
use time::OffsetDateTime;

/// What came of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "one every few minutes")]
pub enum Sweep {
    /// It swept.
    Done(Swept),
    /// Another sweep is under way in this process.
    UnderWay,
}

/// How well a sweep went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// All that was to be done was done, or is left for want of time.
    Done,
    /// Some of it failed.
    Partly,
    /// Nothing could be looked at, or every blob behind failed.
    Failed,
}

/// What a sweep did. Times are milliseconds since the Unix epoch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// When it began.
    pub at: u64,
    /// The first and the last of the hours that were not known to be forwarded.
    pub hours: Option<(Hour, Hour)>,
    /// Flow logs known.
    pub flow_logs: u64,
    /// Flow logs' hours that were looked at to their end; closed hours are not counted here.
    pub looked_at: u64,
    /// Blobs listed there.
    pub listed: u64,
    /// Closed hours that were looked at again.
    pub closed_hours: u64,
    /// Blobs found behind their checkpoints.
    pub behind: u64,
    /// Of these, blobs of closed hours.
    pub behind_in_closed: u64,
    /// Of all that were behind, blobs forwarded to their end, or gone.
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
    /// Blobs of which some can't be forwarded.
    pub broken: u64,
    /// The URL of the first of them.
    pub first_broken: Option<String>,
    /// Blobs, and containers' hours, for which the time was too short.
    pub left_over: u64,
    /// Checkpoint rows deleted for their age.
    pub deleted: u64,
    /// Hours given up: never swept to their end, and older than the retention.
    pub given_up: u64,
    /// Containers that do not exist.
    pub missing: Vec<String>,
    /// Containers that held blobs in earlier hours, and none in the last two.
    pub silent: Vec<String>,
    /// How many listings and scans failed.
    pub unseen: u64,
    /// The first failure of any kind.
    pub first_failure: Option<String>,
    /// When the newest commit was made that was seen.
    pub newest: Option<u64>,
    /// When the newest commit was made to that blob behind which had waited longest.
    pub oldest_behind: Option<u64>,
}

impl Swept {
    /// Whether nothing at all could be looked at.
    #[must_use]
    pub fn saw_nothing(&self) -> bool {
        self.looked_at == 0 && self.unseen > 0
    }

    /// How well it went.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        if self.saw_nothing() || self.failed > 0 && self.caught_up == 0 && self.records == 0 {
            Outcome::Failed
        } else if self.failed > 0 || self.unseen > 0 || self.first_failure.is_some() {
            Outcome::Partly
        } else {
            Outcome::Done
        }
    }

    /// Whether somebody should look, although the sweep did what it could.
    #[must_use]
    pub fn is_worrying(&self) -> bool {
        self.outcome() != Outcome::Done
            || self.broken > 0
            || self.behind_in_closed > 0
            || self.given_up > 0
            || !self.silent.is_empty()
    }

    /// Blobs that were behind and still are.
    #[must_use]
    pub fn still_behind(&self) -> u64 {
        self.behind.saturating_sub(self.caught_up)
    }

    /// Notes a failure.
    pub(super) fn note(&mut self, failure: impl fmt::Display) {
        self.first_failure.get_or_insert_with(|| failure.to_string());
    }

    /// Counts `count` broken blobs, the first of which has the URL `first`.
    pub(super) fn count_broken(&mut self, count: u64, first: Option<String>) {
        self.broken += count;
        self.first_broken = self.first_broken.take().or(first);
    }

    /// Notes that a blob, committed last at `modified`, is not forwarded.
    pub(super) fn not_forwarded(&mut self, modified: Option<u64>) {
        self.oldest_behind = self.oldest_behind.into_iter().chain(modified).min();
    }
}

/// One line; what is nothing is not said, but for what has to be 0 when all is well.
impl fmt::Display for Swept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { flow_logs, listed, behind, caught_up, failed, broken, records, messages, .. } = self;
        match self.hours {
            Some((first, last)) => {
                let s = if *flow_logs == 1 { "" } else { "s" };
                write!(f, "swept {first} to {last} of {flow_logs} flow log{s}")?;
            }
            None => f.write_str("swept nothing")?,
        }
        write!(
            f,
            ": {listed} blobs, {behind} behind, {caught_up} caught up, {failed} failed, {broken} broken"
        )?;
        if let Some(blob) = &self.first_broken {
            write!(f, " (first: {blob})")?;
        }
        write!(f, "; {records} records forwarded in {messages} messages")?;
        for (count, what) in [
            (self.behind_in_closed, "blobs of closed hours were behind: an event was lost"),
            (self.quarantined, "stretches put into quarantine"),
            (self.at_work, "blobs at work elsewhere"),
            (self.left_over, "hours and blobs left for the next sweep"),
            (self.closed_hours, "closed hours looked at again"),
            (self.deleted, "old checkpoints deleted"),
            (self.given_up, "hours given up, for they are older than the retention"),
            (self.unseen, "listings or scans failed"),
        ] {
            if count > 0 {
                write!(f, "; {count} {what}")?;
            }
        }
        match self.newest {
            Some(newest) => write!(f, "; newest commit {}", Ago { time: newest, now: self.at })?,
            None => f.write_str("; newest commit: unknown")?,
        }
        match self.oldest_behind {
            Some(oldest) => write!(f, ", oldest not forwarded {}", Ago { time: oldest, now: self.at })?,
            None if self.still_behind() > 0 => f.write_str(", oldest not forwarded: unknown")?,
            None => f.write_str(", oldest not forwarded: none")?,
        }
        if !self.missing.is_empty() {
            write!(f, "; no container {}", self.missing.join(", "))?;
        }
        if !self.silent.is_empty() {
            let silent = self.silent.join(", ");
            write!(
                f,
                "; no blobs for two hours, where there were some, in {silent}: look at the flow log in Network Watcher"
            )?;
        }
        match &self.first_failure {
            Some(failure) => write!(f, "; first failure: {failure}"),
            None => Ok(()),
        }
    }
}

/// A time of day, and how long ago it was.
struct Ago {
    time: u64,
    now: u64,
}

impl fmt::Display for Ago {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = i64::try_from(self.time / 1_000).unwrap_or(i64::MAX);
        let time = OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH);
        let minutes = self.now.saturating_sub(self.time) / 60_000;
        if minutes >= 24 * 60 {
            write!(f, "{} ", time.date())?;
        }
        write!(f, "{:02}:{:02}:{:02}Z ({minutes} min ago)", time.hour(), time.minute(), time.second())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-22T09:05:00Z
    const NOW: u64 = 498_705 * 3_600_000 + 300_000;

    fn well() -> Swept {
        Swept {
            at: NOW,
            hours: Some((Hour::new(498_704), Hour::new(498_705))),
            flow_logs: 1,
            looked_at: 2,
            listed: 12,
            newest: Some(NOW - 60_000),
            ..Swept::default()
        }
    }

    #[test]
    fn the_line_of_a_sweep_says_what_must_be_nothing() {
        assert_eq!(
            well().to_string(),
            "swept 2026-11-22T08Z to 2026-11-22T09Z of 1 flow log: 12 blobs, 0 behind, 0 caught up, 0 failed, \
             0 broken; 0 records forwarded in 0 messages; newest commit 09:04:00Z (1 min ago), \
             oldest not forwarded: none"
        );
        let old = Swept { behind: 3, oldest_behind: Some(NOW - 86_400_000), flow_logs: 2, ..well() };
        assert!(
            old.to_string().contains("oldest not forwarded 2026-11-21 09:05:00Z (1440 min ago)"),
            "{old}"
        );
        assert!(old.to_string().contains("of 2 flow logs"), "{old}");
    }

    #[test]
    fn a_sweep_in_which_all_or_some_failed_says_so() {
        assert_eq!((well().outcome(), well().is_worrying()), (Outcome::Done, false));
        let outcome = |failed, caught_up, unseen, looked_at| {
            Swept { looked_at, caught_up, failed, unseen, ..well() }.outcome()
        };
        assert_eq!(outcome(3, 0, 0, 2), Outcome::Failed, "every blob behind failed");
        assert_eq!(outcome(3, 1, 0, 2), Outcome::Partly);
        assert_eq!(outcome(0, 0, 1, 2), Outcome::Partly);
        assert_eq!(outcome(0, 0, 1, 0), Outcome::Failed, "nothing was looked at");
        assert!(Swept { broken: 1, ..well() }.is_worrying());
        assert!(Swept { behind_in_closed: 1, ..well() }.is_worrying());
    }
}
