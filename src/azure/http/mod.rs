//! What every HTTP request to Azure needs: timeouts, limits on answers, error texts without secrets.

mod body_limit;
mod client;
mod date;
mod error_text;

pub(super) use body_limit::{BodyLimit, limited_transport};
pub(super) use client::client_builder;
pub(super) use date::unix_millis;
pub use error_text::describe_error;
pub(super) use error_text::{one_line, status, status_within};
