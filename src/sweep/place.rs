//! The containers and hours of one sweep, and what is known of them as it goes on.

use super::again;
use super::folders::FlowLog;
use super::hours;
use super::marks::{Kind, Marks};
use crate::flow_log::Container;
use crate::hour::{Hour, Retention};
use std::collections::BTreeSet;
use std::sync::Arc;

/// What this process remembers of a container from one sweep to the next.
#[derive(Clone, Debug, Default)]
pub(super) struct Memory {
    /// The watermark, as this process stored or found it.
    pub(super) watermark: Option<Hour>,
    /// What this process wrote to the second copy.
    pub(super) copied: Option<Hour>,
    /// Settled hours found forwarded behind one that is not: the watermark waits for that one, and they are
    /// treated as closed.
    pub(super) done: BTreeSet<Hour>,
    /// Closed hours in which something was behind that is not forwarded yet.
    pub(super) reopened: BTreeSet<Hour>,
    /// Whether the last two hours ever held blobs.
    pub(super) had_blobs: bool,
}

/// A container in a sweep.
pub(super) struct Place {
    pub(super) container: Container,
    pub(super) marks: Marks,
    /// The watermark when the sweep began.
    pub(super) watermark: Hour,
    /// Whether hours older than the retention are to be given up.
    pub(super) gives_up: bool,
    /// The hour with which the first sweep began.
    pub(super) beginning: Hour,
    pub(super) flow_logs: Arc<[FlowLog]>,
    /// Whether the walk saw every folder: otherwise no hour is closed.
    pub(super) is_known_whole: bool,
    pub(super) memory: Memory,
}

impl Place {
    /// The hours that are not known to be forwarded, oldest first.
    pub(super) fn open_hours(&self, now: u64, retention: Retention) -> Vec<Hour> {
        let hours = hours::to_sweep(now, self.watermark, retention).into_iter();
        hours.filter(|hour| !self.memory.done.contains(hour)).collect()
    }

    /// The closed hours to look at: first those where something was left, then those whose time has come,
    /// each with the time at which it was due.
    fn closed_hours(&self, now: u64, retention: Retention) -> Vec<(Option<u64>, Hour)> {
        let reopened = &self.memory.reopened;
        let first = retention.first_hour(now);
        let closed = hours::closed(now, self.beginning, self.watermark, retention);
        let done = self.memory.done.iter().copied().filter(|hour| *hour >= first);
        let others = closed.chain(done).filter(|hour| !reopened.contains(hour));
        let last = self.marks.get(Kind::LookedAgain).unwrap_or_default();
        let due = again::due_hours(others, last, now).into_iter().map(|(due, hour)| (Some(due), hour));
        reopened.iter().filter(|hour| **hour >= first).map(|hour| (None, *hour)).chain(due).collect()
    }
}

/// One hour of one container in a sweep.
#[derive(Debug)]
pub(super) struct Step {
    /// The number of the container.
    pub(super) place: usize,
    pub(super) hour: Hour,
    /// Whether it is looked at although it is closed.
    pub(super) is_closed: bool,
    /// When a closed hour was due; none for one that was left with something behind.
    pub(super) due: Option<u64>,
    /// How many flow logs are still to be looked at.
    pub(super) looks_left: usize,
    /// How many of the looks failed.
    pub(super) failed_looks: u64,
    /// How many blobs were listed.
    pub(super) listed: u64,
    /// How many of the blobs found are not known to be forwarded.
    pub(super) open: u64,
}

impl Step {
    /// Whether all flow logs were looked at.
    pub(super) fn was_seen(&self) -> bool {
        self.looks_left == 0 && self.failed_looks == 0
    }

    /// Whether everything committed to it is forwarded.
    pub(super) fn is_forwarded(&self) -> bool {
        self.was_seen() && self.open == 0
    }
}

/// The hours of all places. Open hours come first, and of these each place's oldest; the places take turns,
/// so that one with days to catch up does not keep the others waiting.
pub(super) fn steps(places: &[Place], now: u64, retention: Retention) -> Vec<Step> {
    let open = places.iter().map(|place| {
        place.open_hours(now, retention).into_iter().map(|hour| (hour, false, None)).collect::<Vec<_>>()
    });
    let closed = places.iter().map(|place| {
        let hours = place.closed_hours(now, retention).into_iter();
        hours.map(|(due, hour)| (hour, true, due)).collect::<Vec<_>>()
    });
    let mut steps = in_turns(&open.collect::<Vec<_>>());
    steps.extend(in_turns(&closed.collect::<Vec<_>>()));
    let step = |(place, (hour, is_closed, due)): (usize, (Hour, bool, Option<u64>))| {
        let looks_left = places[place].flow_logs.len();
        Step { place, hour, is_closed, due, looks_left, failed_looks: 0, listed: 0, open: 0 }
    };
    steps.into_iter().map(step).collect()
}

/// The first of each list, then the second of each, and so on; each with the number of its list.
fn in_turns<T: Copy>(lists: &[Vec<T>]) -> Vec<(usize, T)> {
    let longest = lists.iter().map(Vec::len).max().unwrap_or(0);
    let nth =
        |turn| lists.iter().enumerate().filter_map(move |(number, list)| Some((number, *list.get(turn)?)));
    (0..longest).flat_map(nth).collect()
}
