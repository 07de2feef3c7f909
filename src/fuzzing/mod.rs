//! What the fuzz targets call: each function takes any bytes and panics when a promise about them is broken.
//!
//! `cargo fuzz` runs them on the nightly toolchain without end. The tests run them on every toolchain, over
//! `fuzz/corpus` and over mutations of what is there. A new target is a function here, a folder there, a file
//! in `fuzz/fuzz_targets` and a line in the tests.

mod connection_string;
mod cut;
mod envelope;
mod split;
#[cfg(test)]
mod tests;

pub use crate::azure::fuzzing::{listing, put_token_answer, table_rows};
pub use connection_string::connection_string;
pub use cut::cut;
pub use envelope::envelope;
pub use split::split;
