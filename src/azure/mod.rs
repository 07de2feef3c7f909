//! The Azure adapters: the only code that uses Microsoft's SDK or AMQP.
//!
//! `storage` implements the ports for blobs, checkpoints, quarantine and watermarks, `event_hubs` the port for
//! the hub. `auth` proves who we are to both; `http` holds what every HTTP request needs.

pub mod auth;
pub mod event_hubs;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod http;
pub mod storage;

pub use http::describe_error;

use crate::ports::{Ports, SweepPorts};

/// The ports on Azure Storage, Azure Tables and Event Hubs.
#[derive(Debug)]
pub enum AzurePorts {}

impl Ports for AzurePorts {
    type Blobs = storage::AzureBlobs;
    type Checkpoints = storage::AzureTable;
    type Hub = event_hubs::EventHub;
    type Quarantine = storage::AzureQuarantine;
}

impl SweepPorts for AzurePorts {
    type WatermarkCopy = storage::AzureWatermarkCopy;
}
