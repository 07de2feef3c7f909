//! Bytes to and from the hub.

mod amqp_writer;
pub(super) mod encode;
pub(crate) mod frame_check;
pub(super) mod stream;
