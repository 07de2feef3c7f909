//! Settings, read once at start from the app settings that the Functions host hands down as variables.
//!
//! Reading is pure: [`Config::from_lookup`] takes any lookup, so that tests and the documentation check
//! run without touching the process environment. Every wrong setting is reported, not only the first.

mod connection_string;
mod hub;
mod log_filter;
mod names;
mod problem;
mod reader;
mod settings;
mod storage;
mod uri;

pub use connection_string::Malformed;
pub use hub::{AMQP_TLS_PORT, HubAccess, HubSettings};
pub use log_filter::{DEFAULT_LEVEL, LIBRARIES};
pub use names::CONNECTIONS;
pub use problem::{ConfigErrors, Problem, Wrong};
pub use settings::{SETTINGS, Setting};
pub use storage::{CheckpointStorage, StorageAccess, StorageAccount};

use crate::flow_log::VNET_CONTAINER;
use crate::hour::Retention;
use crate::message::PartitionKey;
use log_filter::log_filter;
use reader::Reader;
use std::num::NonZeroUsize;

/// The port used when the host names none, that is when the binary is started by hand.
pub const DEFAULT_PORT: u16 = 3000;

/// The least `MAX_MESSAGE_BYTES` that makes sense, bytes: below it even a record with a single flow
/// (about 700 bytes in Microsoft's samples) may not fit beside the properties of its message (up to 1,300
/// bytes with the longest names that Azure allows), and would end in quarantine.
pub const LEAST_MESSAGE_BYTES: usize = 2048;

const PORT: &str = "FUNCTIONS_CUSTOMHANDLER_PORT";
const SOURCE: &str = "FLOWLOG_STORAGE";
const CONTAINERS: &str = "FLOWLOG_CONTAINERS";
const CHECKPOINTS: &str = "CHECKPOINT_STORAGE";
const HOST_STORAGE: &str = "AzureWebJobsStorage";
const HUB: &str = "EVENT_HUB_CONNECTION";
const HUB_NAME: &str = "EVENT_HUB_NAME";
const PARTITION_KEY: &str = "EVENT_HUB_PARTITION_KEY";
const MAX_MESSAGE: &str = "MAX_MESSAGE_BYTES";
/// When the sweep runs: an NCRONTAB expression that the host reads, in place of `%…%` in the function's
/// `function.json`. Here it matters only whether it is set, and has as many fields as the host expects.
pub const SWEEP_SCHEDULE: &str = "FLOWLOG_SWEEP_SCHEDULE";
const RETENTION: &str = "CHECKPOINT_RETENTION_DAYS";
const LOG_FILTER: &str = "RUST_LOG";
const LOG_FORMAT: &str = "LOG_FORMAT";

/// Everything the process is told from outside.
#[derive(Clone, Debug)]
pub struct Config {
    /// The loopback port to listen on.
    pub port: u16,
    /// The storage accounts whose flow logs are forwarded; tokens go to no other. At least one.
    pub sources: Vec<StorageAccount>,
    /// The containers whose blobs are forwarded. At least one.
    pub containers: Vec<String>,
    /// Where checkpoints and quarantined records are kept.
    pub checkpoints: CheckpointStorage,
    /// Where messages go.
    pub hub: HubSettings,
    /// Which messages keep their order inside the hub.
    pub partition_key: PartitionKey,
    /// An upper bound for one message, bytes, below the limit that the hub itself states.
    pub max_message_bytes: Option<NonZeroUsize>,
    /// For how long checkpoints are kept.
    pub retention: Retention,
    /// Whether the host can run the sweep: false where it started the process and has no schedule for it.
    pub sweep_is_scheduled: bool,
    /// What is logged, and how.
    pub log: LogSettings,
}

/// A managed identity of the function app.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// The client id of a user-assigned identity; `None` is the system-assigned one.
    pub client_id: Option<String>,
}

/// What is logged, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogSettings {
    /// A valid `tracing` filter; `None` is the default level.
    pub filter: Option<String>,
    /// The shape of a log line.
    pub format: LogFormat,
}

/// The shape of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For a person at a terminal.
    Text,
    /// One JSON object a line, for Application Insights.
    Json,
}

impl Config {
    /// Reads the settings from the process environment.
    ///
    /// # Errors
    /// [`ConfigErrors`] with every missing or wrong setting.
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
    pub fn from_env() -> Result<Self, ConfigErrors> {
        let names = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
        Self::from_settings(names, |name| std::env::var(name).ok())
    }

    /// Reads the settings from `lookup`, which answers with the value of the setting of that name.
    ///
    /// # Errors
    /// [`ConfigErrors`] with every missing or wrong setting.
    pub fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigErrors> {
        Self::from_settings([], lookup)
    }

    /// The same, where `names` are those of all settings that there are, whether the forwarder reads them or
    /// not: one that is nearly the name of a missing one is reported.
    ///
    /// # Errors
    /// [`ConfigErrors`] with every missing or wrong setting.
    pub fn from_settings(
        names: impl IntoIterator<Item = String>,
        lookup: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, ConfigErrors> {
        let mut reader = Reader::new(&lookup);
        let under_host = reader.is_set(PORT);
        let port = reader.parse_or(PORT, DEFAULT_PORT, port);
        let sources = storage::sources(&mut reader, SOURCE);
        let containers = reader.parse_or(CONTAINERS, vec![VNET_CONTAINER.to_owned()], containers);
        let checkpoints = storage::checkpoints(&mut reader, CHECKPOINTS, HOST_STORAGE);
        let hub = hub::hub(&mut reader, HUB, HUB_NAME);
        let partition_key = reader.parse_or(PARTITION_KEY, PartitionKey::None, partition_key);
        let max_message_bytes = reader.parse_or(MAX_MESSAGE, None, |value| max_message(value).map(Some));
        let retention =
            Retention::of_days(reader.parse_or(RETENTION, Retention::DEFAULT_DAYS, retention_days));
        let schedule = reader.non_empty(SWEEP_SCHEDULE);
        let sweep_is_scheduled = schedule.is_some() || !under_host;
        schedule.and_then(|schedule| reader.check(SWEEP_SCHEDULE, sweep_schedule(&schedule)));
        let log = LogSettings {
            // An empty RUST_LOG is common in shells and means the same as none.
            filter: reader
                .non_empty(LOG_FILTER)
                .and_then(|value| reader.check(LOG_FILTER, log_filter(value))),
            format: reader.parse_or(
                LOG_FORMAT,
                if under_host { LogFormat::Json } else { LogFormat::Text },
                log_format,
            ),
        };
        names::report_slips(&mut reader, names);
        let problems = reader.into_problems();
        match (sources, checkpoints, hub) {
            (Some(sources), Some(checkpoints), Some(hub)) if problems.is_empty() => Ok(Self {
                port,
                sources,
                containers,
                checkpoints,
                hub,
                partition_key,
                max_message_bytes,
                retention,
                sweep_is_scheduled,
                log,
            }),
            _ => Err(ConfigErrors(problems)),
        }
    }
}

fn port(value: &str) -> Result<u16, Wrong> {
    match value.parse() {
        Ok(0) | Err(_) => Err(Wrong::NotAPort),
        Ok(port) => Ok(port),
    }
}

/// A comma-separated list of container names: 3 to 63 lower-case letters, digits and hyphens each.
fn containers(value: &str) -> Result<Vec<String>, Wrong> {
    let is_container = |name: &str| {
        (3..=63).contains(&name.len())
            && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    };
    let names = value.split(',').map(|name| name.trim().to_owned()).collect::<Vec<_>>();
    if names.iter().all(|name| is_container(name)) { Ok(names) } else { Err(Wrong::NotContainers) }
}

fn partition_key(value: &str) -> Result<PartitionKey, Wrong> {
    match value.to_ascii_lowercase().as_str() {
        "none" => Ok(PartitionKey::None),
        "nic" => Ok(PartitionKey::Nic),
        _ => Err(Wrong::NotOneOf { allowed: "none, nic" }),
    }
}

fn max_message(value: &str) -> Result<NonZeroUsize, Wrong> {
    value
        .parse::<NonZeroUsize>()
        .ok()
        .filter(|bytes| bytes.get() >= LEAST_MESSAGE_BYTES)
        .ok_or(Wrong::NotAMessageSize { least: LEAST_MESSAGE_BYTES })
}

fn retention_days(value: &str) -> Result<u16, Wrong> {
    let days = value.parse().ok().filter(|days| *days >= Retention::LEAST_DAYS);
    days.ok_or(Wrong::NotDays { least: Retention::LEAST_DAYS })
}

/// An NCRONTAB expression has six fields, and one more than the crontab that most people know: the host would
/// start, and never run the sweep.
fn sweep_schedule(value: &str) -> Result<(), Wrong> {
    let fields: Vec<&str> = value.split_whitespace().collect();
    let is_field = |field: &&str| field.chars().all(|c| c.is_ascii_alphanumeric() || "*,-/".contains(c));
    if fields.len() == 6 && fields.iter().all(is_field) { Ok(()) } else { Err(Wrong::NotASchedule) }
}

fn log_format(value: &str) -> Result<LogFormat, Wrong> {
    match value.to_ascii_lowercase().as_str() {
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        _ => Err(Wrong::NotOneOf { allowed: "text, json" }),
    }
}

#[cfg(test)]
mod tests;
