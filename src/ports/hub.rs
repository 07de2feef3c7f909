//! The event hub: its limits, and batches that it accepts or refuses.

use crate::message::{Batch, Limits, Origin};
use std::future::Future;
use std::time::{Duration, Instant};

/// Sends batches to one event hub.
///
/// Implementations retry transient failures (throttling, a lost connection) until the deadline, and report
/// success only for the hub's *accepted*.
pub trait Hub: Send + Sync + 'static {
    /// The limits for messages of `origin`. Connects to the hub if necessary.
    ///
    /// # Errors
    /// When the hub can't be reached before `deadline`, or refuses the credential.
    fn limits(
        &self,
        origin: &Origin,
        deadline: Instant,
    ) -> impl Future<Output = Result<Limits, HubError>> + Send;

    /// Sends one batch and waits until the hub has accepted it. Concurrent sends are transferred in the order in
    /// which their futures are first polled.
    ///
    /// # Errors
    /// When the hub refused the batch, or did not accept it before `deadline`. After [`HubError::Unsettled`] the
    /// batch may have arrived.
    fn send(&self, batch: Batch, deadline: Instant) -> impl Future<Output = Result<(), HubError>> + Send;
}

/// Why a batch was not accepted.
#[derive(Debug, Clone, thiserror::Error)]
#[expect(missing_docs, reason = "`hub` is the address without secrets, `reason` the last failure or answer")]
pub enum HubError {
    /// The hub could not be reached before the deadline, or the connection was lost.
    #[error("event hub {hub} can't be reached: {reason}")]
    Unreachable { hub: String, reason: String },
    /// The hub throttled the sender until the deadline.
    #[error("event hub {hub} is throttling: {reason}")]
    Busy {
        hub: String,
        reason: String,
        /// How long to wait before the next attempt.
        retry_after: Duration,
    },
    /// The credential does not permit sending.
    #[error("event hub {hub} refuses {reason}")]
    Unauthorized { hub: String, reason: String },
    /// The batch is larger than the link allows.
    #[error("a batch of {size} bytes exceeds the limit of {limit} bytes of event hub {hub}")]
    TooLarge {
        hub: String,
        /// Encoded size, bytes.
        size: usize,
        /// The link's limit, bytes.
        limit: usize,
    },
    /// The hub refused the batch for another reason.
    #[error("event hub {hub} refused the batch: {condition}: {description}")]
    Refused {
        hub: String,
        /// The AMQP error condition.
        condition: String,
        description: String,
    },
    /// No answer before the deadline. The batch may have arrived.
    #[error("event hub {hub} did not acknowledge the batch in time: {reason}")]
    Unsettled { hub: String, reason: String },
}

impl HubError {
    /// For a send that does not end at its deadline.
    pub(crate) fn no_answer() -> Self {
        Self::Unsettled {
            hub: "(unknown)".to_owned(),
            reason: "the send did not end at its deadline".to_owned(),
        }
    }
}
