//! What a worker does with a row that it wants or holds: the decisions behind every write, without the
//! writing. [`LeaseStore`](crate::forward::lease_store::LeaseStore) makes the calls, and the model in `tests/model` plays these
//! functions against each other.

use super::{BlobVersion, Checkpoint, InFlightRange, Progress};

/// The claim's owner in run number `run` of the worker `worker`. Each run has a name of its own: a worker
/// must not take a claim for its present one that an earlier run left behind.
#[must_use]
pub fn owner(worker: &str, run: u64) -> String {
    format!("{worker}.{run}")
}

/// Whether `owner` names a run of `worker`.
#[must_use]
pub fn is_of(owner: &str, worker: &str) -> bool {
    owner.strip_prefix(worker).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// What a worker that wants to work on a blob writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claiming {
    /// Its claim.
    Take(Checkpoint),
    /// What it was asked for, into the row of the owner at work.
    Ask(Checkpoint),
    /// Nothing: the owner at work knows already.
    Leave,
}

/// Decides what the run `owner` of `worker` writes at `now` over the row `stored`, in order to work from
/// `row` (as stored, or starting over) on what it then has in flight.
#[must_use]
pub fn claim(
    stored: &Checkpoint,
    row: &Checkpoint,
    (worker, owner): (&str, &str),
    now: u64,
    in_flight: InFlightRange,
    wanted: &BlobVersion,
) -> Claiming {
    if stored.is_held_by_another(worker, now) {
        stored.wanting(wanted).map_or(Claiming::Leave, Claiming::Ask)
    } else {
        Claiming::Take(row.claimed(owner, now, in_flight))
    }
}

/// What a refused write of an owner means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// An earlier try got through although its answer did not.
    Written,
    /// Another run has taken over.
    Lost {
        /// Who has it now, if anybody.
        owner: Option<String>,
    },
    /// Somebody noted a wish: the change is to be made again, on top of that.
    Again,
}

/// Decides what it means that `owner` could not write `intended`, by what is stored instead.
#[must_use]
pub fn refused(stored: &Checkpoint, intended: &Checkpoint, owner: &str) -> Refused {
    match &stored.claim {
        _ if stored == intended => Refused::Written,
        Some(claim) if claim.owner == owner => Refused::Again,
        other => Refused::Lost { owner: other.as_ref().map(|claim| claim.owner.clone()) },
    }
}

/// How a run ended, kept in memory until the row says so: with it a worker whose release failed sends
/// nothing again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunEnd {
    /// The run's claim.
    pub owner: String,
    /// How far the hub accepted.
    pub progress: Progress,
    /// Whether nothing is in flight any more.
    pub finished: bool,
}

impl RunEnd {
    /// Whether it still is to be written to the row `stored`: only while the claim is that of the same
    /// run. Any later claim, were it of the same worker, began from what is stored.
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
    fn a_run_is_told_from_other_runs_and_workers() {
        assert!(is_of(&owner("a", 7), "a") && is_of("a", "a"));
        assert!(!is_of(&owner("ab", 7), "a") && !is_of("b.1", "a"));
    }

    #[test]
    fn a_claim_is_taken_asked_for_or_left() {
        let free = Checkpoint::new("b".into());
        let take = |stored: &Checkpoint, worker: &str, now| {
            claim(stored, stored, (worker, &owner(worker, 1)), now, 9.into(), &wanted())
        };
        let Claiming::Take(held) = take(&free, "a", 0) else { panic!() };
        let Claiming::Ask(asked) = take(&held, "b", 1) else { panic!() };
        assert_eq!((&asked.claim, &asked.wanted), (&held.claim, &Some(wanted())));
        assert_eq!(take(&asked, "b", 1), Claiming::Leave);
        assert!(matches!(take(&held, "a", 1), Claiming::Take(_)), "one's own earlier run");
        assert!(matches!(take(&held, "b", 60_000), Claiming::Take(_)), "expired");
    }

    #[test]
    fn a_refused_write_is_written_lost_or_tried_again() {
        let held = Checkpoint::new("b".into()).claimed("a.1", 0, 9);
        let saved = held.advanced(Progress { offset: 5, ..Progress::default() }, 1);
        assert_eq!(refused(&saved, &saved, "a.1"), Refused::Written);
        assert_eq!(refused(&held.wanting(&wanted()).unwrap(), &saved, "a.1"), Refused::Again);
        let taken = held.claimed("b.1", 70_000, 9);
        assert_eq!(refused(&taken, &saved, "a.1"), Refused::Lost { owner: Some("b.1".into()) });
        let own = held.claimed("a.2", 70_000, 9);
        assert_eq!(refused(&own, &saved, "a.1"), Refused::Lost { owner: Some("a.2".into()) });
        let free = saved.released(Progress::default(), false);
        assert_eq!(refused(&free, &saved, "a.1"), Refused::Lost { owner: None });
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
