//! The hours and pages of one sweep, in the order in which they are scanned.

use super::container::ContainerSweep;
use super::pages::NamePages;
use crate::hour::{Hour, Retention};
use crate::ports::blobs::Depth;
use std::collections::{BTreeMap, VecDeque};

/// How many pages are scanned at once.
pub(super) const SCANS_AT_ONCE: usize = 8;

/// One hour of one container.
#[derive(Debug)]
pub(super) struct HourScan {
    /// The index of the container.
    pub(super) container: usize,
    pub(super) hour: Hour,
    pub(super) is_closed: bool,
    /// When a closed hour was due, in milliseconds since the Unix epoch; none for one that was reopened.
    pub(super) due: Option<u64>,
    /// How many flow logs are not scanned to the end yet.
    pub(super) flow_logs_left: usize,
    /// How many scans failed.
    pub(super) failed_scans: u64,
    /// How many blobs were listed.
    pub(super) listed: u64,
    /// How many of them are still behind.
    pub(super) behind: u64,
}

impl HourScan {
    /// Whether all flow logs were scanned.
    pub(super) fn is_scanned(&self) -> bool {
        self.flow_logs_left == 0 && self.failed_scans == 0
    }

    /// Whether every commit to it is forwarded.
    pub(super) fn is_forwarded(&self) -> bool {
        self.is_scanned() && self.behind == 0
    }
}

/// The hours of all containers. Open hours come before closed ones, and each container's oldest open hour
/// first. Containers alternate, so that one with days to catch up does not delay the others.
pub(super) fn schedule(containers: &[ContainerSweep], now: u64, retention: Retention) -> Vec<HourScan> {
    let scan = |container: usize, hour, is_closed, due| {
        let flow_logs_left = containers[container].cache.flow_logs.len();
        HourScan { container, hour, is_closed, due, flow_logs_left, failed_scans: 0, listed: 0, behind: 0 }
    };
    let open = containers.iter().enumerate().map(|(index, container)| {
        let hours = container.open_hours(now, retention).into_iter();
        hours.map(|hour| scan(index, hour, false, None)).collect()
    });
    let closed = containers.iter().enumerate().map(|(index, container)| {
        let hours = container.closed_hours(now, retention).into_iter();
        hours.map(|(due, hour)| scan(index, hour, true, due)).collect()
    });
    let mut hours = alternate(open);
    hours.extend(alternate(closed));
    hours
}

/// The first item of each list, then the second of each, and so on.
fn alternate<T>(lists: impl Iterator<Item = Vec<T>>) -> Vec<T> {
    let mut lists: Vec<_> = lists.map(Vec::into_iter).collect();
    let mut items = Vec::new();
    loop {
        let before = items.len();
        items.extend(lists.iter_mut().filter_map(Iterator::next));
        if items.len() == before {
            return items;
        }
    }
}

/// A page to scan.
pub(super) struct PageScan {
    /// The index of the hour.
    pub(super) hour: usize,
    /// The listing that the page is the next of.
    pub(super) names: NamePages,
}

/// The pages still to scan: hour by hour, and flow log by flow log. Listings that were started are finished
/// before another one starts.
#[derive(Default)]
pub(super) struct PageQueue {
    hour: usize,
    flow_log: usize,
    started: VecDeque<PageScan>,
    /// How many scans failed in a row, by container.
    failed_in_a_row: BTreeMap<usize, usize>,
}

impl PageQueue {
    pub(super) fn next(&mut self, containers: &[ContainerSweep], hours: &[HourScan]) -> Option<PageScan> {
        if let Some(page) = self.started.pop_front() {
            return Some(page);
        }
        while let Some(scan) = hours.get(self.hour) {
            let flow_log = containers[scan.container].cache.flow_logs.get(self.flow_log);
            if let Some(flow_log) = flow_log
                && !self.is_unreachable(scan.container)
            {
                self.flow_log += 1;
                let names = NamePages::new(flow_log.prefix_of(scan.hour), Depth::All);
                return Some(PageScan { hour: self.hour, names });
            }
            (self.hour, self.flow_log) = (self.hour + 1, 0);
        }
        None
    }

    /// Queues the rest of a listing that was started.
    pub(super) fn push(&mut self, page: PageScan) {
        self.started.push_back(page);
    }

    /// Notes whether a scan of `container` failed. Returns whether the failure is the first in a row.
    pub(super) fn note_scan(&mut self, container: usize, failed: bool) -> bool {
        let failures = self.failed_in_a_row.entry(container).or_default();
        *failures = if failed { *failures + 1 } else { 0 };
        *failures == 1
    }

    /// Whether so many scans failed in a row that no other hour of `container` is tried.
    pub(super) fn is_unreachable(&self, container: usize) -> bool {
        self.failed_in_a_row.get(&container).is_some_and(|failures| *failures >= SCANS_AT_ONCE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_any_length_alternate() {
        let lists = [vec![1, 4], vec![], vec![2, 5, 6], vec![3]];
        assert_eq!(alternate(lists.into_iter()), [1, 2, 3, 4, 5, 6]);
        assert!(alternate(std::iter::empty::<Vec<u8>>()).is_empty());
    }
}
