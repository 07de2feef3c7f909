//! Where an event hub is: host, port, TLS or not, and the hub's name.

use crate::config::AMQP_TLS_PORT;
use std::fmt;

/// The address of one event hub.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HubAddress {
    /// The namespace's host name, or an IP address.
    pub host: String,
    /// The TCP port.
    pub port: u16,
    /// Whether TLS is spoken from the first byte on. Without it nothing is encrypted: for emulators only.
    pub tls: bool,
    /// The event hub's name.
    pub hub: String,
}

impl HubAddress {
    /// The hub `hub` of the namespace `host`, over TLS on port 5671: what Azure offers.
    #[must_use]
    pub fn in_namespace(host: &str, hub: &str) -> Self {
        Self {
            host: host.trim().trim_end_matches('/').to_ascii_lowercase(),
            port: AMQP_TLS_PORT,
            tls: true,
            hub: hub.trim().to_owned(),
        }
    }

    /// What a token is for: the claim's name in `put-token`, and the resource that a shared access
    /// signature signs. Microsoft's JavaScript client uses this form for both kinds of token; the
    /// service looks at host and path only.
    #[must_use]
    pub fn audience(&self) -> String {
        format!("sb://{}/{}", self.host, self.hub)
    }
}

impl fmt::Display for HubAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.host, self.hub)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_namespace_is_reached_over_tls_whatever_its_spelling() {
        let address = HubAddress::in_namespace(" NS.servicebus.windows.net/ ", "flow");
        assert_eq!(address.host, "ns.servicebus.windows.net");
        assert_eq!((address.port, address.tls), (5671, true));
        assert_eq!(address.audience(), "sb://ns.servicebus.windows.net/flow");
        assert_eq!(address.to_string(), "ns.servicebus.windows.net/flow");
    }
}
