//! Forwards Azure flow logs from Blob storage to an Event Hub: once, and byte for byte.
//!
//! # The guarantee
//! Every record that Network Watcher commits reaches the event hub with its bytes unchanged, in a message
//! `{"records":[…]}` that fits the hub's limit. Without a crash or a failed send it arrives once. After a crash or
//! a failed send, only messages that were sent but not checkpointed are repeated. A repeat is the same message
//! with the same `message-id`, even if settings have changed; if the hub now has a smaller limit or the build has
//! other packing rules, the message can't be repeated unchanged and the log says so. Memory stays bounded
//! whatever arrives. Nothing is dropped silently: what can't be forwarded is quarantined with the reason, logged
//! and counted.
//!
//! Two cases count as a crash. A claim can expire before its run is saved, because the process was paused for a
//! minute or the table did not answer. And the hub can refuse one batch and accept later ones: a checkpoint
//! covers everything before its offset, so the later ones are repeated.
//!
//! # Why it holds
//! - *Events are hints.* They come late, repeated, out of order, concurrently, and may be forged. Only the blob's
//!   present content and its checkpoint count; an event says when to look. ([`forward`])
//! - *A blob only grows before its closing `]}`.* So an offset says how far a blob has been forwarded, and a
//!   fingerprint of the bytes before it detects any rewrite. ([`forward::plan`], [`flow_log::fingerprint`])
//! - *JSON structure alone ends a record.* Block boundaries count only behind a break: forwarding continues at
//!   the next block that begins a record. ([`flow_log::cut`])
//! - *Send, then checkpoint.* The offset moves only over batches that the hub has accepted, and never back
//!   within a generation. ([`checkpoint::Progress::moved_to`])
//! - *One worker per blob.* A row is claimed by compare-and-swap before anything is sent, and a worker that lost
//!   its claim can't move the offset. Claims use the storage service's time. ([`checkpoint::lease`], [`clock`])
//! - *Repeats have the same bounds.* The row stores the range in flight, and what determines the bounds of its
//!   messages, before a run sends. ([`checkpoint::InFlightRange`], [`message::batch`])
//! - *The sweep finds what events miss.* Every few minutes it compares listings with checkpoints and forwards
//!   every blob that is behind. It rescans closed hours once a day. ([`sweep`])
//!
//! # The flow
//! ```text
//! host: server → invocation → event         the host's request, and the commits that it names
//!   app: functions → flow_log::address      whether a blob belongs to a configured account and container
//!     forward: rounds                       one attempt per blob: lock, deadlines, memory
//!       open → plan → ports::blobs          the new bytes, and proof that the old ones are unchanged
//!       lease_store → checkpoint            the claim
//!       pump: flow_log::cut → message → ports::hub      read → cut → batch → send → checkpoint
//!       breaks, oversize → ports::quarantine            bytes that are not records, records too large to send
//!       lease_store → checkpoint            progress saved, claim released
//!
//! host → app → sweep → forward              what events missed, hour by hour
//! ```
//! Everything except [`azure`] and [`host`] is free of network and SDK. [`azure`] implements the [`ports`] with
//! Azure's services, and [`app`] builds the process from its [`config`]. `docs/architecture.md` has the glossary,
//! the states of a row, and how to add things.

pub mod host;

pub mod flow_log;
pub mod message;

pub mod checkpoint;
pub mod ports;

pub mod forward;
pub mod sweep;

pub mod app;
pub mod azure;
pub mod config;

mod backoff;
pub mod clock;
mod hex;
pub mod hour;
mod memory;
pub mod metrics;
mod random;

#[cfg(any(test, fuzzing))]
pub mod fuzzing;
