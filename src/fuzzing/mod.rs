//! The fuzz targets: functions that take any bytes and panic when a property is violated.
//!
//! `cargo fuzz` runs them on the nightly toolchain. The tests run them on every toolchain, with `fuzz/corpus`
//! and mutations of it. To add a target, add a function here, a folder in `fuzz/corpus`, a file in
//! `fuzz/fuzz_targets` and a test.

mod connection_string;
mod cut;
mod envelope;
#[cfg(test)]
mod envelope_tests;
mod split;
#[cfg(test)]
mod tests;

pub use crate::azure::fuzzing::{listing, put_token_answer, table_rows};
pub use connection_string::connection_string;
pub use cut::cut;
pub use envelope::envelope;
pub use split::split;
