//! Checkpoint rows: how far each blob has been forwarded, who works on it, and the rules for changes.
//!
//! A [`Checkpoint`] is one row of the checkpoint table. All rules are synchronous and know neither clock nor
//! network; times are milliseconds since the Unix epoch. Every change is written by compare-and-swap (see
//! [`CheckpointStore`](crate::ports::checkpoints::CheckpointStore)), so two workers can't both change the
//! same version of a row.

mod in_flight;
pub mod lease;
mod progress;

pub use in_flight::{Bounds, InFlightRange, RunOutcome};
pub use progress::{Broken, GRACE, Progress};

use std::time::Duration;

/// How long a claim lasts without renewal. Longer than an invocation (25 s), so that a running owner never loses
/// it; short enough that a killed owner delays its blobs by one minute only.
pub const CLAIM: Duration = Duration::from_mins(1);

/// The exclusive right to forward a blob, for a limited time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Unique per run and process.
    pub owner: String,
    /// Milliseconds since the Unix epoch.
    pub until: u64,
}

/// A committed version of a blob.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlobVersion {
    /// Its `ETag`, without quotes.
    pub etag: String,
    /// Its length, bytes; 0 when the event does not name it.
    pub length: u64,
}

/// One row of the checkpoint table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checkpoint {
    /// The blob's URL, for people who read the table.
    pub blob: String,
    /// How far the blob has been forwarded.
    pub progress: Progress,
    /// The range that an unfinished run may have sent: from `progress.offset` to its end. The next run sends
    /// exactly this range first, with the same message bounds, so that a repeated message is identical.
    pub in_flight: Option<InFlightRange>,
    /// The present claim.
    pub claim: Option<Claim>,
    /// The newest version that another worker asked the owner to forward.
    pub wanted: Option<BlobVersion>,
}

impl Checkpoint {
    /// The row of a blob of which nothing has been forwarded yet.
    #[must_use]
    pub fn new(blob: String) -> Self {
        Self { blob, ..Self::default() }
    }

    /// Whether the version `etag` has been forwarded to its end.
    #[must_use]
    pub fn covers(&self, etag: &str) -> bool {
        self.progress.etag.as_deref() == Some(etag)
    }

    /// Whether any worker holds an unexpired claim at `now`.
    #[must_use]
    pub fn is_claimed(&self, now: u64) -> bool {
        self.claim.as_ref().is_some_and(|claim| claim.until > now)
    }

    /// Whether the version `etag` needs no more work at `now`. The blob's hour ends at `hour_end`; both times are
    /// milliseconds since the Unix epoch.
    #[must_use]
    pub fn is_complete(&self, etag: &str, hour_end: u64, now: u64) -> bool {
        self.covers(etag) && self.progress.quarantine_due_to(hour_end, now).is_none()
    }

    /// Whether a worker other than `me` holds an unexpired claim at `now`.
    #[must_use]
    pub fn is_held_by_another(&self, me: &str, now: u64) -> bool {
        self.claim.as_ref().is_some_and(|claim| !lease::is_of(&claim.owner, me) && claim.until > now)
    }

    /// The row claimed by `owner` for a run that will send `in_flight`. A range that an earlier run left in
    /// flight stays: see [`Checkpoint::in_flight`].
    #[must_use]
    pub fn claimed(&self, owner: &str, now: u64, in_flight: impl Into<InFlightRange>) -> Self {
        let in_flight = in_flight.into();
        let in_flight = self.in_flight.map_or(in_flight, |older| older.or_bounds(in_flight.bounds));
        let claim = Claim { owner: owner.to_owned(), until: now.saturating_add(millis(CLAIM)) };
        Self { claim: Some(claim), in_flight: Some(in_flight), ..self.clone() }
    }

    /// The row with `wanted` for its owner; `None` when it is there already.
    #[must_use]
    pub fn wanting(&self, wanted: &BlobVersion) -> Option<Self> {
        (self.wanted.as_ref() != Some(wanted)).then(|| Self { wanted: Some(wanted.clone()), ..self.clone() })
    }

    /// The row in mid-run: progress saved and claim renewed. Progress that would move back is rejected: see
    /// [`Progress::moved_to`].
    #[must_use]
    pub fn advanced(&self, progress: Progress, now: u64) -> Self {
        let until = now.saturating_add(millis(CLAIM));
        let claim = self.claim.as_ref().map(|claim| Claim { until, ..claim.clone() });
        Self { progress: self.progress.moved_to(progress).0, claim, ..self.clone() }
    }

    /// The row whose range in flight ends at `until`; nothing behind it was sent.
    #[must_use]
    pub fn narrowed(&self, until: u64) -> Self {
        let in_flight = self.in_flight.map(|in_flight| InFlightRange { until, ..in_flight });
        Self { in_flight, ..self.clone() }
    }

    /// The row after a run ended at `progress` and released its claim. The range in flight stays unless the run
    /// `finished`. Progress that would move back is rejected, and the range stays: see [`Progress::moved_to`].
    #[must_use]
    pub fn released(&self, progress: Progress, finished: bool) -> Self {
        let (progress, taken) = self.progress.moved_to(progress);
        let in_flight = if finished && taken { None } else { self.in_flight };
        Self { blob: self.blob.clone(), progress, in_flight, claim: None, wanted: None }
    }

    /// The row of a rewritten blob: everything is forwarded again, under new message ids.
    #[must_use]
    pub fn rewritten(&self) -> Self {
        let generation = self.progress.generation.saturating_add(1);
        let progress = Progress { generation, ..Progress::default() };
        Self { progress, in_flight: None, ..self.clone() }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow_log::fingerprint::Fingerprint;

    fn wanted(etag: &str) -> BlobVersion {
        BlobVersion { etag: etag.into(), length: 7 }
    }

    #[test]
    fn a_claim_keeps_others_out_until_it_expires() {
        let row = Checkpoint::new("b".into()).claimed("a", 1_000, 50);
        assert!(row.is_held_by_another("b", 1_000));
        assert!(row.is_held_by_another("b", 60_999));
        assert!(!row.is_held_by_another("b", 61_000), "expired");
        assert!(!row.is_held_by_another("a", 1_000), "its own claim");
    }

    #[test]
    fn a_takeover_keeps_the_range_that_the_dead_owner_left_in_flight() {
        let dead = Checkpoint::new("b".into()).claimed("a", 0, 50);
        let taken = dead.claimed("b", 70_000, 90);
        assert_eq!(taken.in_flight, Some(50.into()));
        assert_eq!(taken.claim.unwrap().owner, "b");
    }

    #[test]
    fn a_failed_run_keeps_its_range_in_flight_and_a_finished_one_clears_it() {
        let row = Checkpoint::new("b".into()).claimed("a", 0, 50);
        let progress = Progress { offset: 20, ..Progress::default() };
        assert_eq!(row.released(progress.clone(), false).in_flight, Some(50.into()));
        assert_eq!(row.released(progress, true).in_flight, None);
    }

    #[test]
    fn asking_for_the_same_version_twice_changes_nothing() {
        let row = Checkpoint::new("b".into());
        let asked = row.wanting(&wanted("e1")).unwrap();
        assert_eq!(asked.wanting(&wanted("e1")), None);
        assert_eq!(asked.wanting(&wanted("e2")).unwrap().wanted, Some(wanted("e2")));
    }

    #[test]
    fn a_rewrite_starts_over_in_a_new_generation_and_keeps_the_claim() {
        let mut row = Checkpoint::new("b".into()).claimed("a", 0, 50);
        row.progress =
            Progress { offset: 40, fingerprint: Some(Fingerprint::over(b"x")), ..Progress::default() };
        let again = row.rewritten();
        assert_eq!(again.progress, Progress { generation: 1, ..Progress::default() });
        assert_eq!(again.in_flight, None);
        assert_eq!(again.claim, row.claim);
    }

    #[test]
    fn a_takeover_uses_the_bounds_of_the_range_in_flight() {
        let bounds = |max_body| Some(Bounds { max_body, by_nic: true, layout: 1 });
        let in_flight = |until, max_body| InFlightRange { until, bounds: bounds(max_body) };
        let dead = Checkpoint::new("b".into()).claimed("a", 0, in_flight(50, 2_000));
        let taken = dead.claimed("b", 70_000, in_flight(90, 3_000));
        assert_eq!(taken.in_flight, Some(in_flight(50, 2_000)));
        let older = Checkpoint::new("b".into()).claimed("a", 0, 50);
        let taken = older.claimed("b", 70_000, in_flight(90, 3_000));
        assert_eq!(taken.in_flight, Some(in_flight(50, 3_000)), "bounds that were not stored are added");
    }

    #[test]
    fn a_release_that_would_move_back_changes_nothing() {
        let mut row = Checkpoint::new("b".into()).claimed("a", 0, 50);
        row.progress = Progress { offset: 40, etag: Some("e".into()), ..Progress::default() };
        let released = row.released(Progress { offset: 30, ..Progress::default() }, true);
        assert_eq!((released.progress, released.in_flight), (row.progress.clone(), row.in_flight));
        assert_eq!(row.advanced(Progress::default(), 1).progress, row.progress);
    }
}
