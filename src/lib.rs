//! flowlog-forwarder
pub mod batch;
pub mod cut;
pub mod hub;
pub mod rope;
pub mod split;
