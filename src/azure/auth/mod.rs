//! Credentials: managed identities and their tokens, and account signatures for storage.

mod account_sas;
mod bearer;
pub mod managed_identity;
mod token_cache;

pub(super) use account_sas::AccountSas;
pub(super) use bearer::Bearer;
pub use token_cache::{NoToken, TokenCache};
