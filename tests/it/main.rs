//! Integration tests: scenarios on in-memory twins, the same contracts on real components, the handler
//! over real sockets, and the files that are published.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    unreachable_pub,
    reason = "tests"
)]

mod answers;
mod blob_contract;
mod bounds;
mod breaks;
mod budget;
mod chaos;
mod checkpoint_contract;
mod claims;
mod crash_matrix;
mod crash_process;
mod forward;
mod handler;
mod host_files;
mod http;
mod hub_contract;
mod hub_faults;
mod hub_hostile;
mod hub_sessions;
mod hub_tokens;
mod identity;
mod judge;
mod listing_contract;
mod memory;
mod memory_hub;
mod outages;
mod oversize;
mod quarantine_contract;
mod rig;
mod samples;
mod scan_contract;
mod server_contract;
mod server_memory;
mod server_process;
mod settings;
mod shapes;
mod stage;
mod stop_process;
mod storage_hostile;
mod sweep;
mod time;
mod unsaved;
mod watermark_copy_contract;
mod world;
