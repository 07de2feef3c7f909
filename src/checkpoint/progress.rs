//! How far a blob has been forwarded, and how a run may change that.

use crate::flow_log::fingerprint::Fingerprint;
use std::time::Duration;

/// How long a blob whose hour is over must have stayed as it is before a record without an end is put
/// into quarantine: until then another commit may bring the rest.
pub const GRACE: Duration = Duration::from_mins(10);

/// How far a blob has been forwarded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Byte position behind the last record that was forwarded or put into quarantine; 0 when none was.
    pub offset: u64,
    /// Fingerprint of the bytes just before `offset`; at offset 0, of the blob's first bytes, from when
    /// a run has set out to send them.
    pub fingerprint: Option<Fingerprint>,
    /// The blob version that was forwarded to its end, without quotes; none while work is left over.
    pub etag: Option<String>,
    /// Length in bytes of the newest blob version that was read.
    pub length: u64,
    /// How often the blob was found rewritten: tells message ids of different contents apart.
    pub generation: u32,
    /// Where the blob stops being flow-log records, if it does.
    pub broken: Option<Broken>,
    /// How many bytes before `offset` were not forwarded: those in quarantine, and what separates them from
    /// records.
    pub set_aside: u64,
}

/// A blob of which nothing from [`Progress::offset`] on is forwarded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Broken {
    /// The byte at which the structure breaks; where the record starts that has no end.
    pub at: u64,
    /// How far the bytes from [`Progress::offset`] on are in quarantine; the offset or less when none are.
    pub kept: u64,
    /// When the blob was first found as it is, in milliseconds since the Unix epoch.
    pub since: u64,
    /// Whether the blob ends inside a record, which a later commit may finish.
    pub unfinished: bool,
    /// Whether the rest, up to `resume_at` or the blob's end, is still to follow, in this very version.
    pub partial: bool,
    /// The block at which records begin again, once one is found: forwarding goes on there as soon as
    /// everything before it is in quarantine.
    pub resume_at: Option<u64>,
}

impl Broken {
    /// Whether it is settled, for the version in which it was found, what goes to quarantine: that is then
    /// under way.
    #[must_use]
    pub fn is_decided(&self) -> bool {
        self.resume_at.is_some() || self.partial
    }
}

impl Progress {
    /// The end of the bytes that are to be put into quarantine at `now`; none when nothing is to be put
    /// there, or not yet. The blob's hour ends at `hour_end`. Times are milliseconds since the Unix epoch.
    ///
    /// A break is put there when it is found, and what the blob has gained since when the hour is over. A
    /// record without an end is put there when the hour is over and the blob has stayed as it is for
    /// [`GRACE`].
    #[must_use]
    pub fn owes_quarantine_to(&self, hour_end: u64, now: u64) -> Option<u64> {
        let broken = self.broken?;
        if let Some(block) = broken.resume_at {
            return Some(block);
        }
        let due =
            if broken.unfinished { hour_end.max(broken.since).saturating_add(grace()) } else { hour_end };
        let at_once = broken.partial || !broken.unfinished && broken.kept <= self.offset;
        (broken.kept < self.length && (at_once || due <= now)).then_some(self.length)
    }

    /// Whether some of what was committed is not forwarded and can't be.
    #[must_use]
    pub fn is_broken(&self) -> bool {
        self.broken.is_some() || self.set_aside > 0
    }

    /// Progress that a run reports, where the row says `self`. Within a generation the offset never falls:
    /// what claims to be further behind is out of date, and the row stays as it is. Says whether the
    /// report was taken.
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

    const FRESH: Broken =
        Broken { at: 20, kept: 10, since: 1_000_000, unfinished: false, partial: false, resume_at: None };

    #[test]
    fn a_break_is_kept_when_found_and_again_when_the_hour_is_over() {
        let (early, hour_end) = (0, 7_000_000);
        assert_eq!(broken(FRESH).owes_quarantine_to(hour_end, early), Some(50));
        let grown = broken(Broken { kept: 40, ..FRESH });
        assert_eq!(grown.owes_quarantine_to(hour_end, hour_end - 1), None);
        assert_eq!(grown.owes_quarantine_to(hour_end, hour_end), Some(50));
        let partial = broken(Broken { kept: 40, partial: true, ..FRESH });
        assert_eq!(partial.owes_quarantine_to(hour_end, early), Some(50));
        assert_eq!(broken(Broken { kept: 50, ..FRESH }).owes_quarantine_to(hour_end, hour_end), None);
    }

    #[test]
    fn a_record_without_an_end_has_the_grace_period() {
        let unfinished = |since| broken(Broken { since, unfinished: true, ..FRESH });
        for (since, due) in [(1_000_000, 7_000_000 + grace()), (8_000_000, 8_000_000 + grace())] {
            assert_eq!(unfinished(since).owes_quarantine_to(7_000_000, due - 1), None);
            assert_eq!(unfinished(since).owes_quarantine_to(7_000_000, due), Some(50));
        }
    }

    #[test]
    fn where_records_begin_again_quarantine_ends() {
        let progress = broken(Broken { resume_at: Some(30), unfinished: true, ..FRESH });
        assert_eq!(progress.owes_quarantine_to(u64::MAX, 0), Some(30));
    }

    proptest! {
        #[test]
        fn the_offset_never_falls_within_a_generation(
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
