//! How far each blob has been forwarded, who is at work on it, and the rules by which that changes.
//!
//! A [`Checkpoint`] is one row of the checkpoint table. All rules here are synchronous and know
//! neither clock nor network: times come in as milliseconds since the Unix epoch. Whatever a rule
//! returns is written back by compare-and-swap (see [`CheckpointStore`]), so two workers can never
//! both believe that they moved the same row.

mod in_flight;
pub mod lease;
mod progress;

pub use in_flight::{Bounds, InFlightRange};
pub use progress::{Broken, GRACE, Progress};

use std::time::Duration;

/// How long a claim lasts unless it is renewed. Longer than an invocation works (25 s), so that a
/// healthy owner never loses it; short enough that a killed owner holds up nothing but one minute.
pub const CLAIM: Duration = Duration::from_mins(1);

/// Who works on a blob, and until when nobody else may.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Unique to one run of one process.
    pub owner: String,
    /// Milliseconds since the Unix epoch.
    pub until: u64,
}

/// A commit that somebody asked for while another had the claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlobVersion {
    /// The commit's `ETag`, without quotes.
    pub etag: String,
    /// The blob's length at that commit, bytes; 0 when the event did not say.
    pub length: u64,
}

/// One row: progress, claim and what is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checkpoint {
    /// The blob's URL, for people who read the table.
    pub blob: String,
    /// How far the blob has been forwarded.
    pub progress: Progress,
    /// What an unfinished run set out to send: messages between `progress.offset` and its end may have
    /// been sent already. A run that finds it goes exactly that far first, by the same bounds, so that
    /// every repeated message is the message that it was before.
    pub in_flight: Option<InFlightRange>,
    /// Who works on the blob now.
    pub claim: Option<Claim>,
    /// The newest commit that the owner was asked to look at.
    pub wanted: Option<BlobVersion>,
}

impl Checkpoint {
    /// The row of a blob of which nothing has been forwarded.
    #[must_use]
    pub fn new(blob: String) -> Self {
        Self { blob, ..Self::default() }
    }

    /// Whether the commit named by `etag` has been forwarded to its end.
    #[must_use]
    pub fn covers(&self, etag: &str) -> bool {
        self.progress.etag.as_deref() == Some(etag)
    }

    /// Whether anybody holds an unexpired claim at `now`.
    #[must_use]
    pub fn is_claimed(&self, now: u64) -> bool {
        self.claim.as_ref().is_some_and(|claim| claim.until > now)
    }

    /// Whether nothing is left to do at `now` for the commit named by `etag`, of a blob whose hour ends at
    /// `hour_end`; both in milliseconds since the Unix epoch.
    #[must_use]
    pub fn settles(&self, etag: &str, hour_end: u64, now: u64) -> bool {
        self.covers(etag) && self.progress.owes_quarantine_to(hour_end, now).is_none()
    }

    /// Whether a worker other than `me` holds an unexpired claim at `now`.
    #[must_use]
    pub fn is_held_by_another(&self, me: &str, now: u64) -> bool {
        self.claim.as_ref().is_some_and(|claim| !lease::is_of(&claim.owner, me) && claim.until > now)
    }

    /// The row with the claim taken by `owner` for a run that will have `in_flight` on its way.
    /// What an older run left in flight stays: see [`Checkpoint::in_flight`].
    #[must_use]
    pub fn claimed(&self, owner: &str, now: u64, in_flight: impl Into<InFlightRange>) -> Self {
        let in_flight = in_flight.into();
        let in_flight = self.in_flight.map_or(in_flight, |older| older.or_bounds(in_flight.bounds));
        let claim = Claim { owner: owner.to_owned(), until: now.saturating_add(millis(CLAIM)) };
        Self { claim: Some(claim), in_flight: Some(in_flight), ..self.clone() }
    }

    /// The row with `wanted` noted for the owner; none when it already says so.
    #[must_use]
    pub fn wanting(&self, wanted: &BlobVersion) -> Option<Self> {
        (self.wanted.as_ref() != Some(wanted)).then(|| Self { wanted: Some(wanted.clone()), ..self.clone() })
    }

    /// The row with its owner's progress saved and the claim renewed, in the middle of a run. Progress
    /// that would fall is not taken: see [`Progress::moved_to`].
    #[must_use]
    pub fn advanced(&self, progress: Progress, now: u64) -> Self {
        let until = now.saturating_add(millis(CLAIM));
        let claim = self.claim.as_ref().map(|claim| Claim { until, ..claim.clone() });
        Self { progress: self.progress.moved_to(progress).0, claim, ..self.clone() }
    }

    /// The row with what its owner has in flight ended at `until`: nothing behind that was sent.
    #[must_use]
    pub fn narrowed(&self, until: u64) -> Self {
        let in_flight = self.in_flight.map(|in_flight| InFlightRange { until, ..in_flight });
        Self { in_flight, ..self.clone() }
    }

    /// The row after its owner's run ended at `progress` and gave the claim back.
    /// What the run had in flight stays so unless the run `finished`. Progress that would fall is not
    /// taken, and settles nothing: see [`Progress::moved_to`].
    #[must_use]
    pub fn released(&self, progress: Progress, finished: bool) -> Self {
        let (progress, taken) = self.progress.moved_to(progress);
        let in_flight = if finished && taken { None } else { self.in_flight };
        Self { blob: self.blob.clone(), progress, in_flight, claim: None, wanted: None }
    }

    /// The row of a blob whose stored bytes are no longer those that were forwarded: everything
    /// will be forwarded again, under new message ids.
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
        assert!(!row.is_held_by_another("a", 1_000), "one's own claim");
    }

    #[test]
    fn a_takeover_keeps_what_the_dead_owner_left_in_flight() {
        let dead = Checkpoint::new("b".into()).claimed("a", 0, 50);
        let taken = dead.claimed("b", 70_000, 90);
        assert_eq!(taken.in_flight, Some(50.into()));
        assert_eq!(taken.claim.unwrap().owner, "b");
    }

    #[test]
    fn a_failed_run_leaves_its_end_in_flight_and_a_finished_one_does_not() {
        let row = Checkpoint::new("b".into()).claimed("a", 0, 50);
        let progress = Progress { offset: 20, ..Progress::default() };
        assert_eq!(row.released(progress.clone(), false).in_flight, Some(50.into()));
        assert_eq!(row.released(progress, true).in_flight, None);
    }

    #[test]
    fn wanting_the_same_commit_twice_changes_nothing() {
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
    fn a_takeover_goes_by_the_bounds_of_what_is_in_flight() {
        let bounds = |max_body| Some(Bounds { max_body, by_nic: true, layout: 1 });
        let in_flight = |until, max_body| InFlightRange { until, bounds: bounds(max_body) };
        let dead = Checkpoint::new("b".into()).claimed("a", 0, in_flight(50, 2_000));
        let taken = dead.claimed("b", 70_000, in_flight(90, 3_000));
        assert_eq!(taken.in_flight, Some(in_flight(50, 2_000)));
        let older = Checkpoint::new("b".into()).claimed("a", 0, 50);
        let taken = older.claimed("b", 70_000, in_flight(90, 3_000));
        assert_eq!(taken.in_flight, Some(in_flight(50, 3_000)), "unknown bounds are known from here on");
    }

    #[test]
    fn a_release_that_would_fall_back_changes_neither_offset_nor_what_is_in_flight() {
        let mut row = Checkpoint::new("b".into()).claimed("a", 0, 50);
        row.progress = Progress { offset: 40, etag: Some("e".into()), ..Progress::default() };
        let released = row.released(Progress { offset: 30, ..Progress::default() }, true);
        assert_eq!((released.progress, released.in_flight), (row.progress.clone(), row.in_flight));
        assert_eq!(row.advanced(Progress::default(), 1).progress, row.progress);
    }
}
