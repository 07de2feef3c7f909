//! flowlog-forwarder
pub mod app;
pub mod azure;
pub mod batch;
pub mod checkpoint;
pub mod config;
pub mod cut;
pub mod event;
pub mod flow_log;
pub mod forward;
pub mod hub;
pub mod ledger;
pub mod plan;
pub mod rope;
pub mod server;
pub mod source;
pub mod telemetry;
