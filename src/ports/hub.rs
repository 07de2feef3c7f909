//! The event hub: its limits, and batches that it accepts or refuses.

use crate::message::{Batch, Limits, Origin};
use std::future::Future;
use std::time::{Duration, Instant};

/// Sends batches to one Event Hub.
///
/// Implementations retry what passes (throttling, a lost connection) until the deadline, and never
/// report success for anything but the hub's *accepted*.
pub trait Hub: Send + Sync + 'static {
    /// The limits in force for messages of `origin`; attaches to the hub when not attached yet.
    ///
    /// # Errors
    /// When the hub can't be reached, or refuses us, before `deadline`.
    fn limits(
        &self,
        origin: &Origin,
        deadline: Instant,
    ) -> impl Future<Output = Result<Limits, HubError>> + Send;

    /// Sends one batch; ready when the hub has accepted it. Many sends may be under way at once:
    /// they are transferred in the order in which the futures are first polled.
    ///
    /// # Errors
    /// When the hub refused the batch, or did not accept it before `deadline`. The batch may
    /// nevertheless have arrived when the error is [`HubError::Unsettled`].
    fn send(&self, batch: Batch, deadline: Instant) -> impl Future<Output = Result<(), HubError>> + Send;
}

/// Why a batch was not accepted.
#[derive(Debug, Clone, thiserror::Error)]
pub enum HubError {
    /// The namespace could not be reached, or the connection was lost, until the deadline.
    #[error("event hub {hub} can't be reached: {reason}")]
    Unreachable {
        /// The hub's address, without secrets.
        hub: String,
        /// The last failure.
        reason: String,
    },
    /// The hub asked us to slow down until the deadline.
    #[error("event hub {hub} is throttling: {reason}")]
    Busy {
        /// The hub's address.
        hub: String,
        /// What the service said.
        reason: String,
        /// How long the service wants us to wait before the next attempt.
        retry_after: Duration,
    },
    /// Our identity or key is not allowed to send there.
    #[error("event hub {hub} refuses {reason}")]
    Unauthorized {
        /// The hub's address.
        hub: String,
        /// The credential, what the service said, and what to check.
        reason: String,
    },
    /// The batch is larger than the link allows.
    #[error("a batch of {size} bytes exceeds the {limit} bytes that event hub {hub} takes")]
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
        /// What the service said.
        description: String,
    },
    /// No answer before the deadline: the batch may or may not have arrived.
    #[error("event hub {hub} did not settle the batch in time: {reason}")]
    Unsettled {
        /// The hub's address.
        hub: String,
        /// What was known at the deadline.
        reason: String,
    },
}

impl HubError {
    /// A send that did not end at its deadline.
    pub(crate) fn silent() -> Self {
        Self::Unsettled {
            hub: "(unknown)".to_owned(),
            reason: "the send did not end at its deadline".to_owned(),
        }
    }
}
