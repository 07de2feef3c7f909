//! The event hub: its limits, and batches that it accepts or refuses.

use crate::message::{Batch, Limits, Origin};
use std::future::Future;
use std::time::{Duration, Instant};

/// The most batches in flight: enough to cover a round trip of 50 ms at 300 MB/s.
pub const MAX_BATCHES_IN_FLIGHT: usize = 16;
/// The most bytes in flight.
pub const MAX_BYTES_IN_FLIGHT: usize = 8 << 20;

/// Sends batches to one event hub.
///
/// Implementations retry transient failures (throttling, a lost connection) until the deadline, and report
/// success only for the hub's *accepted*.
pub trait Hub: Send + Sync + 'static {
    /// The limits in force for messages of `origin`; attaches to the hub when not attached yet.
    ///
    /// # Errors
    /// When the hub can't be reached before `deadline`, or refuses us.
    fn limits(
        &self,
        origin: &Origin,
        deadline: Instant,
    ) -> impl Future<Output = Result<Limits, HubError>> + Send;

    /// Sends one batch and waits until the hub has accepted it. Many sends may be in flight at once; batches
    /// are transferred in the order in which the futures are first polled.
    ///
    /// # Errors
    /// When the hub refused the batch, or did not accept it before `deadline`. After
    /// [`HubError::Unsettled`] the hub may hold the batch.
    fn send(&self, batch: Batch, deadline: Instant) -> impl Future<Output = Result<(), HubError>> + Send;
}

/// Why a batch was not accepted.
#[derive(Debug, Clone, thiserror::Error)]
pub enum HubError {
    /// The hub could not be reached before the deadline.
    #[error("event hub {hub} can't be reached: {reason}")]
    Unreachable {
        /// The hub's address, without secrets.
        hub: String,
        /// The last failure.
        reason: String,
    },
    /// The hub throttled until the deadline.
    #[error("event hub {hub} is throttling: {reason}")]
    Busy {
        /// The hub's address.
        hub: String,
        /// The service's text.
        reason: String,
        /// How long to wait before the next attempt.
        retry_after: Duration,
    },
    /// The hub refused our credential.
    #[error("event hub {hub} refuses {reason}")]
    Unauthorized {
        /// The hub's address.
        hub: String,
        /// The credential, the service's text, and what to check.
        reason: String,
    },
    /// The batch is larger than the link allows.
    #[error("a batch of {size} bytes exceeds the limit of event hub {hub}: {limit} bytes")]
    TooLarge {
        /// The hub's address.
        hub: String,
        /// Encoded size, bytes.
        size: usize,
        /// The link's limit, bytes.
        limit: usize,
    },
    /// The hub refused the batch for another reason.
    #[error("event hub {hub} refused the batch: {condition}: {description}")]
    Refused {
        /// The hub's address.
        hub: String,
        /// The AMQP error condition.
        condition: String,
        /// The service's text.
        description: String,
    },
    /// No answer before the deadline: the hub may hold the batch.
    #[error("event hub {hub} did not settle the batch in time: {reason}")]
    Unsettled {
        /// The hub's address.
        hub: String,
        /// The last failure, or what was missing at the deadline.
        reason: String,
    },
}

impl HubError {
    /// For a send whose future did not finish at its deadline.
    pub(crate) fn overdue() -> Self {
        Self::Unsettled {
            hub: "(unknown)".to_owned(),
            reason: "the send did not finish at its deadline".to_owned(),
        }
    }
}
