//! The Functions host: the HTTP server of the custom handler, its invocations and events, and the log.

mod answer;
mod body;
mod connections;
pub mod event;
mod invocation;
mod server;
pub mod telemetry;

pub use invocation::{Functions, Handled, SweepLine};
pub use server::{EVENT_FUNCTION, SWEEP_FUNCTION, Stopped, serve};
