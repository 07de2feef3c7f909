//! One container in a sweep, and what the process remembers of it between sweeps.

use super::folders::FlowLog;
use super::hours;
use super::rescan;
use super::state::{StateKey, SweepState};
use crate::flow_log::Container;
use crate::hour::{Hour, Retention};
use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

/// What this process remembers of a container.
#[derive(Clone, Debug, Default)]
pub(super) struct ContainerCache {
    /// The flow logs found so far, in the order of their prefixes.
    pub(super) flow_logs: Arc<[FlowLog]>,
    /// The watermark that this process last computed.
    pub(super) watermark: Option<Hour>,
    /// The hour that this process last wrote to the watermark copy.
    pub(super) copied: Option<Hour>,
    /// Settled hours known to be forwarded, from the watermark on. They are treated as closed while the
    /// watermark waits for an earlier hour.
    pub(super) forwarded: BTreeSet<Hour>,
    /// Closed hours with blobs that are behind.
    pub(super) reopened: BTreeSet<Hour>,
    /// Whether recent hours ever held blobs.
    pub(super) had_blobs: bool,
}

/// The caches of all containers.
#[derive(Debug, Default)]
pub(super) struct ContainerCaches(Mutex<HashMap<Container, ContainerCache>>);

impl ContainerCaches {
    pub(super) fn get(&self, container: &Container) -> ContainerCache {
        let caches = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        caches.get(container).cloned().unwrap_or_default()
    }

    pub(super) fn put(&self, container: &Container, cache: ContainerCache) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(container.clone(), cache);
    }
}

/// A container in a sweep.
pub(super) struct ContainerSweep {
    pub(super) container: Container,
    pub(super) state: SweepState,
    pub(super) cache: ContainerCache,
    /// The watermark when the sweep started.
    pub(super) watermark: Hour,
    /// The first hour that may be rescanned.
    pub(super) first_hour: Hour,
    /// Whether the watermark may skip hours older than the retention.
    pub(super) skips_expired: bool,
    /// Whether all flow logs are known. Otherwise no hour is closed.
    pub(super) is_complete: bool,
    /// The first failure that did not keep the container from being swept.
    pub(super) failure: Option<String>,
}

impl ContainerSweep {
    /// The hours not known to be forwarded, oldest first.
    pub(super) fn open_hours(&self, now: u64, retention: Retention) -> Vec<Hour> {
        let hours = hours::unclosed(now, self.watermark, retention).into_iter();
        hours.filter(|hour| !self.cache.forwarded.contains(hour)).collect()
    }

    /// The closed hours to rescan: first those with blobs behind, then those that are due, each with its
    /// due time.
    pub(super) fn closed_hours(&self, now: u64, retention: Retention) -> Vec<(Option<u64>, Hour)> {
        let first = retention.first_hour(now);
        let reopened = &self.cache.reopened;
        let closed = hours::closed(now, self.first_hour, self.watermark, retention);
        let forwarded = self.cache.forwarded.iter().copied().filter(|hour| *hour >= first);
        let others = closed.chain(forwarded).filter(|hour| !reopened.contains(hour));
        let last = self.state.get(StateKey::RescannedUntil).unwrap_or_default();
        let due = rescan::due_hours(others, last, now).into_iter().map(|(due, hour)| (Some(due), hour));
        reopened.iter().filter(|hour| **hour >= first).map(|hour| (None, *hour)).chain(due).collect()
    }
}
