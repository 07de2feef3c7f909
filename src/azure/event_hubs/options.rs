//! Limits and waits of an event hub's producer.

use crate::memory::{MAX_BATCHES_IN_FLIGHT, MAX_IN_FLIGHT};
use std::time::Duration;

/// Limits and waits of an [`EventHub`](super::EventHub). The defaults suit Azure.
#[derive(Clone, Debug)]
pub struct HubOptions {
    /// The most batches in flight.
    pub window_batches: usize,
    /// The most encoded bytes in flight. Each is held twice: by us, to send it again on another link, and by
    /// `fe2o3-amqp`.
    pub window_bytes: usize,
    /// For one attempt to connect, present a token and attach.
    pub connect_timeout: Duration,
    /// When batches are in flight and the hub settles none for this long, the link is closed.
    pub stall_timeout: Duration,
    /// The wait after `server-busy` when the service names none. It usually names 4 or 10 seconds;
    /// Microsoft's Java client asks for at least 4 (documentation of its `ServerBusyException`).
    pub busy_wait: Duration,
    /// The wait after a first failure, before jitter; it doubles with each further failure.
    pub first_back_off: Duration,
    /// The longest wait between attempts. Well below the 30 s that Event Grid waits for an answer.
    pub max_back_off: Duration,
    /// Without a frame from the service for this long the connection counts as lost; the service sends empty
    /// frames to prevent that. (Microsoft's JavaScript client also uses 60 s.)
    pub idle_timeout: Duration,
    /// How long a signature made from a key is valid.
    pub signature_life: Duration,
}

impl Default for HubOptions {
    fn default() -> Self {
        Self {
            window_batches: MAX_BATCHES_IN_FLIGHT,
            window_bytes: MAX_IN_FLIGHT,
            connect_timeout: Duration::from_secs(10),
            stall_timeout: Duration::from_secs(15),
            busy_wait: Duration::from_secs(4),
            first_back_off: Duration::from_millis(100),
            max_back_off: Duration::from_secs(5),
            idle_timeout: Duration::from_mins(1),
            signature_life: Duration::from_hours(1),
        }
    }
}
