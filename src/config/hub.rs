//! The Event Hubs namespace and hub to which messages go.

use super::Identity;
use super::connection_string::{Malformed, Parts};
use super::problem::Wrong;
use super::reader::Reader;
use super::uri::is_private_link;
use secrecy::SecretString;
use url::Url;

/// The port of AMQP over TLS (registered as `amqps`), which every namespace in Azure offers.
pub const AMQP_TLS_PORT: u16 = 5671;
/// The port of plain AMQP, which only the Event Hubs emulator offers.
const AMQP_PLAIN_PORT: u16 = 5672;

/// An event hub, and how to be let in.
#[derive(Clone, Debug)]
pub struct HubSettings {
    /// The namespace's host name.
    pub host: String,
    /// The AMQP port.
    pub port: u16,
    /// Whether to speak TLS; only the emulator does not.
    pub tls: bool,
    /// The event hub's name.
    pub name: String,
    /// How to be let in.
    pub access: HubAccess,
}

/// How to be let in to an event hub.
#[derive(Clone, Debug)]
pub enum HubAccess {
    /// By managed identity.
    Identity(Identity),
    /// By a shared access policy, whose key signs short-lived tokens.
    Key {
        /// The policy's name.
        name: String,
        /// The policy's key, as it stands in the connection string.
        key: SecretString,
    },
    /// By a shared access signature that somebody else signed: `SharedAccessSignature sr=…`.
    Signature(SecretString),
}

/// The hub that `connection` (a connection string) or `connection__fullyQualifiedNamespace` and
/// `hub_name` speak of.
pub(super) fn hub(reader: &mut Reader<'_>, connection: &str, hub_name: &str) -> Option<HubSettings> {
    let named = reader.get(hub_name).map(|name| name_of_hub(&name).map(|()| name));
    let named = named.map(|name| reader.check(hub_name, name));
    if !reader.is_set(hub_name) && !reader.is_set(connection) {
        reader.report(hub_name, missing_name(connection));
    }
    let namespace = format!("{connection}__fullyQualifiedNamespace");
    let parsed = match (reader.is_set(connection), reader.is_set(&namespace)) {
        (true, true) => {
            reader.report(connection, Wrong::TwoForms { other: namespace });
            None
        }
        (true, false) => {
            reader.refuse_identity(connection);
            let value = reader.get(connection);
            value.and_then(|value| reader.check(connection, parse(&value)))
        }
        (false, true) => {
            let identity = reader.identity(connection);
            let value = reader.get(&namespace);
            let address = value.and_then(|value| reader.check(&namespace, parse_namespace(&value)));
            address.map(|(host, port)| Connection {
                host,
                port: port.unwrap_or(AMQP_TLS_PORT),
                tls: true,
                entity: None,
                access: HubAccess::Identity(identity),
            })
        }
        (false, false) => {
            let otherwise = format!("set {namespace} to send by managed identity");
            reader
                .report(connection, Wrong::Missing { what: "the namespace's connection string", otherwise });
            None
        }
    }?;
    let name = match (named, parsed.entity) {
        (Some(named), None) => named?,
        (None, Some(entity)) => entity,
        (Some(named), Some(entity)) => {
            // Event Hubs compares names without regard to case.
            let named = named?;
            if !named.eq_ignore_ascii_case(&entity) {
                reader.report(hub_name, Wrong::TwoHubs { connection: connection.to_owned() });
                return None;
            }
            named
        }
        (None, None) => {
            if !reader.is_set(hub_name) {
                reader.report(hub_name, missing_name(connection));
            }
            return None;
        }
    };
    Some(HubSettings { host: parsed.host, port: parsed.port, tls: parsed.tls, name, access: parsed.access })
}

fn missing_name(connection: &str) -> Wrong {
    let otherwise = format!("set {connection} to a connection string with an EntityPath");
    Wrong::Missing { what: "the event hub's name", otherwise }
}

/// What a connection string, or a namespace's name, says.
struct Connection {
    host: String,
    port: u16,
    tls: bool,
    entity: Option<String>,
    access: HubAccess,
}

/// Reads `Endpoint=sb://host[:port]/;SharedAccessKeyName=…;SharedAccessKey=…[;EntityPath=…]`, or with
/// `SharedAccessSignature=…`; `UseDevelopmentEmulator=true` turns TLS off, as in Microsoft's clients.
fn parse(text: &str) -> Result<Connection, Wrong> {
    let parts = Parts::split(text)?;
    let in_part = |key: &'static str| move |wrong| Wrong::Part { key, wrong: Box::new(wrong) };
    let endpoint = parts.require("Endpoint")?;
    let (host, port) = parse_endpoint(endpoint).map_err(in_part("Endpoint"))?;
    let tls = !parts.says_true("UseDevelopmentEmulator")?;
    let entity = parts.get("EntityPath")?;
    if let Some(name) = entity {
        name_of_hub(name).map_err(in_part("EntityPath"))?;
    }
    let access = match (parts.get("SharedAccessKey")?, parts.get("SharedAccessSignature")?) {
        (Some(_), Some(_)) => {
            return Err(Malformed::Both { one: "SharedAccessKey", other: "SharedAccessSignature" }.into());
        }
        (Some(key), None) => {
            HubAccess::Key { name: parts.require("SharedAccessKeyName")?.to_owned(), key: key.into() }
        }
        (None, Some(signature)) => HubAccess::Signature(signature.into()),
        (None, None) => {
            return Err(Malformed::Without { key: "SharedAccessKey or SharedAccessSignature" }.into());
        }
    };
    let port = port.unwrap_or(if tls { AMQP_TLS_PORT } else { AMQP_PLAIN_PORT });
    Ok(Connection { host, port, tls, entity: entity.map(str::to_owned), access })
}

fn parse_endpoint(endpoint: &str) -> Result<(String, Option<u16>), Wrong> {
    let scheme = endpoint.get(..5).filter(|scheme| scheme.eq_ignore_ascii_case("sb://"));
    let address = scheme.and_then(|scheme| endpoint.get(scheme.len()..)).ok_or(Wrong::NotANamespace)?;
    parse_namespace(address.strip_suffix('/').unwrap_or(address))
}

/// Reads `host` or `host:port`: the host as DNS knows it, in lower case.
fn parse_namespace(value: &str) -> Result<(String, Option<u16>), Wrong> {
    if !value.is_ascii() {
        return Err(Wrong::NotAscii);
    }
    if value.contains(['/', '\\', '@', '?', '#', '%']) || value.contains(char::is_whitespace) {
        return Err(Wrong::NotANamespace);
    }
    if is_private_link(value.split(':').next().unwrap_or(value)) {
        return Err(Wrong::PrivateLink);
    }
    // `Url` would drop port 443 as the default of https; no scheme of its own has a default port.
    let authority = Url::parse(&format!("https://{value}")).map_err(|_| Wrong::NotANamespace)?;
    let port = match value.rsplit_once(':') {
        Some((_, port)) if !port.ends_with(']') => Some(port.parse().map_err(|_| Wrong::NotAPort)?),
        _ => None,
    };
    match (authority.host_str(), port) {
        (_, Some(0)) => Err(Wrong::NotAPort),
        (Some(host), port) => Ok((host.to_owned(), port)),
        (None, _) => Err(Wrong::NotANamespace),
    }
}

/// Checks an event hub's name by Azure's naming rules: up to 256 letters, digits, periods, hyphens and
/// underscores, with a letter or digit at both ends. It becomes part of an AMQP address.
fn name_of_hub(name: &str) -> Result<(), Wrong> {
    let ends = [name.chars().next(), name.chars().last()];
    let is_name = name.len() <= 256
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b".-_".contains(&b))
        && ends.iter().all(|end| end.is_some_and(|c| c.is_ascii_alphanumeric()));
    if is_name { Ok(()) } else { Err(Wrong::NotAHubName) }
}
