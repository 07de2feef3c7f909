//! The edge: everything that talks to Azure, and the only place that names Microsoft's crates.

mod answer;
mod asked;
mod bearer;
pub mod blob;
mod blocks;
pub mod credential;
mod entity;
pub mod event_hubs;
pub mod failure;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod listing;
mod own_container;
pub mod quarantine;
mod query;
pub mod sas;
pub mod storage;
pub mod table;
pub mod token;
pub mod watermark_copy;

use crate::ports::{Ports, SweepPorts};

/// Azure's storage, tables and Event Hubs.
#[derive(Debug)]
pub enum AzurePorts {}

impl Ports for AzurePorts {
    type Blobs = blob::AzureBlobs;
    type Checkpoints = table::AzureTable;
    type Hub = event_hubs::EventHub;
    type Quarantine = quarantine::AzureQuarantine;
}

impl SweepPorts for AzurePorts {
    type WatermarkCopy = watermark_copy::AzureWatermarkCopy;
}
