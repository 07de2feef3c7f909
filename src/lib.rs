//! flowlog-forwarder
pub mod azure;
pub mod hub;
pub mod rope;
