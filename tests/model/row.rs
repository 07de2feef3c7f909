//! Rows of the crate as parts of a state: shared, and with a hash.

use flowlog_forwarder::checkpoint::lease::RunEnd;
use flowlog_forwarder::checkpoint::{BlobVersion, Bounds, Checkpoint, Claim, InFlightRange, Progress};
use flowlog_forwarder::flow_log::fingerprint::Fingerprint;
use std::hash::{Hash, Hasher};
use std::ops::Deref;
use std::sync::Arc;

/// A row as a worker saw it, or as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row(Arc<Checkpoint>);

impl From<Checkpoint> for Row {
    fn from(row: Checkpoint) -> Self {
        Self(Arc::new(row))
    }
}

impl Deref for Row {
    type Target = Checkpoint;
    fn deref(&self) -> &Checkpoint {
        &self.0
    }
}

/// The end of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct End(pub Arc<RunEnd>);

/// The row as a worker last saw it. Versions are compared for equality with the stored one alone, and the
/// store never uses one twice, so it is enough to know whether this one still is the stored one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Seen {
    pub row: Row,
    pub is_current: bool,
}

// The fields are named one by one: a new one must not be left out of what tells two states apart.
impl Hash for Row {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let Checkpoint { blob, progress, in_flight, claim, wanted } = &*self.0;
        blob.hash(state);
        hash_progress(progress, state);
        in_flight.map(|InFlightRange { until, bounds }| (until, bounds.map(bounds_key))).hash(state);
        claim.as_ref().map(|Claim { owner, until }| (owner, until)).hash(state);
        wanted.as_ref().map(|BlobVersion { etag, length }| (etag, length)).hash(state);
    }
}

impl Hash for End {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let RunEnd { owner, progress, finished } = &*self.0;
        (owner, finished).hash(state);
        hash_progress(progress, state);
    }
}

fn hash_progress<H: Hasher>(progress: &Progress, state: &mut H) {
    let Progress { offset, fingerprint, etag, length, generation, broken, skipped_bytes } = progress;
    assert!(broken.is_none(), "no blob of the model is broken");
    let fingerprint = fingerprint.as_ref().map(Fingerprint::as_str);
    (offset, fingerprint, etag, length, generation, skipped_bytes).hash(state);
}

fn bounds_key(Bounds { max_body, by_nic, layout }: Bounds) -> (u64, bool, u32) {
    (max_body, by_nic, layout)
}
