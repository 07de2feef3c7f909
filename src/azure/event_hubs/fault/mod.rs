//! Failures of a batch or a link, by how they are handled.
//!
//! Transient are the conditions that Microsoft's Rust client retries (`azure_messaging_eventhubs`,
//! `common/recoverable` and `common/retry`), and those that AMQP 1.0 part 2 defines for connections, sessions and
//! links that the peer ends.

use crate::azure::http::one_line;
use crate::ports::hub::HubError;
use fe2o3_amqp::connection::{self, ConnectionStopReason, OpenError};
use fe2o3_amqp::link::{
    DetachError, LinkStateError, ReceiverAttachError, RecvError, SendError, SenderAttachError,
    SessionStopReason,
};
use fe2o3_amqp::session::{self, BeginError};
use fe2o3_amqp::types::definitions::{self, ErrorCondition};
use fe2o3_amqp::types::messaging::Outcome;
use fe2o3_amqp::types::primitives::Symbol;
use std::time::Duration;

/// The longest wait accepted from a throttling answer. The service names seconds; a peer that names years must
/// not stop the process.
const MAX_BUSY_WAIT: Duration = Duration::from_mins(10);

/// A failure, by how it is handled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Retry soon, on a new connection if the old one is lost.
    Transient(String),
    /// The service throttles, and may say how long to wait.
    Busy { reason: String, wait: Option<Duration> },
    /// The service refused the token or its permissions.
    Unauthorized(String),
    /// The batch is larger than the service accepts.
    TooLarge,
    /// A retry will not help.
    Refused { condition: String, description: String },
}

impl Fault {
    /// A panic of the AMQP library: only its connection is lost.
    pub(super) fn panicked() -> Self {
        Self::Transient("the AMQP library panicked (its message is on standard error)".to_owned())
    }

    /// The fault for an error condition of the service.
    pub(super) fn of_condition(condition: &str, description: &str) -> Self {
        let wait = stated_wait(description);
        let description = one_line(description);
        let reason = || format!("{condition}: {description}");
        match condition {
            "com.microsoft:server-busy" => Self::Busy { reason: reason(), wait },
            "amqp:unauthorized-access" | "com.microsoft:auth-failed" => Self::Unauthorized(reason()),
            "amqp:link:message-size-exceeded" => Self::TooLarge,
            "amqp:internal-error"
            | "amqp:resource-limit-exceeded"
            | "amqp:illegal-state"
            | "amqp:connection:forced"
            | "amqp:connection:framing-error"
            | "amqp:session:window-violation"
            | "amqp:session:errant-link"
            | "amqp:session:handle-in-use"
            | "amqp:session:unattached-handle"
            | "amqp:link:detach-forced"
            | "amqp:link:transfer-limit-exceeded"
            | "amqp:link:stolen"
            | "com.microsoft:timeout"
            | "com.microsoft:operation-cancelled"
            | "com.microsoft:entity-updated"
            | "com.microsoft:entity-disabled" => Self::Transient(reason()),
            _ => Self::Refused { condition: one_line(condition), description },
        }
    }

    /// Whether a settled batch was accepted. *Released* and *modified* mean that the hub does not hold it.
    pub(super) fn of_outcome(outcome: Outcome) -> Result<(), Self> {
        match outcome {
            Outcome::Accepted(_) => Ok(()),
            Outcome::Rejected(rejected) => Err(rejected.error.map_or_else(
                || Self::Refused {
                    condition: "rejected".to_owned(),
                    description: "no reason given".to_owned(),
                },
                |error| Self::from(&error),
            )),
            Outcome::Released(_) => Err(Self::Transient("the hub released the batch".to_owned())),
            Outcome::Modified(_) => Err(Self::Transient("the hub released the batch as modified".to_owned())),
        }
    }

    /// Whether only the batch failed, and the link is still usable.
    pub(super) fn leaves_link_usable(error: &SendError) -> bool {
        error.recovery().link_is_usable()
    }

    /// The error for callers.
    pub(super) fn error(&self, hub: &str, size: usize, limit: usize, retry_after: Duration) -> HubError {
        let hub = hub.to_owned();
        match self.clone() {
            Self::Transient(reason) => HubError::Unreachable { hub, reason },
            Self::Busy { reason, .. } => HubError::Busy { hub, reason, retry_after },
            Self::Unauthorized(reason) => HubError::Unauthorized { hub, reason },
            Self::TooLarge => HubError::TooLarge { hub, size, limit },
            Self::Refused { condition, description } => HubError::Refused { hub, condition, description },
        }
    }

    /// The reason alone, for logs.
    pub(super) fn reason(&self) -> String {
        match self {
            Self::Transient(reason) | Self::Busy { reason, .. } | Self::Unauthorized(reason) => {
                reason.clone()
            }
            Self::TooLarge => "amqp:link:message-size-exceeded".to_owned(),
            Self::Refused { condition, description } => format!("{condition}: {description}"),
        }
    }
}

/// The wait in a throttling answer: "… Error code : 50002. Please wait 4 seconds and try again. …".
/// (The service's text as quoted in Azure/azure-webjobs-sdk issue 1434 and azure-event-hubs-spark issue 576.)
fn stated_wait(description: &str) -> Option<Duration> {
    let (_, after) = description.split_once("wait ")?;
    let (number, unit) = after.split_once(' ')?;
    let seconds: u32 = number.parse().ok()?;
    unit.starts_with("second").then(|| Duration::from_secs(seconds.into()).min(MAX_BUSY_WAIT))
}

fn condition(condition: &ErrorCondition) -> Symbol {
    match condition {
        ErrorCondition::AmqpError(error) => Symbol::from(error),
        ErrorCondition::ConnectionError(error) => Symbol::from(error),
        ErrorCondition::SessionError(error) => Symbol::from(error),
        ErrorCondition::LinkError(error) => Symbol::from(error),
        ErrorCondition::Custom(symbol) => symbol.clone(),
    }
}

impl From<&definitions::Error> for Fault {
    fn from(error: &definitions::Error) -> Self {
        let description = error.description.as_deref().unwrap_or_default();
        Self::of_condition(condition(&error.condition).as_str(), description)
    }
}

impl From<&ConnectionStopReason> for Fault {
    fn from(reason: &ConnectionStopReason) -> Self {
        match reason {
            ConnectionStopReason::RemoteClosedWithError(error)
            | ConnectionStopReason::ClosedWithError(error) => error.into(),
            ConnectionStopReason::RemoteClosed => {
                Self::Transient("the service closed the connection".to_owned())
            }
            ConnectionStopReason::Closed => Self::Transient("the connection was lost".to_owned()),
        }
    }
}

impl From<&SessionStopReason> for Fault {
    fn from(reason: &SessionStopReason) -> Self {
        match reason {
            SessionStopReason::RemoteEndedWithError(error) | SessionStopReason::EndedWithError(error) => {
                error.into()
            }
            SessionStopReason::RemoteEnded | SessionStopReason::Ended => {
                Self::Transient("the session ended".to_owned())
            }
            SessionStopReason::ConnectionStopped(reason) => reason.into(),
        }
    }
}

impl From<&LinkStateError> for Fault {
    fn from(error: &LinkStateError) -> Self {
        match error {
            LinkStateError::SessionStopped(reason) => reason.into(),
            LinkStateError::RemoteDetachedWithError(error) | LinkStateError::RemoteClosedWithError(error) => {
                error.into()
            }
            other => Self::Transient(other.to_string()),
        }
    }
}

impl From<&DetachError> for Fault {
    fn from(error: &DetachError) -> Self {
        match error {
            DetachError::SessionStopped(reason) => reason.into(),
            DetachError::RemoteDetachedWithError(error) | DetachError::RemoteClosedWithError(error) => {
                error.into()
            }
            other => Self::Transient(other.to_string()),
        }
    }
}

impl From<&SendError> for Fault {
    fn from(error: &SendError) -> Self {
        match error {
            SendError::LinkStateError(error) => error.into(),
            SendError::Detached(error) => error.into(),
            SendError::MessageSizeExceeded(_) => Self::TooLarge,
            other => Self::Transient(other.to_string()),
        }
    }
}

impl From<OpenError> for Fault {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::RemoteClosedWithError(error) => Self::from(&error),
            OpenError::SaslError { code, .. } => {
                Self::Unauthorized(format!("SASL ANONYMOUS failed: {code:?}"))
            }
            other => Self::Transient(format!("the connection was not opened: {other}")),
        }
    }
}

impl From<connection::Error> for Fault {
    fn from(error: connection::Error) -> Self {
        match error {
            connection::Error::RemoteClosedWithError(error) => Self::from(&error),
            other => Self::Transient(format!("the connection ended: {other}")),
        }
    }
}

impl From<BeginError> for Fault {
    fn from(error: BeginError) -> Self {
        match error {
            BeginError::RemoteEndedWithError(error) => Self::from(&error),
            BeginError::ConnectionStopped(reason) => Self::from(&reason),
            other => Self::Transient(format!("no session was begun: {other}")),
        }
    }
}

impl From<session::Error> for Fault {
    fn from(error: session::Error) -> Self {
        match error {
            session::Error::RemoteEndedWithError(error) => Self::from(&error),
            session::Error::ConnectionStopped(reason) => Self::from(&reason),
            other => Self::Transient(format!("the session ended: {other}")),
        }
    }
}

impl From<SenderAttachError> for Fault {
    fn from(error: SenderAttachError) -> Self {
        match error {
            SenderAttachError::RemoteClosedWithError(error) => Self::from(&error),
            SenderAttachError::SessionStopped(reason) => Self::from(&reason),
            other => Self::Transient(format!("the link was not attached: {other}")),
        }
    }
}

impl From<ReceiverAttachError> for Fault {
    fn from(error: ReceiverAttachError) -> Self {
        match error {
            ReceiverAttachError::RemoteClosedWithError(error) => Self::from(&error),
            ReceiverAttachError::SessionStopped(reason) => Self::from(&reason),
            other => Self::Transient(format!("the link was not attached: {other}")),
        }
    }
}

impl From<RecvError> for Fault {
    fn from(error: RecvError) -> Self {
        match error {
            RecvError::LinkStateError(error) => Self::from(&error),
            other => Self::Transient(format!("no answer from $cbs: {other}")),
        }
    }
}

#[cfg(test)]
mod tests;
