//! Parses the body of an invocation into commits of blobs.
//!
//! The Functions host wraps an Event Grid event as `{"Data":{"<binding>":…},"Metadata":{…}}`. Depending on
//! the binding's cardinality and the host's version, the binding holds an object, an array, or a JSON-encoded
//! string with either. The event itself follows Event Grid's schema or `CloudEvents` 1.0. All of these are
//! accepted, whatever the function's settings say.

mod commit;
mod envelope;
mod fields;
mod shape;

#[cfg(test)]
pub(crate) mod oracle;
#[cfg(test)]
mod tests;

pub use commit::{Commit, Event, Ignored, LONGEST_ETAG};
pub use envelope::{MAX_EVENTS, NotAnEnvelope, parse};
