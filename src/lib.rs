//! flowlog-forwarder
pub mod config;
pub mod event;
pub mod flow_log;
pub mod hub;
pub mod rope;
pub mod server;
pub mod telemetry;
