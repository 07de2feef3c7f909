//! Tests from outside: over real sockets, and over the files that are published.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod host_files;
mod http;
mod server_contract;
mod server_process;
mod settings;
