//! Tokens for an event hub, and the protocol that presents them.

mod access;
mod cbs;
mod sas;

pub(super) use access::CbsToken;
pub use access::{HUB_SCOPE, HubCredential};
pub(super) use cbs::Cbs;
