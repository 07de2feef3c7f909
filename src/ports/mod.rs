//! The interfaces to storage, checkpoints and the hub.

pub mod blobs;
pub mod checkpoints;
pub mod hub;
pub mod quarantine;
pub mod watermark_copy;

use blobs::{BlobListing, BlobReader};
use checkpoints::{CheckpointStore, CheckpointTable};
use hub::Hub;
use quarantine::Quarantine;
use watermark_copy::WatermarkCopy;

/// The implementations that a forwarder works with, as one type parameter.
pub trait Ports: Send + Sync + 'static {
    /// Reads blobs.
    type Blobs: BlobReader;
    /// Keeps checkpoint rows.
    type Checkpoints: CheckpointStore;
    /// Accepts batches.
    type Hub: Hub;
    /// Keeps bytes that can't be forwarded.
    type Quarantine: Quarantine;
}

/// The implementations that a sweeper works with: it also lists blobs and scans rows.
pub trait SweepPorts: Ports<Blobs: BlobListing, Checkpoints: CheckpointTable> {
    /// Keeps the second copy of each watermark.
    type WatermarkCopy: WatermarkCopy;
}
