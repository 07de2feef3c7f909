//! How far an attempt to open a link has come, for its error.

use super::address::HubAddress;
use super::fault::Fault;
use std::fmt;
use std::sync::{Mutex, PoisonError};

/// The steps of opening a link, in order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Stage {
    /// Look up the host's addresses.
    #[default]
    Resolve,
    /// Connect.
    Tcp,
    /// Negotiate TLS.
    Tls,
    /// Open the AMQP connection.
    Amqp,
    /// Get a token and present it to the service.
    Token,
    /// Attach the link.
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

/// The stage of one attempt.
#[derive(Debug, Default)]
pub(super) struct LinkAttempt(Mutex<Stage>);

impl LinkAttempt {
    pub(super) fn enter(&self, stage: Stage) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = stage;
    }

    fn stage(&self) -> Stage {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `fault` with host, port and stage in its reason.
    pub(super) fn add_context(&self, address: &HubAddress, fault: Fault) -> Fault {
        let stage = self.stage();
        let in_context = |reason: &str| format!("{}:{}, stage {stage}: {reason}", address.host, address.port);
        match fault {
            Fault::Transient(reason) => Fault::Transient(in_context(&reason)),
            Fault::Busy { reason, wait } => Fault::Busy { reason: in_context(&reason), wait },
            Fault::Unauthorized(reason) => Fault::Unauthorized(in_context(&reason)),
            Fault::TooLarge => Fault::TooLarge,
            Fault::Refused { condition, description } => {
                let missing = stage == Stage::Attach && condition == "amqp:not-found";
                let description = if missing {
                    format!("this namespace has no hub {}: {description}", address.hub)
                } else {
                    description
                };
                Fault::Refused { condition, description: in_context(&description) }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_names_host_port_and_stage() {
        let address = HubAddress { host: "ns".into(), port: 5671, tls: true, hub: "flow".into() };
        let attempt = LinkAttempt::default();
        let transient = || Fault::Transient("refused".into());
        assert_eq!(attempt.add_context(&address, transient()).reason(), "ns:5671, stage resolve: refused");
        attempt.enter(Stage::Tls);
        assert_eq!(attempt.add_context(&address, transient()).reason(), "ns:5671, stage TLS: refused");
        let not_found = || Fault::of_condition("amqp:not-found", "said so");
        assert!(!attempt.add_context(&address, not_found()).reason().contains("has no hub"));
        attempt.enter(Stage::Attach);
        assert_eq!(
            attempt.add_context(&address, not_found()).reason(),
            "amqp:not-found: ns:5671, stage attach: this namespace has no hub flow: said so"
        );
    }
}
