//! The event hub to which messages go.

use super::access::HubAccess;
use super::error::Reason;
use super::hub_connection::HubConnection;
use super::identity::{identity, refuse_identity};
use super::reader::SettingsReader;
use super::settings::{EVENT_HUB, EVENT_HUB_NAME, NAMESPACE};

/// An event hub's address and the credentials for it.
#[derive(Clone, Debug)]
pub struct HubSettings {
    /// The namespace's host name.
    pub host: String,
    /// The AMQP port.
    pub port: u16,
    /// Whether to use TLS; only the emulator does not.
    pub tls: bool,
    /// The event hub's name.
    pub name: String,
    /// The credentials.
    pub access: HubAccess,
}

/// The hub of `EVENT_HUB_CONNECTION` or its `__fullyQualifiedNamespace`, and of `EVENT_HUB_NAME`.
pub(super) fn hub(reader: &mut SettingsReader<'_>) -> Option<HubSettings> {
    let name = reader.read(&EVENT_HUB_NAME);
    if !reader.is_set(EVENT_HUB.name) {
        require_name(reader);
    }
    let connection = connection(reader)?;
    let port = connection.port();
    let name = match (name, connection.hub_name) {
        // Event Hubs ignores case in names.
        (Some(name), Some(path)) if !name.eq_ignore_ascii_case(&path) => {
            reader.report(EVENT_HUB_NAME.name, Reason::TwoHubs { connection: EVENT_HUB.name.to_owned() });
            return None;
        }
        (Some(name), _) | (None, Some(name)) => name,
        (None, None) => {
            require_name(reader);
            return None;
        }
    };
    Some(HubSettings {
        host: connection.namespace.host,
        port,
        tls: connection.tls,
        name,
        access: connection.access,
    })
}

fn require_name(reader: &mut SettingsReader<'_>) {
    if !reader.is_set(EVENT_HUB_NAME.name) {
        let alternative = format!("set {} to a connection string with an EntityPath", EVENT_HUB.name);
        reader.report_missing(&EVENT_HUB_NAME, alternative);
    }
}

fn connection(reader: &mut SettingsReader<'_>) -> Option<HubConnection> {
    let namespace = NAMESPACE.of(EVENT_HUB.name);
    match (reader.is_set(EVENT_HUB.name), reader.is_set(&namespace)) {
        (true, true) => reader.report(EVENT_HUB.name, Reason::TwoForms { other: namespace }),
        (true, false) => {
            refuse_identity(reader, EVENT_HUB.name);
            return reader.read(&EVENT_HUB);
        }
        (false, true) => {
            let identity = identity(reader, EVENT_HUB.name);
            let namespace = reader.read_part(EVENT_HUB.name, &NAMESPACE)?;
            return Some(HubConnection::with_identity(namespace, identity));
        }
        (false, false) => {
            reader.report_missing(&EVENT_HUB, format!("set {namespace} to use a managed identity"));
        }
    }
    None
}
