//! The edge: everything that talks to Azure, and the only place that names Microsoft's crates.

mod answer;
mod asked;
mod bearer;
pub mod blob;
mod blocks;
pub mod credential;
mod entity;
pub mod event_hubs;
pub mod failure;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod listing;
mod own_container;
pub mod quarantine;
mod query;
pub mod sas;
pub mod storage;
pub mod table;
pub mod token;
pub mod watermark_copy;
