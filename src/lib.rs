//! Forwards Azure flow logs from Blob storage to an Event Hub: once, and byte for byte.
//!
//! # The guarantee
//! Every record that Network Watcher commits reaches the hub with its bytes as they were, inside a
//! message `{"records":[…]}` that fits the hub's limit. Without a crash it arrives once. After a crash
//! at most those messages arrive again that were sent and not yet checkpointed, each with the
//! `message-id` that it had before. Nothing is dropped silently.
//!
//! What it rests on:
//! - *An event is a hint.* Events come late, doubled, out of order and at once. What counts is the
//!   blob as it is now and the checkpoint; an event only says when to look. ([`forward`])
//! - *A blob only grows before its closing `]}`.* So a byte offset says how far we are, and a
//!   fingerprint of the bytes before it, read again together with the new ones, proves that it still
//!   does. ([`plan`], [`checkpoint`])
//! - *Only JSON structure says where a record ends.* Not blocks, not separators. ([`cut`])
//! - *Send, then checkpoint.* The offset moves when the hub has said *accepted*, and never past a
//!   batch that it has not. ([`forward`])
//! - *The sweep is the guarantee.* Every few minutes it compares what is committed with what is
//!   checkpointed and forwards what is behind, whatever the events did. ([`sweep`])
//! - *One worker per blob.* A row is claimed by compare-and-swap before anything is sent; a claim
//!   that is lost can't move the offset any more. ([`ledger`])
//! - *The same bounds again.* What a run set out to send stands in the row before it sends, so a
//!   repeat has the same messages, whatever the blob has become since. ([`batch`],
//!   [`checkpoint::Checkpoint::in_doubt`])
//!
//! # The flow
//! ```text
//! server → event → flow_log          what the host posts, which blob it means, whether it is ours
//!   forward: turns                   one run per blob in this process
//!     source, plan                   the new bytes, and whether the old ones are still there
//!     ledger, checkpoint             the claim
//!     cut → batch → hub              records → messages → batches, accepted in order
//!     ledger, checkpoint             progress saved, claim given back
//!
//! server → sweep → forward           what events did not bring, hour by hour
//! ```
//! Everything down to `forward` knows neither network nor SDK; [`azure`] holds the real storage, table
//! and hub, and [`app`] puts them together as [`config`] says.

pub mod server;

pub mod event;
pub mod flow_log;

pub mod forward;
pub mod plan;
pub mod source;
pub mod sweep;

pub mod checkpoint;
pub mod clock;
pub mod ledger;

pub mod batch;
pub mod cut;
pub mod hub;
pub mod quarantine;
mod random;
pub mod rope;
pub mod split;

#[cfg(any(test, fuzzing))]
pub mod fuzzing;

pub mod app;
pub mod azure;
pub mod config;
pub mod metrics;
pub mod telemetry;
