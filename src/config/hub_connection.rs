//! Connection strings, namespaces and names of event hubs.

use super::access::{HubAccess, Identity};
use super::connection_string::{Malformed, Parts};
use super::error::Reason;
use super::service_uri::is_private_link;
use url::Url;

/// The port of AMQP over TLS (registered as `amqps`), which every namespace in Azure offers.
pub const AMQP_TLS_PORT: u16 = 5671;
/// The port of plain AMQP, which only the Event Hubs emulator offers.
const AMQP_PLAIN_PORT: u16 = 5672;

/// What [`hub_name`] accepts.
pub(super) const HUB_NAME: &str = "an event hub's name, as the Azure portal shows it";

/// The name, if it is valid by Azure's naming rules: up to 256 letters, digits, periods, hyphens and underscores, with a
/// letter or digit at both ends. It becomes part of an AMQP address.
pub(super) fn hub_name(name: &str) -> Option<String> {
    let ends = [name.chars().next(), name.chars().last()];
    let is_name = name.len() <= 256
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b".-_".contains(&b))
        && ends.iter().all(|end| end.is_some_and(|c| c.is_ascii_alphanumeric()));
    is_name.then(|| name.to_owned())
}

/// What connects to a namespace or hub.
#[derive(Clone)]
pub(super) struct HubConnection {
    pub(super) namespace: Namespace,
    pub(super) tls: bool,
    /// The `EntityPath` of a connection string.
    pub(super) hub_name: Option<String>,
    pub(super) access: HubAccess,
}

impl HubConnection {
    /// Parses `Endpoint=sb://host[:port]/;SharedAccessKeyName=…;SharedAccessKey=…[;EntityPath=…]`, or with
    /// `SharedAccessSignature=…`; `UseDevelopmentEmulator=true` turns TLS off, as in Microsoft's SDKs.
    pub(super) fn parse(text: &str) -> Result<Self, Reason> {
        let parts = Parts::split(text)?;
        let namespace =
            Namespace::parse_endpoint(parts.require("Endpoint")?).map_err(Reason::in_part("Endpoint"))?;
        let tls = !parts.is_true("UseDevelopmentEmulator")?;
        let hub_name = parts.get("EntityPath")?.map(|name| {
            hub_name(name).ok_or_else(|| {
                Reason::in_part("EntityPath")(Reason::NotAllowed { allowed: HUB_NAME.to_owned() })
            })
        });
        let hub_name = hub_name.transpose()?;
        let access = match (parts.get("SharedAccessKey")?, parts.get("SharedAccessSignature")?) {
            (Some(_), Some(_)) => {
                return Err(Malformed::Both { one: "SharedAccessKey", other: "SharedAccessSignature" }.into());
            }
            (Some(key), None) => {
                HubAccess::Key { name: parts.require("SharedAccessKeyName")?.to_owned(), key: key.into() }
            }
            (None, Some(signature)) => HubAccess::Signature(signature.into()),
            (None, None) => {
                return Err(Malformed::Missing { key: "SharedAccessKey or SharedAccessSignature" }.into());
            }
        };
        Ok(Self { namespace, tls, hub_name, access })
    }

    /// A connection by managed identity.
    pub(super) fn with_identity(namespace: Namespace, identity: Identity) -> Self {
        Self { namespace, tls: true, hub_name: None, access: HubAccess::Identity(identity) }
    }

    pub(super) fn port(&self) -> u16 {
        self.namespace.port.unwrap_or(if self.tls { AMQP_TLS_PORT } else { AMQP_PLAIN_PORT })
    }
}

/// The address of a namespace.
#[derive(Clone)]
pub(super) struct Namespace {
    /// The host name in lower case.
    pub(super) host: String,
    pub(super) port: Option<u16>,
}

impl Namespace {
    fn parse_endpoint(endpoint: &str) -> Result<Self, Reason> {
        let scheme = endpoint.get(..5).filter(|scheme| scheme.eq_ignore_ascii_case("sb://"));
        let address = scheme.and_then(|scheme| endpoint.get(scheme.len()..)).ok_or(Reason::NotANamespace)?;
        Self::parse(address.strip_suffix('/').unwrap_or(address))
    }

    /// Parses `host` or `host:port`.
    pub(super) fn parse(value: &str) -> Result<Self, Reason> {
        if !value.is_ascii() {
            return Err(Reason::NotAscii);
        }
        if value.contains(['/', '\\', '@', '?', '#', '%']) || value.contains(char::is_whitespace) {
            return Err(Reason::NotANamespace);
        }
        if is_private_link(value.split(':').next().unwrap_or(value)) {
            return Err(Reason::PrivateLink);
        }
        let authority = Url::parse(&format!("https://{value}")).map_err(|_| Reason::NotANamespace)?;
        // Not `authority.port()`, which drops 443, the default of https.
        let port = match value.rsplit_once(':') {
            Some((_, port)) if !port.ends_with(']') => Some(port.parse().map_err(|_| Reason::WrongPort)?),
            _ => None,
        };
        match (authority.host_str(), port) {
            (_, Some(0)) => Err(Reason::WrongPort),
            (Some(host), port) => Ok(Self { host: host.to_owned(), port }),
            (None, _) => Err(Reason::NotANamespace),
        }
    }
}
