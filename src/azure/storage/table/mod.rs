//! Checkpoint rows in an Azure Table.

pub(in crate::azure) mod entity;
pub(in crate::azure) mod page;
mod query;
mod service;

pub use service::AzureTable;
