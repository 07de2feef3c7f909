//! Event Hubs connection strings, as the portal and the emulator hand them out.
//!
//! `Endpoint=sb://<namespace>/;SharedAccessKeyName=…;SharedAccessKey=…[;EntityPath=<hub>]`, or with
//! `SharedAccessSignature=…` in place of name and key; `UseDevelopmentEmulator=true` asks for plain AMQP.
//! Keys are matched whatever their case; values may contain `=`.

use super::access::HubAccess;
use super::address::{HubAddress, PLAIN_PORT, TLS_PORT};
use secrecy::SecretString;
use url::Url;

/// A connection string, taken apart.
#[derive(Clone, Debug)]
pub struct HubConnectionString {
    host: String,
    port: u16,
    tls: bool,
    entity_path: Option<String>,
    access: HubAccess,
}

/// What is wrong with a connection string. Never holds a value from it, for a value may be a key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConnectionStringError {
    /// Nothing but white space.
    #[error("the connection string is empty")]
    Empty,
    /// A part between two `;` is not `Name=value`.
    #[error("part {position} of the connection string is not of the form Name=value")]
    NotAPair {
        /// Counted from 1.
        position: usize,
    },
    /// A name that occurs twice.
    #[error("the connection string names {name} twice")]
    Twice {
        /// The name.
        name: &'static str,
    },
    /// A part that must be there is not, or is empty.
    #[error("the connection string has no {name}")]
    Missing {
        /// The name, or the names one of which is needed.
        name: &'static str,
    },
    /// The endpoint is not `sb://host[:port]/`.
    #[error("the connection string's Endpoint is not of the form sb://host/")]
    Endpoint,
    /// `UseDevelopmentEmulator` is neither `true` nor `false`.
    #[error("the connection string's UseDevelopmentEmulator is neither true nor false")]
    Emulator,
    /// Neither `EntityPath` nor the settings name the hub.
    #[error("no event hub is named: neither by EntityPath in the connection string nor by its own setting")]
    NoHub,
    /// `EntityPath` and the settings name different hubs.
    #[error("the connection string's EntityPath names the hub {entity_path}, the setting names {setting}")]
    TwoHubs {
        /// The hub in the connection string.
        entity_path: String,
        /// The hub in the settings.
        setting: String,
    },
}

/// The parts we know, as they were found.
#[derive(Default)]
struct Parts<'a> {
    endpoint: Option<&'a str>,
    entity_path: Option<&'a str>,
    key_name: Option<&'a str>,
    key: Option<&'a str>,
    signature: Option<&'a str>,
    emulator: Option<&'a str>,
}

impl<'a> Parts<'a> {
    fn of(text: &'a str) -> Result<Self, ConnectionStringError> {
        let mut parts = Self::default();
        let mut found = false;
        for (at, part) in text.split(';').enumerate() {
            if part.trim().is_empty() {
                continue;
            }
            let (name, value) =
                part.split_once('=').ok_or(ConnectionStringError::NotAPair { position: at + 1 })?;
            found = true;
            parts.put(name.trim(), value.trim())?;
        }
        if found { Ok(parts) } else { Err(ConnectionStringError::Empty) }
    }

    /// Keeps a part; one that we don't know is ignored, for others may put theirs there.
    fn put(&mut self, name: &str, value: &'a str) -> Result<(), ConnectionStringError> {
        let known: [(&'static str, &mut Option<&'a str>); 6] = [
            ("Endpoint", &mut self.endpoint),
            ("EntityPath", &mut self.entity_path),
            ("SharedAccessKeyName", &mut self.key_name),
            ("SharedAccessKey", &mut self.key),
            ("SharedAccessSignature", &mut self.signature),
            ("UseDevelopmentEmulator", &mut self.emulator),
        ];
        for (known, place) in known {
            if known.eq_ignore_ascii_case(name) {
                return match place.replace(value) {
                    None => Ok(()),
                    Some(_) => Err(ConnectionStringError::Twice { name: known }),
                };
            }
        }
        Ok(())
    }
}

impl HubConnectionString {
    /// Takes a connection string apart.
    ///
    /// # Errors
    /// With the first part that is missing or malformed; the error never shows a value.
    pub fn parse(text: &str) -> Result<Self, ConnectionStringError> {
        let parts = Parts::of(text)?;
        let emulator = match parts.emulator {
            None => false,
            Some(value) if value.eq_ignore_ascii_case("true") => true,
            Some(value) if value.eq_ignore_ascii_case("false") => false,
            Some(_) => return Err(ConnectionStringError::Emulator),
        };
        let (host, port) = endpoint(required(parts.endpoint, "Endpoint")?)?;
        Ok(Self {
            host,
            port: port.unwrap_or(if emulator { PLAIN_PORT } else { TLS_PORT }),
            tls: !emulator,
            entity_path: parts.entity_path.filter(|path| !path.is_empty()).map(ToOwned::to_owned),
            access: access(&parts)?,
        })
    }

    /// The hub that `EntityPath` names.
    #[must_use]
    pub fn entity_path(&self) -> Option<&str> {
        self.entity_path.as_deref()
    }

    /// Address and access of the hub; `setting` names it where the connection string does not.
    ///
    /// # Errors
    /// When no hub is named, or two different ones.
    pub fn into_hub(self, setting: Option<&str>) -> Result<(HubAddress, HubAccess), ConnectionStringError> {
        let setting = setting.map(str::trim).filter(|name| !name.is_empty());
        let hub = match (self.entity_path, setting) {
            (Some(entity_path), Some(setting)) if !entity_path.eq_ignore_ascii_case(setting) => {
                let setting = setting.to_owned();
                return Err(ConnectionStringError::TwoHubs { entity_path, setting });
            }
            (Some(hub), _) => hub,
            (None, Some(hub)) => hub.to_owned(),
            (None, None) => return Err(ConnectionStringError::NoHub),
        };
        let address = HubAddress { host: self.host, port: self.port, tls: self.tls, hub };
        Ok((address, self.access))
    }
}

fn required<'a>(value: Option<&'a str>, name: &'static str) -> Result<&'a str, ConnectionStringError> {
    value.filter(|value| !value.is_empty()).ok_or(ConnectionStringError::Missing { name })
}

fn endpoint(text: &str) -> Result<(String, Option<u16>), ConnectionStringError> {
    let url = Url::parse(text).map_err(|_| ConnectionStringError::Endpoint)?;
    let bare = matches!(url.path(), "" | "/") && url.query().is_none() && url.username().is_empty();
    match url.host_str() {
        Some(host) if !host.is_empty() && bare && matches!(url.scheme(), "sb" | "amqps" | "amqp") => {
            Ok((host.to_ascii_lowercase(), url.port()))
        }
        _ => Err(ConnectionStringError::Endpoint),
    }
}

fn access(parts: &Parts<'_>) -> Result<HubAccess, ConnectionStringError> {
    if let Some(signature) = parts.signature.filter(|signature| !signature.is_empty()) {
        return Ok(HubAccess::Signature(SecretString::from(signature)));
    }
    if parts.key_name.is_none() && parts.key.is_none() {
        return Err(ConnectionStringError::Missing {
            name: "SharedAccessKeyName and SharedAccessKey, nor SharedAccessSignature",
        });
    }
    let name = required(parts.key_name, "SharedAccessKeyName")?.to_owned();
    let key = SecretString::from(required(parts.key, "SharedAccessKey")?);
    Ok(HubAccess::Key { name, key })
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::ExposeSecret;

    const AZURE: &str =
        "Endpoint=sb://NS.servicebus.windows.net/;SharedAccessKeyName=send;SharedAccessKey=c2VjcmV0==";

    fn hub(text: &str, setting: Option<&str>) -> (HubAddress, HubAccess) {
        HubConnectionString::parse(text).unwrap().into_hub(setting).unwrap()
    }

    #[test]
    fn a_portal_string_means_tls_on_5671_and_keeps_the_equals_signs_of_the_key() {
        let (address, access) = hub(&format!("{AZURE};EntityPath=flow"), None);
        assert_eq!(address, HubAddress::in_namespace("ns.servicebus.windows.net", "flow"));
        let HubAccess::Key { name, key } = access else { panic!("not a key") };
        assert_eq!((name.as_str(), key.expose_secret()), ("send", "c2VjcmV0=="));
    }

    #[test]
    fn the_emulator_means_plain_amqp_on_5672_or_on_the_port_that_the_endpoint_names() {
        let emulator = |endpoint: &str| {
            let text = format!(
                " endpoint={endpoint} ; sharedaccesskeyname=Root;SHAREDACCESSKEY=SAS_KEY_VALUE;UseDevelopmentEmulator=TRUE;;"
            );
            let (address, _) = hub(&text, Some("flow"));
            (address.host, address.port, address.tls)
        };
        assert_eq!(emulator("sb://localhost"), ("localhost".into(), 5672, false));
        assert_eq!(emulator("sb://127.0.0.1:12345/"), ("127.0.0.1".into(), 12345, false));
    }

    #[test]
    fn a_signature_stands_in_for_name_and_key() {
        let signature = "SharedAccessSignature sr=sb%3A%2F%2Fns%2Fflow&sig=a%3D&se=1&skn=send";
        let (_, access) = hub(&format!("Endpoint=sb://ns/;SharedAccessSignature={signature}"), Some("flow"));
        let HubAccess::Signature(kept) = access else { panic!("not a signature") };
        assert_eq!(kept.expose_secret(), signature);
    }

    #[test]
    fn what_is_missing_or_malformed_is_named() {
        use ConnectionStringError as E;
        let cases = [
            (" ; ", E::Empty),
            ("Endpoint=sb://ns/;hunter2", E::NotAPair { position: 2 }),
            ("SharedAccessKeyName=a;SharedAccessKey=hunter2", E::Missing { name: "Endpoint" }),
            ("Endpoint=sb://ns/;SharedAccessKey=hunter2", E::Missing { name: "SharedAccessKeyName" }),
            ("Endpoint=sb://ns/;SharedAccessKeyName=a", E::Missing { name: "SharedAccessKey" }),
            (
                "Endpoint=sb://ns/;SharedAccessKeyName=a;SharedAccessKey=",
                E::Missing { name: "SharedAccessKey" },
            ),
            ("Endpoint=https://ns/;SharedAccessKeyName=a;SharedAccessKey=hunter2", E::Endpoint),
            ("Endpoint=ns;SharedAccessKeyName=a;SharedAccessKey=hunter2", E::Endpoint),
            ("Endpoint=sb://ns/x;SharedAccessKeyName=a;SharedAccessKey=hunter2", E::Endpoint),
            ("Endpoint=sb://ns/;endpoint=sb://ns/", E::Twice { name: "Endpoint" }),
            (
                "Endpoint=sb://ns/;SharedAccessKeyName=a;SharedAccessKey=hunter2;UseDevelopmentEmulator=1",
                E::Emulator,
            ),
            (
                "Endpoint=sb://ns/",
                E::Missing { name: "SharedAccessKeyName and SharedAccessKey, nor SharedAccessSignature" },
            ),
        ];
        for (text, expected) in cases {
            let error = HubConnectionString::parse(text).unwrap_err();
            assert_eq!(error, expected, "{text}");
            assert!(!error.to_string().contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn the_hub_is_named_once_or_alike() {
        let parsed = || HubConnectionString::parse(&format!("{AZURE};EntityPath=Flow")).unwrap();
        assert_eq!(parsed().entity_path(), Some("Flow"));
        assert_eq!(parsed().into_hub(Some("flow")).unwrap().0.hub, "Flow");
        assert_eq!(
            parsed().into_hub(Some("other")).unwrap_err(),
            ConnectionStringError::TwoHubs { entity_path: "Flow".into(), setting: "other".into() }
        );
        let none = HubConnectionString::parse(AZURE).unwrap();
        assert_eq!(none.into_hub(Some(" ")).unwrap_err(), ConnectionStringError::NoHub);
    }

    #[test]
    fn no_debug_output_shows_the_key() {
        let parsed = HubConnectionString::parse(AZURE).unwrap();
        let (address, access) = parsed.clone().into_hub(Some("flow")).unwrap();
        assert!(!format!("{parsed:?} {address:?} {access:?}").contains("c2VjcmV0"));
    }
}
