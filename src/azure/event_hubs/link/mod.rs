//! A sender link to the hub, with the connection and the token that it depends on.
//!
//! When one part ends (link, session, connection, token), all of it is closed and opened again: one way to
//! recover instead of four.

mod attached;
mod config;
mod open;
mod token_renewal;

pub(super) use attached::{Link, LinkEvent, Settlement};
pub(super) use config::LinkConfig;
pub(super) use open::open_link;
