//! Settings, read once at start from the environment variables in which the Functions host passes on the app settings.
//!
//! To add a setting: declare it in `settings.rs` (name, meaning, allowed values, default) and name it in [`settings()`],
//! which gives it its place in the documentation; add a field to [`Config`], and a line to [`Config::from_settings`]
//! that reads it. The parser, the error texts, the row in `docs/settings.md` (checked by a test, which prints the row)
//! and the typo detection come from the declaration.
//!
//! Reading is pure: [`Config::from_lookup`] takes any lookup, so that tests need no environment variables. Every wrong
//! setting is reported, not only the first.

mod access;
mod connection_string;
mod error;
mod hub;
mod hub_connection;
mod identity;
mod log;
mod reader;
mod service_uri;
mod setting;
mod settings;
mod storage;
mod storage_connection;
mod typos;

pub use access::{HubAccess, Identity, StorageAccess};
pub use connection_string::Malformed;
pub use error::{ConfigErrors, Reason, SettingError};
pub use hub::HubSettings;
pub use hub_connection::AMQP_TLS_PORT;
pub use log::{DEFAULT_LEVEL, LIBRARIES, LogFormat, LogSettings};
pub use setting::Documented;
pub use settings::{MIN_MESSAGE_BYTES, names, settings};
pub use storage::{CheckpointStorage, StorageAccount};

use crate::hour::Retention;
use crate::message::PartitionKey;
use reader::SettingsReader;
use settings::{CONTAINERS, FILTER, FORMAT, MAX_MESSAGE, PARTITION_KEY, PORT, RETENTION, SCHEDULE};
use std::num::NonZeroUsize;

/// The name of the setting for the sweep's schedule, which the Functions host reads.
pub const SWEEP_SCHEDULE: &str = SCHEDULE.name;

/// The parsed settings.
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
    /// An upper bound for one message, bytes, besides the hub's own limit.
    pub max_message_bytes: Option<NonZeroUsize>,
    /// How long checkpoints are kept.
    pub retention: Retention,
    /// Whether the sweep can run: false when the Functions host started the process without a schedule.
    pub sweep_is_scheduled: bool,
    /// What is logged, and how.
    pub log: LogSettings,
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

    /// Reads the settings from `lookup`, which returns the value of the setting of that name.
    ///
    /// # Errors
    /// [`ConfigErrors`] with every missing or wrong setting.
    pub fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigErrors> {
        Self::from_settings([], lookup)
    }

    /// The same, with a check of `names` for typos: these are the names of all variables, other programs' included.
    ///
    /// # Errors
    /// [`ConfigErrors`] with every missing or wrong setting.
    pub fn from_settings(
        names: impl IntoIterator<Item = String>,
        lookup: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, ConfigErrors> {
        let mut reader = SettingsReader::new(&lookup);
        let config = Self::read(&mut reader);
        typos::report_typos(&mut reader, names);
        reader.finish(config)
    }

    fn read(reader: &mut SettingsReader<'_>) -> Option<Self> {
        let under_host = reader.is_set(PORT.name);
        // Everything is read before the first `?`, so that every error is reported.
        let port = reader.read(&PORT);
        let sources = storage::sources(reader);
        let containers = reader.read(&CONTAINERS);
        let checkpoints = storage::checkpoints(reader);
        let hub = hub::hub(reader);
        let partition_key = reader.read(&PARTITION_KEY);
        let max_message_bytes = reader.read(&MAX_MESSAGE);
        let retention = reader.read(&RETENTION);
        let schedule = reader.read_non_empty(&SCHEDULE);
        // An empty RUST_LOG is common in shells.
        let filter = reader.read_non_empty(&FILTER);
        let format = reader.read(&FORMAT);
        let default_format = if under_host { LogFormat::Json } else { LogFormat::Text };
        Some(Self {
            port: port?,
            sources: sources?,
            containers: containers?,
            checkpoints: checkpoints?,
            hub: hub?,
            partition_key: partition_key?,
            max_message_bytes,
            retention: retention?,
            sweep_is_scheduled: schedule.is_some() || !under_host,
            log: LogSettings { filter, format: format.unwrap_or(default_format) },
        })
    }
}

#[cfg(test)]
mod tests;
