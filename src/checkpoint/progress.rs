//! How far a blob has been forwarded.

use crate::flow_log::fingerprint::Fingerprint;
use std::time::Duration;

/// How long a blob must stay unchanged after its hour before a record without an end goes into quarantine.
/// Until then another commit may complete it.
pub const GRACE: Duration = Duration::from_mins(10);

/// How far a blob has been forwarded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// The offset behind the last record that was forwarded or quarantined; 0 at the start.
    pub offset: u64,
    /// The fingerprint of the bytes before `offset`; at offset 0 that of the blob's first bytes, once a run has
    /// claimed them.
    pub fingerprint: Option<Fingerprint>,
    /// The `ETag` of the version that was forwarded to its end, without quotes; `None` while work is left.
    pub etag: Option<String>,
    /// Length of the newest version that was read, bytes.
    pub length: u64,
    /// How often the blob was rewritten. It keeps message ids of different contents apart.
    pub generation: u32,
    /// The place at which the blob stops being flow-log records.
    pub broken: Option<Broken>,
    /// How many bytes before `offset` were not forwarded: quarantined bytes and the separators around them.
    pub skipped_bytes: u64,
}

/// A place at which a blob stops being records. Nothing from [`Progress::offset`] on is forwarded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Broken {
    /// Offset of the invalid byte, or of the record without an end.
    pub at: u64,
    /// Quarantine holds the bytes from [`Progress::offset`] to here; none when this is not above the offset.
    pub quarantined_to: u64,
    /// When this version was first read, in milliseconds since the Unix epoch.
    pub since: u64,
    /// Whether the blob ends inside a record, which a later commit may complete.
    pub unfinished: bool,
    /// Whether quarantine holds only a part of what is due of this version.
    pub partial: bool,
    /// The block at which records begin again. Forwarding continues there once quarantine holds everything
    /// before it.
    pub resume_at: Option<u64>,
}

impl Broken {
    /// Whether quarantine of this version has begun or its end is known.
    #[must_use]
    pub fn is_decided(&self) -> bool {
        self.resume_at.is_some() || self.partial
    }
}

impl Progress {
    /// The end of the bytes due for quarantine at `now`; `None` when none are due. The blob's hour ends at
    /// `hour_end`. Times are milliseconds since the Unix epoch.
    ///
    /// Bytes behind a break are due when it is found, later bytes when the hour is over. A record without an end
    /// is due when the hour is over and the blob has not changed for [`GRACE`].
    #[must_use]
    pub fn quarantine_due_to(&self, hour_end: u64, now: u64) -> Option<u64> {
        let broken = self.broken?;
        if let Some(block) = broken.resume_at {
            return Some(block);
        }
        let due =
            if broken.unfinished { hour_end.max(broken.since).saturating_add(grace()) } else { hour_end };
        let at_once = broken.partial || !broken.unfinished && broken.quarantined_to <= self.offset;
        (broken.quarantined_to < self.length && (at_once || due <= now)).then_some(self.length)
    }

    /// Whether committed bytes can't be forwarded.
    #[must_use]
    pub fn is_broken(&self) -> bool {
        self.broken.is_some() || self.skipped_bytes > 0
    }

    /// The progress after a run reports `reported`, and whether it was accepted. Within a generation the offset
    /// never moves back: such a report is out of date and rejected.
    #[must_use]
    pub fn moved_to(&self, reported: Self) -> (Self, bool) {
        let forward = (reported.generation, reported.offset) >= (self.generation, self.offset);
        if forward { (reported, true) } else { (self.clone(), false) }
    }
}

fn grace() -> u64 {
    u64::try_from(GRACE.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn broken(broken: Broken) -> Progress {
        Progress { offset: 10, length: 50, broken: Some(broken), ..Progress::default() }
    }

    const FRESH: Broken = Broken {
        at: 20,
        quarantined_to: 10,
        since: 1_000_000,
        unfinished: false,
        partial: false,
        resume_at: None,
    };

    #[test]
    fn a_break_is_due_when_found_and_again_after_the_hour() {
        let (early, hour_end) = (0, 7_000_000);
        assert_eq!(broken(FRESH).quarantine_due_to(hour_end, early), Some(50));
        let grown = broken(Broken { quarantined_to: 40, ..FRESH });
        assert_eq!(grown.quarantine_due_to(hour_end, hour_end - 1), None);
        assert_eq!(grown.quarantine_due_to(hour_end, hour_end), Some(50));
        let partial = broken(Broken { quarantined_to: 40, partial: true, ..FRESH });
        assert_eq!(partial.quarantine_due_to(hour_end, early), Some(50));
        assert_eq!(
            broken(Broken { quarantined_to: 50, ..FRESH }).quarantine_due_to(hour_end, hour_end),
            None
        );
    }

    #[test]
    fn a_record_without_an_end_is_due_after_the_grace_period() {
        let unfinished = |since| broken(Broken { since, unfinished: true, ..FRESH });
        for (since, due) in [(1_000_000, 7_000_000 + grace()), (8_000_000, 8_000_000 + grace())] {
            assert_eq!(unfinished(since).quarantine_due_to(7_000_000, due - 1), None);
            assert_eq!(unfinished(since).quarantine_due_to(7_000_000, due), Some(50));
        }
    }

    #[test]
    fn quarantine_ends_where_records_begin_again() {
        let progress = broken(Broken { resume_at: Some(30), unfinished: true, ..FRESH });
        assert_eq!(progress.quarantine_due_to(u64::MAX, 0), Some(30));
    }

    proptest! {
        #[test]
        fn the_offset_never_moves_back_within_a_generation(
            reports in proptest::collection::vec((0..3u32, 0..9u64), 0..20),
        ) {
            let mut row = Progress::default();
            for (generation, offset) in reports {
                let (next, taken) = row.moved_to(Progress { offset, generation, ..Progress::default() });
                prop_assert!((next.generation, next.offset) >= (row.generation, row.offset));
                prop_assert_eq!(taken, (next.generation, next.offset) == (generation, offset));
                row = next;
            }
        }
    }
}
