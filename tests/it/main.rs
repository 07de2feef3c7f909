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

mod contract;
mod e2e;
mod scenario;
mod support;
