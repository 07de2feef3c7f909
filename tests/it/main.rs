//! Integration tests: scenarios on in-memory twins, and the same contracts on real components.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, reason = "tests")]

mod blob_contract;
mod checkpoint_contract;
mod forward;
mod memory;
mod memory_hub;
mod rig;
mod samples;
