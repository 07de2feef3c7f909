//! Decisions about claims, without the writes. `forward::lease_store` writes them, and the model in
//! `tests/model` checks them.

use super::{BlobVersion, Checkpoint, InFlightRange, Progress};

/// The owner of the claim of run number `run` of `worker`. It is unique per run, so that a worker never mistakes
/// the claim of an earlier run for the present one.
#[must_use]
pub fn owner(worker: &str, run: u64) -> String {
    format!("{worker}.{run}")
}

/// Whether `owner` names a run of `worker`.
#[must_use]
pub fn is_of(owner: &str, worker: &str) -> bool {
    owner.strip_prefix(worker).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// What a worker writes in order to claim a blob.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClaimDecision {
    /// The claim.
    Take(Checkpoint),
    /// The wanted version, for the owner of the present claim.
    Request(Checkpoint),
    /// Nothing: the owner was asked for this version already.
    AlreadyRequested,
}

/// What the run `owner` of `worker` writes at `now` over the row `stored` to claim the blob. `row` is the row as
/// stored, or reset after a rewrite; `in_flight` is the range that the run will send.
#[must_use]
pub fn claim(
    stored: &Checkpoint,
    row: &Checkpoint,
    (worker, owner): (&str, &str),
    now: u64,
    in_flight: InFlightRange,
    wanted: &BlobVersion,
) -> ClaimDecision {
    if stored.is_held_by_another(worker, now) {
        stored.wanting(wanted).map_or(ClaimDecision::AlreadyRequested, ClaimDecision::Request)
    } else {
        ClaimDecision::Take(row.claimed(owner, now, in_flight))
    }
}

/// The meaning of a failed compare-and-swap by the owner of a claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Conflict {
    /// An earlier attempt was written, but its answer was lost.
    AlreadyWritten,
    /// Another run has the claim.
    Lost {
        /// Its owner, if the row is claimed.
        owner: Option<String>,
    },
    /// Another worker asked for a version: apply the change again on top of that.
    Retry,
}

/// The meaning of `stored`, which `owner` found instead of being able to write `intended`.
#[must_use]
pub fn resolve_conflict(stored: &Checkpoint, intended: &Checkpoint, owner: &str) -> Conflict {
    match &stored.claim {
        _ if stored == intended => Conflict::AlreadyWritten,
        Some(claim) if claim.owner == owner => Conflict::Retry,
        other => Conflict::Lost { owner: other.as_ref().map(|claim| claim.owner.clone()) },
    }
}

/// The end of a run, cached until it is saved, so that a worker whose release failed repeats nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunEnd {
    /// The owner of the claim.
    pub owner: String,
    /// How far the hub accepted.
    pub progress: Progress,
    /// Whether nothing is in flight any more: see [`RunOutcome`](super::RunOutcome).
    pub finished: bool,
}

impl RunEnd {
    /// Whether it may be written to the row `stored`: only while the same run has the claim. A later claim, even
    /// by the same worker, started from the stored row.
    #[must_use]
    pub fn belongs_to(&self, stored: &Checkpoint) -> bool {
        stored.claim.as_ref().is_some_and(|claim| claim.owner == self.owner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted() -> BlobVersion {
        BlobVersion { etag: "e2".into(), length: 9 }
    }

    #[test]
    fn the_owner_names_one_run_of_one_worker() {
        assert!(is_of(&owner("a", 7), "a") && is_of("a", "a"));
        assert!(!is_of(&owner("ab", 7), "a") && !is_of("b.1", "a"));
    }

    #[test]
    fn a_claim_is_taken_or_the_version_requested_once() {
        let free = Checkpoint::new("b".into());
        let take = |stored: &Checkpoint, worker: &str, now| {
            claim(stored, stored, (worker, &owner(worker, 1)), now, 9.into(), &wanted())
        };
        let ClaimDecision::Take(held) = take(&free, "a", 0) else { panic!() };
        let ClaimDecision::Request(asked) = take(&held, "b", 1) else { panic!() };
        assert_eq!((&asked.claim, &asked.wanted), (&held.claim, &Some(wanted())));
        assert_eq!(take(&asked, "b", 1), ClaimDecision::AlreadyRequested);
        assert!(matches!(take(&held, "a", 1), ClaimDecision::Take(_)), "its own earlier run");
        assert!(matches!(take(&held, "b", 60_000), ClaimDecision::Take(_)), "expired");
    }

    #[test]
    fn a_conflict_means_written_lost_or_retry() {
        let held = Checkpoint::new("b".into()).claimed("a.1", 0, 9);
        let saved = held.advanced(Progress { offset: 5, ..Progress::default() }, 1);
        assert_eq!(resolve_conflict(&saved, &saved, "a.1"), Conflict::AlreadyWritten);
        assert_eq!(resolve_conflict(&held.wanting(&wanted()).unwrap(), &saved, "a.1"), Conflict::Retry);
        let taken = held.claimed("b.1", 70_000, 9);
        assert_eq!(resolve_conflict(&taken, &saved, "a.1"), Conflict::Lost { owner: Some("b.1".into()) });
        let own = held.claimed("a.2", 70_000, 9);
        assert_eq!(resolve_conflict(&own, &saved, "a.1"), Conflict::Lost { owner: Some("a.2".into()) });
        let free = saved.released(Progress::default(), false);
        assert_eq!(resolve_conflict(&free, &saved, "a.1"), Conflict::Lost { owner: None });
    }

    #[test]
    fn the_end_of_a_run_belongs_to_no_later_claim() {
        let held = Checkpoint::new("b".into()).claimed("a.1", 0, 9);
        let end = RunEnd { owner: "a.1".into(), progress: Progress::default(), finished: true };
        assert!(end.belongs_to(&held));
        assert!(!end.belongs_to(&held.claimed("a.2", 70_000, 9)));
        assert!(!end.belongs_to(&held.released(Progress::default(), true)));
    }
}
