//! Bytes to and from the hub.

mod amqp_writer;
pub(super) mod encode;
pub(in crate::azure) mod frame_check;
pub(super) mod stream;
