//! flowlog-forwarder
pub mod cut;
pub mod hub;
pub mod rope;
