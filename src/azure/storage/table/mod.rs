//! Checkpoint rows in an Azure Table.

pub(crate) mod entity;
pub(crate) mod page;
mod query;
mod service;

pub use service::AzureTable;
