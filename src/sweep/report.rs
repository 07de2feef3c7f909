//! What a sweep did, for the log, the metrics and the answer to the host.

use crate::hour::Hour;
use std::fmt;
use time::OffsetDateTime;

/// The result of a call to sweep.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "one every few minutes")]
pub enum SweepResult {
    /// The sweep ended; its failures are in the report.
    Finished(SweepReport),
    /// Another sweep of this process is under way: nothing was done.
    AlreadyRunning,
}

/// How well a sweep went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SweepOutcome {
    /// Nothing failed. Work may be left over for want of time.
    Done,
    /// Some of it failed.
    Partly,
    /// Nothing could be scanned, or every blob that was behind failed.
    Failed,
}

/// What a sweep did. Times are milliseconds since the Unix epoch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SweepReport {
    /// When the sweep started.
    pub started: u64,
    /// The first and the last of the open hours.
    pub hours: Option<(Hour, Hour)>,
    /// Flow logs known.
    pub flow_logs: u64,
    /// Open hours of flow logs that were scanned to the end: each hour counts once for each flow log.
    pub scanned: u64,
    /// Blobs listed in open hours.
    pub listed: u64,
    /// Closed hours that were rescanned.
    pub rescanned: u64,
    /// Blobs found behind their checkpoints.
    pub behind: u64,
    /// Of these, blobs of closed hours.
    pub behind_in_closed: u64,
    /// Of all blobs behind, those that were forwarded to the end or turned out to be deleted.
    pub caught_up: u64,
    /// Records that the hub accepted.
    pub records: u64,
    /// Messages that carried them.
    pub messages: u64,
    /// Byte ranges put into quarantine.
    pub quarantined: u64,
    /// Blobs behind that another worker has claimed.
    pub claimed_elsewhere: u64,
    /// Blobs whose run failed.
    pub failed: u64,
    /// Blobs of which some can't be forwarded.
    pub broken: u64,
    /// The URL of the first of them.
    pub first_broken: Option<String>,
    /// Blobs and hours for which there was no time.
    pub left_over: u64,
    /// Checkpoint rows deleted because of their age.
    pub deleted: u64,
    /// Hours given up: never swept to their end, and older than the retention.
    pub given_up: u64,
    /// URLs of containers that do not exist.
    pub missing: Vec<String>,
    /// URLs of containers that held blobs in earlier hours, and none in the last two.
    pub silent: Vec<String>,
    /// Listings and table scans that failed.
    pub failed_scans: u64,
    /// The first failure of any kind.
    pub first_failure: Option<String>,
    /// Time of the newest commit listed.
    pub newest_commit: Option<u64>,
    /// Of the blobs still behind, the oldest time of a newest commit.
    pub oldest_behind: Option<u64>,
}

impl SweepReport {
    /// Whether nothing at all could be scanned.
    #[must_use]
    pub fn scanned_nothing(&self) -> bool {
        self.scanned == 0 && self.failed_scans > 0
    }

    /// How well it went.
    #[must_use]
    pub fn outcome(&self) -> SweepOutcome {
        if self.scanned_nothing() || self.failed > 0 && self.caught_up == 0 && self.records == 0 {
            SweepOutcome::Failed
        } else if self.failed > 0 || self.failed_scans > 0 || self.first_failure.is_some() {
            SweepOutcome::Partly
        } else {
            SweepOutcome::Done
        }
    }

    /// Whether an operator should look: something failed, a blob is broken or was behind in a closed hour,
    /// hours were given up, or a container fell silent.
    #[must_use]
    pub fn needs_attention(&self) -> bool {
        self.outcome() != SweepOutcome::Done
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

    /// Keeps `failure` if it is the first.
    pub(super) fn note_failure(&mut self, failure: impl fmt::Display) {
        self.first_failure.get_or_insert_with(|| failure.to_string());
    }

    /// Adds `count` broken blobs, the first of which has the URL `first`.
    pub(super) fn add_broken(&mut self, count: u64, first: Option<String>) {
        self.broken += count;
        self.first_broken = self.first_broken.take().or(first);
    }

    /// Notes that a blob is still behind; its newest commit was made at `modified`.
    pub(super) fn note_behind(&mut self, modified: Option<u64>) {
        self.oldest_behind = self.oldest_behind.into_iter().chain(modified).min();
    }
}

/// One line. Shows zeros only where zero is the sign that all is well.
impl fmt::Display for SweepReport {
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
            (self.quarantined, "byte ranges put into quarantine"),
            (self.claimed_elsewhere, "blobs behind are claimed by another worker"),
            (self.left_over, "hours and blobs left for the next sweep"),
            (self.rescanned, "closed hours rescanned"),
            (self.deleted, "old checkpoints deleted"),
            (self.given_up, "hours given up: older than the retention"),
            (self.failed_scans, "listings or table scans failed"),
        ] {
            if count > 0 {
                write!(f, "; {count} {what}")?;
            }
        }
        match self.newest_commit {
            Some(newest) => write!(f, "; newest commit {}", Ago { time: newest, now: self.started })?,
            None => f.write_str("; newest commit: unknown")?,
        }
        match self.oldest_behind {
            Some(oldest) => write!(f, ", oldest not forwarded {}", Ago { time: oldest, now: self.started })?,
            None if self.still_behind() > 0 => f.write_str(", oldest not forwarded: unknown")?,
            None => f.write_str(", oldest not forwarded: none")?,
        }
        if !self.missing.is_empty() {
            write!(f, "; container does not exist: {}", self.missing.join(", "))?;
        }
        if !self.silent.is_empty() {
            let silent = self.silent.join(", ");
            write!(
                f,
                "; no blobs for two hours in {silent}, which had some before: check the flow log in Network \
                 Watcher"
            )?;
        }
        match &self.first_failure {
            Some(failure) => write!(f, "; first failure: {failure}"),
            None => Ok(()),
        }
    }
}

/// Shows a time, and how long ago it was.
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

    fn well() -> SweepReport {
        SweepReport {
            started: NOW,
            hours: Some((Hour::new(498_704), Hour::new(498_705))),
            flow_logs: 1,
            scanned: 2,
            listed: 12,
            newest_commit: Some(NOW - 60_000),
            ..SweepReport::default()
        }
    }

    #[test]
    fn the_line_shows_zeros_that_mean_well() {
        assert_eq!(
            well().to_string(),
            "swept 2026-11-22T08Z to 2026-11-22T09Z of 1 flow log: 12 blobs, 0 behind, 0 caught up, 0 failed, \
             0 broken; 0 records forwarded in 0 messages; newest commit 09:04:00Z (1 min ago), \
             oldest not forwarded: none"
        );
        let old = SweepReport { behind: 3, oldest_behind: Some(NOW - 86_400_000), flow_logs: 2, ..well() };
        assert!(
            old.to_string().contains("oldest not forwarded 2026-11-21 09:05:00Z (1440 min ago)"),
            "{old}"
        );
        assert!(old.to_string().contains("of 2 flow logs"), "{old}");
    }

    #[test]
    fn the_outcome_tells_some_from_all_failed() {
        assert_eq!((well().outcome(), well().needs_attention()), (SweepOutcome::Done, false));
        let outcome = |failed, caught_up, failed_scans, scanned| {
            SweepReport { scanned, caught_up, failed, failed_scans, ..well() }.outcome()
        };
        assert_eq!(outcome(3, 0, 0, 2), SweepOutcome::Failed, "every blob behind failed");
        assert_eq!(outcome(3, 1, 0, 2), SweepOutcome::Partly);
        assert_eq!(outcome(0, 0, 1, 2), SweepOutcome::Partly);
        assert_eq!(outcome(0, 0, 1, 0), SweepOutcome::Failed, "nothing was scanned");
        assert!(SweepReport { broken: 1, ..well() }.needs_attention());
        assert!(SweepReport { behind_in_closed: 1, ..well() }.needs_attention());
    }
}
