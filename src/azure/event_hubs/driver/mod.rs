//! The task that owns the link to the hub.

mod backlog;
mod health;
mod queue;
mod request;
mod retry_gate;
mod task;
mod window;

pub(super) use backlog::KnownLimit;
pub(super) use request::{SendRequest, request};
pub(super) use task::{Command, Driver};
