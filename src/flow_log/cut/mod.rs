//! Finds the records of a flow-log blob in its raw bytes, in chunks of any size.
//!
//! A blob is `{"records":[ R, R, … ]}`. The [`Cutter`] takes consecutive bytes and reports where each
//! complete record `R` starts and ends. It relies on JSON structure alone: strings, escapes and brackets.
//! It does not rely on block sizes or separators: missing, repeated, leading and trailing commas between
//! records are tolerated, and so are other members of the root object. An unfinished tail is a normal
//! result, because the blob is still growing.
//!
//! Bytes outside records can be of any length and are never sent, so a gap of more than [`MAX_GAP`] bytes is
//! discarded while it is scanned. Which gaps are discarded depends on the blob's bytes alone, not on
//! chunks or on where a run began.
//!
//! Record bytes are never parsed, copied or changed. So the grammar of tokens is not checked: a record is
//! accepted when its strings end and its brackets match (for example `{"a" 1,}`, or control characters and
//! invalid UTF-8 in strings). It goes to the hub as it was committed.

#[cfg(test)]
pub(crate) mod arbitrary;
#[cfg(any(test, fuzzing))]
pub(crate) mod byte_wise;
mod cutter;
mod error;
mod first_key;
#[cfg(test)]
mod gap_tests;
mod held_bytes;
mod json;
mod nesting;
#[cfg(any(test, fuzzing))]
pub(crate) mod oracle;
mod record;
#[cfg(test)]
mod root_tests;
mod scan;
#[cfg(test)]
mod tests;
mod vector;
#[cfg(test)]
mod vector_tests;

pub use cutter::Cutter;
pub use error::{CutError, Expected, NotHeld};
pub use first_key::first_key;
pub(crate) use held_bytes::HeldBytes;
#[cfg(any(test, fuzzing))]
pub(crate) use held_bytes::MAX_PIN_RATIO;
pub(crate) use json::is_space;
pub(crate) use nesting::Nesting;
pub use record::{Closed, MAX_GAP, MAX_NESTING, Record};
