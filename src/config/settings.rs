//! The declarations of all settings, and their order in the documentation. Names of connections and of their parts are
//! the Functions host's own.

use super::hub_connection::{HUB_NAME, HubConnection, Namespace, hub_name};
use super::log::{DEFAULT_LEVEL, LOG_FILTER, LogFormat, log_filter};
use super::service_uri::{Service, secure_service_uri};
use super::setting::{Allowed, Documented, Setting, Unset};
use super::storage_connection::{ACCOUNT_NAME as ACCOUNT_NAME_RULE, StorageConnection, account_name};
use crate::flow_log::VNET_CONTAINER;
use crate::hour::Retention;
use crate::message::PartitionKey;
use std::num::NonZeroUsize;
use url::Url;

/// The minimum of `MAX_MESSAGE_BYTES`, bytes. Below it, even a record with a single flow (about 700 bytes in
/// Microsoft's samples) may not fit beside the properties of its message (up to 1,300 bytes with the longest names that
/// Azure allows), and would be quarantined.
pub const MIN_MESSAGE_BYTES: usize = 2048;

pub(super) static FLOWLOG_STORAGE: Setting<StorageConnection> = Setting {
    name: "FLOWLOG_STORAGE",
    meaning: "the storage account that holds the flow logs",
    allowed: STORAGE_STRING,
    default: Unset::Described("required, unless one of the next two is set"),
};

pub(super) static SOURCE_BLOB_SERVICES: Setting<Vec<Url>> = Setting {
    name: "blobServiceUri",
    meaning: "the storage accounts that hold the flow logs, read by managed identity",
    allowed: Allowed::Checked {
        text: "a comma-separated list of blob service addresses",
        parse: |value| value.split(',').map(|uri| secure_service_uri(uri.trim(), Service::Blob)).collect(),
    },
    default: Unset::Described(""),
};

pub(super) static CONTAINERS: Setting<Vec<String>> = Setting {
    name: "FLOWLOG_CONTAINERS",
    meaning: "containers whose blobs are forwarded; add `insights-logs-networksecuritygroupflowevent` for NSG flow logs",
    allowed: Allowed::Text {
        text: "a comma-separated list of container names, each of 3 to 63 lower-case letters, digits and hyphens",
        parse: containers,
    },
    default: Unset::Value(VNET_CONTAINER),
};

pub(super) static EVENT_HUB: Setting<HubConnection> = Setting {
    name: "EVENT_HUB_CONNECTION",
    meaning: "the Event Hubs namespace, or the event hub",
    allowed: Allowed::Checked {
        text: "a connection string of the namespace or the event hub",
        parse: HubConnection::parse,
    },
    default: Unset::Described("required, unless the next one is set"),
};

pub(super) static NAMESPACE: Setting<Namespace> = Setting {
    name: "fullyQualifiedNamespace",
    meaning: "the Event Hubs namespace, used by managed identity",
    allowed: Allowed::Checked { text: "the namespace's host name", parse: Namespace::parse },
    default: Unset::Described(""),
};

pub(super) static EVENT_HUB_NAME: Setting<String> = Setting {
    name: "EVENT_HUB_NAME",
    meaning: "the event hub",
    allowed: Allowed::Text { text: HUB_NAME, parse: hub_name },
    default: Unset::Described("the connection string's `EntityPath`"),
};

pub(super) static PARTITION_KEY: Setting<PartitionKey> = Setting {
    name: "EVENT_HUB_PARTITION_KEY",
    meaning: "`nic` sends each network interface's records to one partition, in order unless a batch must be sent again",
    allowed: Allowed::OneOf(&[("none", PartitionKey::None), ("nic", PartitionKey::Nic)]),
    default: Unset::Value("none"),
};

pub(super) static MAX_MESSAGE: Setting<NonZeroUsize> = Setting {
    name: "MAX_MESSAGE_BYTES",
    meaning: "upper bound for one message; the hub's own limit holds if it is lower",
    allowed: Allowed::Number {
        noun: "a number of bytes",
        least: MIN_MESSAGE_BYTES,
        most: usize::MAX,
        convert: NonZeroUsize::new,
    },
    default: Unset::Described("the hub's limit"),
};

pub(super) static CHECKPOINT_STORAGE: Setting<StorageConnection> = Setting {
    name: "CHECKPOINT_STORAGE",
    meaning: "the storage account for checkpoints and quarantine",
    allowed: STORAGE_STRING,
    default: Unset::Described("`AzureWebJobsStorage`"),
};

pub(super) static HOST_STORAGE: Setting<StorageConnection> = Setting {
    name: "AzureWebJobsStorage",
    meaning: "the Functions host's own storage account, used when no setting of `CHECKPOINT_STORAGE` is set",
    allowed: STORAGE_STRING,
    default: Unset::Described(""),
};

/// The value of each storage connection.
const STORAGE_STRING: Allowed<StorageConnection> =
    Allowed::Checked { text: "a storage account's connection string", parse: StorageConnection::parse };

pub(super) static BLOB_SERVICE: Setting<Url> = Setting {
    name: "blobServiceUri",
    meaning: "that account, used by managed identity",
    allowed: Allowed::Checked {
        text: "a blob service address",
        parse: |value| secure_service_uri(value, Service::Blob),
    },
    default: Unset::Described("derived from `tableServiceUri`"),
};

pub(super) static TABLE_SERVICE: Setting<Url> = Setting {
    name: "tableServiceUri",
    meaning: "that account, used by managed identity",
    allowed: Allowed::Checked {
        text: "a table service address",
        parse: |value| secure_service_uri(value, Service::Table),
    },
    default: Unset::Described("derived from `blobServiceUri`"),
};

pub(super) static ACCOUNT_NAME: Setting<String> = Setting {
    name: "accountName",
    meaning: "that account in the public cloud, used by managed identity; replaces the addresses",
    allowed: Allowed::Text { text: ACCOUNT_NAME_RULE, parse: account_name },
    default: Unset::Described(""),
};

pub(super) static CREDENTIAL: Setting<()> = Setting {
    name: "credential",
    meaning: "kind of credential, for each of the four connections above",
    allowed: Allowed::OneOf(&[("managedidentity", ())]),
    default: Unset::Value("managedidentity"),
};

pub(super) static CLIENT_ID: Setting<String> = Setting {
    name: "clientId",
    meaning: "a user-assigned identity, for each of the four connections above",
    allowed: Allowed::Text {
        text: "the identity's client ID, 32 hexadecimal digits in five groups",
        parse: client_id,
    },
    default: Unset::Described("the system-assigned identity"),
};

pub(super) static RETENTION: Setting<Retention> = Setting {
    name: "CHECKPOINT_RETENTION_DAYS",
    meaning: "days after which checkpoints are deleted; a sweep reaches back one day less",
    allowed: Allowed::Number {
        noun: "a number of days",
        least: Retention::MIN_DAYS as usize,
        most: u16::MAX as usize,
        convert: |days| u16::try_from(days).ok().map(Retention::of_days),
    },
    default: Unset::Number(Retention::DEFAULT.days() as usize),
};

/// The Functions host reads it as well, in place of `%…%` in the function's `function.json`. The forwarder only checks
/// it: with five fields, as in crontab, the host would start and never run the sweep.
pub(super) static SCHEDULE: Setting<()> = Setting {
    name: "FLOWLOG_SWEEP_SCHEDULE",
    meaning: "when the Functions host runs the sweep",
    allowed: Allowed::Text {
        text: "an NCRONTAB expression of six fields, seconds first, such as `0 */5 * * * *` for every five minutes",
        parse: schedule,
    },
    default: Unset::Described("required by the host, which can't run `FlowLogSweep` without it"),
};

pub(super) static PORT: Setting<u16> = Setting {
    name: "FUNCTIONS_CUSTOMHANDLER_PORT",
    meaning: "loopback port to listen on; the Functions host sets it",
    allowed: Allowed::Number {
        noun: "a port number",
        least: 1,
        most: u16::MAX as usize,
        convert: |port| u16::try_from(port).ok(),
    },
    default: Unset::Number(3000),
};

pub(super) static FILTER: Setting<String> = Setting {
    name: "RUST_LOG",
    meaning: "log filter, in the syntax of `tracing`",
    allowed: Allowed::Checked { text: LOG_FILTER, parse: log_filter },
    default: Unset::Value(DEFAULT_LEVEL),
};

pub(super) static FORMAT: Setting<LogFormat> = Setting {
    name: "LOG_FORMAT",
    meaning: "format of a log line",
    allowed: Allowed::OneOf(&[("text", LogFormat::Text), ("json", LogFormat::Json)]),
    default: Unset::Described("`json` under the Functions host, else `text`"),
};

/// Parts of connections that the Functions host knows and the forwarder refuses.
pub(super) const UNSUPPORTED_PARTS: [&str; 3] = ["managedIdentityResourceId", "clientSecret", "tenantId"];

/// Stands for the name of any connection in the documentation.
const ANY_CONNECTION: &str = "<NAME>";

/// The names of all connections.
fn connections() -> [&'static str; 4] {
    [FLOWLOG_STORAGE.name, EVENT_HUB.name, CHECKPOINT_STORAGE.name, HOST_STORAGE.name]
}

/// Every setting, in the order of the documentation.
#[must_use]
pub fn settings() -> Vec<Documented> {
    let (source, hub) = (FLOWLOG_STORAGE.name, EVENT_HUB.name);
    let (checkpoints, host) = (CHECKPOINT_STORAGE.name, HOST_STORAGE.name);
    vec![
        FLOWLOG_STORAGE.documented(),
        SOURCE_BLOB_SERVICES.documented_of(source),
        ACCOUNT_NAME.documented_of(source),
        CONTAINERS.documented(),
        EVENT_HUB.documented(),
        NAMESPACE.documented_of(hub),
        EVENT_HUB_NAME.documented(),
        PARTITION_KEY.documented(),
        MAX_MESSAGE.documented(),
        CHECKPOINT_STORAGE.documented(),
        BLOB_SERVICE.documented_of(checkpoints),
        TABLE_SERVICE.documented_of(checkpoints),
        ACCOUNT_NAME.documented_of(checkpoints),
        HOST_STORAGE.documented(),
        BLOB_SERVICE.documented_of(host),
        TABLE_SERVICE.documented_of(host),
        ACCOUNT_NAME.documented_of(host),
        CREDENTIAL.documented_of(ANY_CONNECTION),
        CLIENT_ID.documented_of(ANY_CONNECTION),
        RETENTION.documented(),
        SCHEDULE.documented(),
        PORT.documented(),
        FILTER.documented(),
        FORMAT.documented(),
    ]
}

/// The full names of all settings.
#[must_use]
pub fn names() -> Vec<String> {
    settings().into_iter().flat_map(|setting| expand(&setting.name)).collect()
}

/// The full names of all settings that are refused.
pub(super) fn unsupported_names() -> impl Iterator<Item = String> {
    UNSUPPORTED_PARTS.iter().flat_map(|part| expand(&format!("{ANY_CONNECTION}__{part}")))
}

fn expand(name: &str) -> Vec<String> {
    match name.strip_prefix(ANY_CONNECTION) {
        Some(part) => connections().map(|connection| format!("{connection}{part}")).to_vec(),
        None => vec![name.to_owned()],
    }
}

fn containers(value: &str) -> Option<Vec<String>> {
    let is_container = |name: &str| {
        (3..=63).contains(&name.len())
            && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    };
    let names = value.split(',').map(|name| name.trim().to_owned()).collect::<Vec<_>>();
    names.iter().all(|name| is_container(name)).then_some(names)
}

fn client_id(value: &str) -> Option<String> {
    let groups = value.split('-').map(str::len);
    let is_guid = groups.eq([8, 4, 4, 4, 12]) && value.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-');
    is_guid.then(|| value.to_owned())
}

fn schedule(value: &str) -> Option<()> {
    let fields: Vec<&str> = value.split_whitespace().collect();
    let is_field = |field: &&str| field.chars().all(|c| c.is_ascii_alphanumeric() || "*,-/".contains(c));
    (fields.len() == 6 && fields.iter().all(is_field)).then_some(())
}
