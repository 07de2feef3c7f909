//! How far an attempt to get a link has come, for the error when it fails.

use super::address::HubAddress;
use super::fault::Fault;
use std::fmt;
use std::sync::{Mutex, PoisonError};

/// What is done for a link, in order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Stage {
    /// The host's addresses are looked up.
    #[default]
    Resolve,
    /// A TCP connection is made.
    Tcp,
    /// TLS is negotiated.
    Tls,
    /// The AMQP connection is opened.
    Amqp,
    /// A token is had, and shown to the service.
    Token,
    /// The link is attached.
    Attach,
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Resolve => "resolve",
            Self::Tcp => "TCP",
            Self::Tls => "TLS",
            Self::Amqp => "AMQP",
            Self::Token => "token",
            Self::Attach => "attach",
        })
    }
}

/// One attempt.
#[derive(Debug, Default)]
pub(super) struct Attempt(Mutex<Stage>);

impl Attempt {
    /// From here on it is at `stage`.
    pub(super) fn reach(&self, stage: Stage) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = stage;
    }

    fn stage(&self) -> Stage {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `fault` with the words that say where it happened.
    pub(super) fn located(&self, address: &HubAddress, fault: Fault) -> Fault {
        let stage = self.stage();
        let located = |reason: &str| format!("{}:{}, stage {stage}: {reason}", address.host, address.port);
        match fault {
            Fault::Passing(reason) => Fault::Passing(located(&reason)),
            Fault::Busy { reason, wait } => Fault::Busy { reason: located(&reason), wait },
            Fault::Unauthorized(reason) => Fault::Unauthorized(located(&reason)),
            Fault::TooLarge => Fault::TooLarge,
            Fault::Refused { condition, description } => {
                let missing = stage == Stage::Attach && condition == "amqp:not-found";
                let description = if missing {
                    format!("this namespace has no hub {}: {description}", address.hub)
                } else {
                    description
                };
                Fault::Refused { condition, description: located(&description) }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_says_at_which_host_port_and_stage_it_happened() {
        let address = HubAddress { host: "ns".into(), port: 5671, tls: true, hub: "flow".into() };
        let attempt = Attempt::default();
        let passing = || Fault::Passing("refused".into());
        assert_eq!(attempt.located(&address, passing()).reason(), "ns:5671, stage resolve: refused");
        attempt.reach(Stage::Tls);
        assert_eq!(attempt.located(&address, passing()).reason(), "ns:5671, stage TLS: refused");
        let not_found = || Fault::of_condition("amqp:not-found", "said so");
        assert!(!attempt.located(&address, not_found()).reason().contains("has no hub"));
        attempt.reach(Stage::Attach);
        assert_eq!(
            attempt.located(&address, not_found()).reason(),
            "amqp:not-found: ns:5671, stage attach: this namespace has no hub flow: said so"
        );
    }
}
