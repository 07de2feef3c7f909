//! The Functions host: the custom handler's HTTP server, invocations, events and log.

mod answer;
mod body;
mod connections;
pub mod event;
mod invocation;
mod server;
pub mod telemetry;

pub use invocation::{Functions, Handled, SweepLine};
pub use server::*;
