//! What can be wrong with a setting, and what to do about it. No message ever holds a value:
//! any setting may carry a secret, if only by mistake.

use super::connection_string::Malformed;
use std::fmt;

/// Every wrong setting, in the order in which they are documented. Never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigErrors(pub(super) Vec<Problem>);

impl ConfigErrors {
    /// The problems, at least one.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        &self.0
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (count, noun) = (self.0.len(), if self.0.len() == 1 { "setting is" } else { "settings are" });
        write!(f, "{count} {noun} wrong:")?;
        self.0.iter().try_for_each(|problem| write!(f, "\n  {problem}"))
    }
}

impl std::error::Error for ConfigErrors {}

/// One wrong setting.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{setting} {wrong}")]
pub struct Problem {
    /// The setting's full name.
    pub setting: String,
    /// What is wrong with it.
    pub wrong: Wrong,
}

/// What is wrong with a setting, worded to follow the setting's name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Wrong {
    /// A required setting is missing.
    #[error("is not set: set it to {what}, or {otherwise}")]
    Missing {
        /// What it should hold.
        what: &'static str,
        /// The other way to give the same thing.
        otherwise: String,
    },
    /// The setting exists and holds nothing.
    #[error("is empty: give it a value or remove it")]
    Empty,
    /// A connection string and an address for the same thing.
    #[error(
        "and {other} are both set: remove {other} to use the connection string, or this one to use the managed identity"
    )]
    TwoForms {
        /// The setting of the other form.
        other: String,
    },
    /// Two addresses for the same thing.
    #[error("and {other} are both set and say the same: remove one of them")]
    Twice {
        /// The other setting.
        other: String,
    },
    /// A setting that only makes sense with an identity stands beside a connection string.
    #[error("has no meaning beside the connection string {other}: remove it, or the connection string")]
    IdentityBesideString {
        /// The connection string's name.
        other: String,
    },
    /// A kind of credential that the forwarder does not read.
    #[error(
        "is not supported: the forwarder reads by managed identity (a user-assigned one by {client_id}); remove it"
    )]
    Unsupported {
        /// The setting to use for a user-assigned identity.
        client_id: String,
    },
    /// Not a TCP port.
    #[error("is not a port: write a number from 1 to 65535")]
    NotAPort,
    /// Not one of a few words.
    #[error("has an unknown value: write one of {allowed}")]
    NotOneOf {
        /// The words.
        allowed: &'static str,
    },
    /// Not a list of container names.
    #[error(
        "is not a list of containers: write names of 3 to 63 lower-case letters, digits and hyphens, separated by commas"
    )]
    NotContainers,
    /// Not a usable size.
    #[error(
        "is not a message size: write a number of bytes of at least {least}, below which no record would fit"
    )]
    NotAMessageSize {
        /// The least size, bytes.
        least: usize,
    },
    /// Not a usable number of days.
    #[error("is not a number of days: write a whole number of at least {least}")]
    NotDays {
        /// The fewest days.
        least: u16,
    },
    /// Not a `tracing` filter.
    #[error("is not a log filter: write a level such as info, or target=level pairs separated by commas")]
    NotAFilter,
    /// A word in a filter that would be taken for a module's name.
    #[error(
        "holds a word that is no level: write one of error, warn, info, debug, trace, or target=level pairs separated by commas"
    )]
    NotALevel,
    /// A filter under which errors would not be seen.
    #[error("would silence the forwarder's own errors: write at least error instead of off")]
    Silent,
    /// Not a schedule as the host reads it.
    #[error(
        "is not a schedule of six fields: write seconds, minutes, hours, days, months and weekdays, such as 0 */5 * * * * for \
         every five minutes"
    )]
    NotASchedule,
    /// A name that nobody reads.
    #[error("is not the name of a setting: {meant} is meant? Rename it")]
    NoSuchSetting {
        /// The name that it may be a slip for.
        meant: String,
    },
    /// Not a client id.
    #[error("is not a client id: copy the identity's \"Client ID\", 32 hexadecimal digits in five groups")]
    NotAClientId,
    /// Not an account name.
    #[error(
        "is not a storage account name: write its 3 to 24 lower-case letters and digits, without any address"
    )]
    NotAnAccountName,
    /// Not an absolute http(s) URI.
    #[error("is not a service address: write one such as {example}")]
    NotAUri {
        /// A good one.
        example: &'static str,
    },
    /// Tokens travel over TLS alone.
    #[error(
        "is an http address: a managed identity needs https (for an emulator over http, use a connection string)"
    )]
    NeedsHttps,
    /// Characters outside ASCII, which DNS does not know and eyes may mistake.
    #[error("holds characters outside ASCII: write the host name as Azure shows it")]
    NotAscii,
    /// Something secret or meaningless in an address.
    #[error(
        "has a {part}: write the bare service address; a shared access signature belongs into a connection string (SharedAccessSignature=)"
    )]
    NotBare {
        /// Which part should not be there.
        part: &'static str,
    },
    /// The name that a private endpoint has in its private DNS zone.
    #[error(
        "has a privatelink name, for which no certificate is valid: write the same name without .privatelink; inside the \
         virtual network DNS leads it to the private endpoint"
    )]
    PrivateLink,
    /// The address goes on after the service.
    #[error("names more than the service: remove the path after the host")]
    HasPath,
    /// The address of a different service of the account.
    #[error(
        "is the address of the account's {found} service: write the {expected} service's, with .{expected}. in its host"
    )]
    OtherService {
        /// The service named.
        found: String,
        /// The service needed.
        expected: &'static str,
    },
    /// The other service's address does not follow from this one.
    #[error("is not set, and does not follow from {from}: set it to the account's {service} service address")]
    NotDerivable {
        /// The setting that was given.
        from: String,
        /// The service whose address is missing.
        service: &'static str,
    },
    /// The connection string does not say where that service is.
    #[error("does not say where the {service} service is: add {key}=…")]
    NoEndpoint {
        /// The service whose address is missing.
        service: &'static str,
        /// The key to add.
        key: &'static str,
    },
    /// A connection string that can't be read.
    #[error("is not a connection string: {0}; copy it again from the portal")]
    ConnectionString(#[from] Malformed),
    /// One part of a connection string is wrong.
    #[error("holds a wrong {key}: it {wrong}")]
    Part {
        /// The part's key.
        key: &'static str,
        /// What is wrong with its value.
        wrong: Box<Wrong>,
    },
    /// Not base64.
    #[error("is not an account key: copy all of it, it is base64 and ends in ==")]
    NotAKey,
    /// Not a namespace's host name.
    #[error("is not a namespace: write its host name alone, such as contoso.servicebus.windows.net")]
    NotANamespace,
    /// Not a hub's name.
    #[error("is not an event hub's name: write letters, digits, periods, hyphens and underscores")]
    NotAHubName,
    /// Two hub names that differ.
    #[error("and the EntityPath in {connection} name different hubs: make them the same, or remove one")]
    TwoHubs {
        /// The connection string's name.
        connection: String,
    },
}
