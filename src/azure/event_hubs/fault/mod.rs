//! What can go wrong with a batch or a link, and what is to be done about it.
//!
//! Which conditions pass by themselves is what Microsoft's Rust client retries
//! (`azure_messaging_eventhubs`, `common/recoverable` and `common/retry`), and what AMQP 1.0 part 2 says of
//! connections, sessions and links that are ended from the other side.

use crate::azure::failure::words;
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

/// The longest wait that is taken from a throttling answer. The service's are of seconds; a peer that names
/// years must not stop the process for good.
const LONGEST_WAIT: Duration = Duration::from_mins(10);

/// A failure, by what it calls for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// Passes: try again soon, on a new connection where the old one is gone.
    Passing(String),
    /// The service wants us to wait, and perhaps says how long.
    Busy { reason: String, wait: Option<Duration> },
    /// The token, or what it stands for, is not good enough.
    Unauthorized(String),
    /// Larger than the service takes.
    TooLarge,
    /// Will not get better by trying again.
    Refused { condition: String, description: String },
}

impl Fault {
    /// What a panic of the AMQP library is to us: its connection is of no more use, the next one is.
    pub(super) fn panicked() -> Self {
        Self::Passing("the AMQP library panicked (its message is on standard error)".to_owned())
    }

    /// What the service's `condition` calls for.
    pub(super) fn of_condition(condition: &str, description: &str) -> Self {
        let wait = stated_wait(description);
        let description = words(description);
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
            | "com.microsoft:entity-disabled" => Self::Passing(reason()),
            _ => Self::Refused { condition: words(condition), description },
        }
    }

    /// What becomes of a batch that was settled so. Only *accepted* is success: *released* and *modified*
    /// mean that the hub does not hold it.
    pub(super) fn of_outcome(outcome: Outcome) -> Result<(), Self> {
        match outcome {
            Outcome::Accepted(_) => Ok(()),
            Outcome::Rejected(rejected) => Err(rejected.error.map_or_else(
                || Self::Refused {
                    condition: "rejected".to_owned(),
                    description: "without a reason".to_owned(),
                },
                |error| Self::from(&error),
            )),
            Outcome::Released(_) => Err(Self::Passing("the batch was released".to_owned())),
            Outcome::Modified(_) => Err(Self::Passing("the batch was released as modified".to_owned())),
        }
    }

    /// Whether `error` says that the batch alone has failed, and the link is as good as before.
    pub(super) fn spares_the_link(error: &SendError) -> bool {
        error.recovery().link_is_usable()
    }

    /// The error that callers get.
    pub(super) fn error(&self, hub: &str, size: usize, limit: usize, retry_after: Duration) -> HubError {
        let hub = hub.to_owned();
        match self.clone() {
            Self::Passing(reason) => HubError::Unreachable { hub, reason },
            Self::Busy { reason, .. } => HubError::Busy { hub, reason, retry_after },
            Self::Unauthorized(reason) => HubError::Unauthorized { hub, reason },
            Self::TooLarge => HubError::TooLarge { hub, size, limit },
            Self::Refused { condition, description } => HubError::Refused { hub, condition, description },
        }
    }

    /// The same in a few words, for logs.
    pub(super) fn reason(&self) -> String {
        match self {
            Self::Passing(reason) | Self::Busy { reason, .. } | Self::Unauthorized(reason) => reason.clone(),
            Self::TooLarge => "amqp:link:message-size-exceeded".to_owned(),
            Self::Refused { condition, description } => format!("{condition}: {description}"),
        }
    }
}

/// The wait that a throttling answer names: "… Error code : 50002. Please wait 4 seconds and try again. …".
/// (The service's text as quoted in Azure/azure-webjobs-sdk issue 1434 and azure-event-hubs-spark issue 576.)
fn stated_wait(description: &str) -> Option<Duration> {
    let (_, after) = description.split_once("wait ")?;
    let (number, unit) = after.split_once(' ')?;
    let seconds: u32 = number.parse().ok()?;
    unit.starts_with("second").then(|| Duration::from_secs(seconds.into()).min(LONGEST_WAIT))
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
                Self::Passing("the service closed the connection".to_owned())
            }
            ConnectionStopReason::Closed => Self::Passing("the connection was lost".to_owned()),
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
                Self::Passing("the session ended".to_owned())
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
            other => Self::Passing(other.to_string()),
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
            other => Self::Passing(other.to_string()),
        }
    }
}

impl From<&SendError> for Fault {
    fn from(error: &SendError) -> Self {
        match error {
            SendError::LinkStateError(error) => error.into(),
            SendError::Detached(error) => error.into(),
            SendError::MessageSizeExceeded(_) => Self::TooLarge,
            other => Self::Passing(other.to_string()),
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
            other => Self::Passing(format!("the connection was not opened: {other}")),
        }
    }
}

impl From<connection::Error> for Fault {
    fn from(error: connection::Error) -> Self {
        match error {
            connection::Error::RemoteClosedWithError(error) => Self::from(&error),
            other => Self::Passing(format!("the connection ended: {other}")),
        }
    }
}

impl From<BeginError> for Fault {
    fn from(error: BeginError) -> Self {
        match error {
            BeginError::RemoteEndedWithError(error) => Self::from(&error),
            BeginError::ConnectionStopped(reason) => Self::from(&reason),
            other => Self::Passing(format!("no session was begun: {other}")),
        }
    }
}

impl From<session::Error> for Fault {
    fn from(error: session::Error) -> Self {
        match error {
            session::Error::RemoteEndedWithError(error) => Self::from(&error),
            session::Error::ConnectionStopped(reason) => Self::from(&reason),
            other => Self::Passing(format!("the session ended: {other}")),
        }
    }
}

impl From<SenderAttachError> for Fault {
    fn from(error: SenderAttachError) -> Self {
        match error {
            SenderAttachError::RemoteClosedWithError(error) => Self::from(&error),
            SenderAttachError::SessionStopped(reason) => Self::from(&reason),
            other => Self::Passing(format!("the link was not attached: {other}")),
        }
    }
}

impl From<ReceiverAttachError> for Fault {
    fn from(error: ReceiverAttachError) -> Self {
        match error {
            ReceiverAttachError::RemoteClosedWithError(error) => Self::from(&error),
            ReceiverAttachError::SessionStopped(reason) => Self::from(&reason),
            other => Self::Passing(format!("the link was not attached: {other}")),
        }
    }
}

impl From<RecvError> for Fault {
    fn from(error: RecvError) -> Self {
        match error {
            RecvError::LinkStateError(error) => Self::from(&error),
            other => Self::Passing(format!("no answer from $cbs: {other}")),
        }
    }
}

#[cfg(test)]
mod tests;
