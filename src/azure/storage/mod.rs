//! Azure Storage: the flow-log blobs, the checkpoint table, the quarantine and the copy of the watermarks.

mod account;
mod blob_reader;
pub(super) mod block_list;
mod client;
mod error_context;
pub(super) mod listing;
mod own_container;
mod quarantine;
pub(super) mod table;
mod watermark_copy;

pub use blob_reader::AzureBlobs;
pub use client::{StorageSetupError, http_client};
pub use quarantine::AzureQuarantine;
pub use table::AzureTable;
pub use watermark_copy::AzureWatermarkCopy;
