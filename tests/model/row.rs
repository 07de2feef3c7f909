//! Rows of the crate as parts of a state: shared and hashable.

use flowlog_forwarder::checkpoint::lease::RunEnd;
use flowlog_forwarder::checkpoint::{BlobVersion, Bounds, Checkpoint, Claim, InFlightRange, Progress};
use flowlog_forwarder::flow_log::fingerprint::Fingerprint;
use std::hash::{Hash, Hasher};
use std::ops::Deref;
use std::sync::Arc;

/// A row as it is stored, or as a worker loaded it.
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

/// The end of a run, shared and hashable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SharedRunEnd(pub Arc<RunEnd>);

/// A row as a worker last loaded or wrote it. A swap only compares row versions for equality, and the store
/// never uses a version twice, so the model keeps whether it is current instead of a version.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LoadedRow {
    pub row: Row,
    pub is_current: bool,
}

// Fields are named one by one, so that a new one is not left out of the hash.
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

impl Hash for SharedRunEnd {
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
