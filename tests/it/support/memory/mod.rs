//! Twins of storage, table and hub in memory. Each passes the contract suite that the real one passes.

mod blobs;
mod hub;
mod quarantine;
mod table;
mod watermark_copy;

pub use blobs::MemoryBlobs;
pub use hub::MemoryHub;
pub use quarantine::MemoryQuarantine;
pub use table::MemoryTable;
pub use watermark_copy::MemoryWatermarkCopy;
