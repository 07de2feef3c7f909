//! The address of an event hub.

use crate::config::HubSettings;
use std::fmt;

/// Host, port and name of one event hub.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HubAddress {
    /// The namespace's host name, or an IP address.
    pub host: String,
    /// The TCP port.
    pub port: u16,
    /// Whether the connection uses TLS from the first byte. Without it nothing is encrypted: for emulators only.
    pub tls: bool,
    /// The event hub's name.
    pub hub: String,
}

impl HubAddress {
    /// The address in the settings.
    #[must_use]
    pub fn of(settings: &HubSettings) -> Self {
        let HubSettings { host, port, tls, name, .. } = settings;
        Self { host: host.clone(), port: *port, tls: *tls, hub: name.clone() }
    }

    /// The audience of tokens: the `name` in `put-token`, and the resource that a shared access signature signs.
    /// Microsoft's JavaScript client uses this form for both kinds of token; the service checks host and path
    /// only.
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
