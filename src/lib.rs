//! Forwards Azure flow logs from Blob storage to an Event Hub: once, and byte for byte.
//!
//! # The guarantee
//! Every record that Network Watcher commits reaches the hub with its bytes as they were, inside a
//! message `{"records":[…]}` that fits the hub's limit. Without a crash or a failed send it arrives once.
//! Either repeats at most the messages that were sent and not yet checkpointed, and a repeat is the same
//! message, with the same `message-id`, whatever settings have changed since; only a hub that takes smaller
//! messages than before, or a build with other packing rules, can't repeat them, and says so. Memory stays
//! bounded whatever arrives. Nothing is dropped silently: what is no record is quarantined with its reason,
//! logged and counted.
//!
//! A claim that expires before its run could be saved, because the worker was paused for a minute or its
//! table was out of reach, counts like a crash. So does a hub that refuses one batch and accepts those behind it: an offset
//! can only say "everything up to here".
//!
//! What it rests on:
//! - *An event is a hint.* Events come late, doubled, out of order, forged and at once. What counts is the
//!   blob as it is now and the checkpoint; an event only says when to look, and bounds nothing. ([`forward`])
//! - *A blob only grows before its closing `]}`.* So a byte offset says how far we are, and a
//!   fingerprint of the bytes before it, read again together with the new ones, proves that it still
//!   does. ([`plan`], [`checkpoint`])
//! - *Only JSON structure says where a record ends.* Not blocks, not separators. Blocks matter only behind
//!   a break: at the next one that begins a record, forwarding goes on. ([`cut`], [`forward`])
//! - *Send, then checkpoint.* The offset moves when the hub has said *accepted*, never past a batch that it
//!   has not, and never back within a generation. ([`forward`], [`checkpoint::Progress::moved_to`])
//! - *The sweep is the guarantee.* Every few minutes it compares what is committed with what is
//!   checkpointed and forwards what is behind, whatever the events did; hours that are closed it looks at
//!   again every day. ([`sweep`])
//! - *One worker per blob.* A row is claimed by compare-and-swap before anything is sent; a claim
//!   that is lost can't move the offset any more. Claims and hours go by the storage service's time.
//!   ([`leases`], [`checkpoint::lease`], [`clock`])
//! - *The same bounds again.* What a run sets out to send, and what decides where its messages end, stands
//!   in the row before it sends. ([`batch`], [`checkpoint::InFlightRange`])
//!
//! # The flow
//! ```text
//! server → event → flow_log          what the host posts, which blob it means, whether it is ours
//!   forward: attempt, turns          one attempt per blob in this process, within its time and memory
//!     open: source, plan             the new bytes, and whether the old ones are still there
//!     leases, checkpoint             the claim
//!     run: cut → batch → hub         records → messages → batches, accepted in order
//!     breaks → quarantine            what is no record, up to the next block that begins one
//!     leases, checkpoint             progress saved, claim given back
//!
//! server → sweep → forward           what events did not bring, hour by hour
//! ```
//! Everything down to `forward` knows neither network nor SDK; [`azure`] holds the real storage, table
//! and hub, and [`app`] puts them together as [`config`] says.

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
