//! flowlog-forwarder
pub mod hub;
pub mod rope;
