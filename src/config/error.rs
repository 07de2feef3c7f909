//! What can be wrong with a setting, and what to do about it. No message contains a value, because any setting may
//! contain a secret by mistake.

use super::connection_string::Malformed;
use std::fmt;

/// Every wrong setting, in the order in which they were read. Never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigErrors(pub(super) Vec<SettingError>);

impl ConfigErrors {
    /// The errors, at least one.
    #[must_use]
    pub fn errors(&self) -> &[SettingError] {
        &self.0
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (count, noun) = (self.0.len(), if self.0.len() == 1 { "setting is" } else { "settings are" });
        write!(f, "{count} {noun} wrong:")?;
        self.0.iter().try_for_each(|error| write!(f, "\n  {error}"))
    }
}

impl std::error::Error for ConfigErrors {}

/// One wrong setting.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{setting} {reason}")]
pub struct SettingError {
    /// The setting's full name.
    pub setting: String,
    /// What is wrong with it.
    pub reason: Reason,
}

/// What is wrong with a setting. The text continues a sentence that begins with the setting's name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the error texts say it")]
pub enum Reason {
    #[error("is not set: set it to {allowed}, or {alternative}")]
    Missing { allowed: String, alternative: String },
    #[error("is empty: give it a value or remove it")]
    Empty,
    #[error("is not valid: it must be {allowed}")]
    NotAllowed { allowed: String },
    #[error("is not the name of a setting: did you mean {similar}? Rename it")]
    UnknownName { similar: String },

    #[error(
        "and {other} are both set: remove {other} to use the connection string, or remove this one to use the managed \
         identity"
    )]
    TwoForms { other: String },
    #[error("and {other} are both set and give the same address: remove one of them")]
    SameAddressTwice { other: String },
    #[error("has no effect beside the connection string {connection}: remove one of them")]
    IdentityBesideConnectionString { connection: String },
    #[error(
        "is not supported: remove it. The forwarder uses a managed identity; for a user-assigned one, set {client_id}"
    )]
    UnsupportedCredential { client_id: String },

    #[error("contains a word that is neither a level nor a target: it must be {allowed}")]
    UnknownLevel { allowed: &'static str },
    #[error("hides the forwarder's own errors: use `error` instead of `off`")]
    HidesErrors,

    #[error("is not a service address: write it like {example}")]
    NotAnAddress { example: &'static str },
    #[error(
        "is an http address: a managed identity needs https. For an emulator over http, use a connection string"
    )]
    NeedsHttps,
    #[error("contains characters outside ASCII: write the host name as Azure shows it")]
    NotAscii,
    #[error(
        "has a {part}: remove it from the address. A shared access signature belongs in a connection string, as \
         SharedAccessSignature=…"
    )]
    ExtraInAddress { part: &'static str },
    #[error(
        "has a privatelink name, for which no certificate is valid: remove `.privatelink` from it. Inside the virtual \
         network, DNS resolves the remaining name to the private endpoint"
    )]
    PrivateLink,
    #[error("has a path beyond the service: remove the path")]
    HasPath,
    #[error(
        "is the address of the {found} service: write the {expected} service's, with `.{expected}.` in the host name"
    )]
    OtherService { found: String, expected: &'static str },
    #[error(
        "is not set and can't be derived from {from}: set it to the address of the account's {service} service"
    )]
    NotDerivable { from: String, service: &'static str },

    #[error("is not a connection string: {0}. Copy it again from the Azure portal")]
    ConnectionString(#[from] Malformed),
    #[error("(its {key}) {reason}")]
    Part { key: &'static str, reason: Box<Reason> },
    #[error("has no address of the {service} service: add {key}=…")]
    NoEndpoint { service: &'static str, key: &'static str },
    #[error("is not base64: copy the whole key, which ends in `==`")]
    NotBase64,
    #[error(
        "does not name a namespace: write it like contoso.servicebus.windows.net, and in a connection string like \
         sb://contoso.servicebus.windows.net/"
    )]
    NotANamespace,
    #[error("has a wrong port: it must be a number from 1 to 65535")]
    WrongPort,
    #[error(
        "and the EntityPath in {connection} name different hubs: make them the same, or remove one of them"
    )]
    TwoHubs { connection: String },
}

impl Reason {
    /// Puts a reason down to one part of a connection string.
    pub(super) fn in_part(key: &'static str) -> impl Fn(Self) -> Self {
        move |reason| Self::Part { key, reason: Box::new(reason) }
    }
}
