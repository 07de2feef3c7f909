//! Integration tests: scenarios on in-memory twins, and the same contracts on real components.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, unreachable_pub, reason = "tests")]

mod hub_contract;
mod hub_faults;
mod hub_sessions;
mod hub_tokens;
mod memory_hub;
mod rig;
