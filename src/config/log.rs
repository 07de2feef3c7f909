//! Log settings, and the check of `RUST_LOG`.
//!
//! `tracing` takes any word that is not a level for the name of a target, and then logs nothing else: a typo would hide
//! every line, errors included.

use super::error::Reason;
use tracing::Level;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::Targets;

/// The level of targets that `RUST_LOG` does not name.
pub const DEFAULT_LEVEL: &str = "info";

/// The crate's name, with which the targets of all its lines begin.
const OWN: &str = "flowlog_forwarder";

/// Libraries that log every request at `debug`, with headers; some have been known to show an `Authorization` header.
/// They stay at `warn` unless `RUST_LOG` names them: `RUST_LOG=debug` alone applies to the forwarder only.
pub const LIBRARIES: [&str; 11] = [
    "azure_core",
    "azure_identity",
    "azure_storage_blob",
    "typespec_client_core",
    "fe2o3_amqp",
    "hyper",
    "hyper_util",
    "h2",
    "reqwest",
    "rustls",
    "tower",
];

/// What is logged, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogSettings {
    /// A valid `tracing` filter; `None` is [`DEFAULT_LEVEL`].
    pub filter: Option<String>,
    /// The format of a log line.
    pub format: LogFormat,
}

/// The format of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For a person at a terminal.
    Text,
    /// One JSON object a line, for Application Insights.
    Json,
}

/// What [`log_filter`] accepts.
pub(super) const LOG_FILTER: &str =
    "a level (`error`, `warn`, `info`, `debug` or `trace`) or `target=level` pairs, separated by commas";

/// Checks that `value` is a filter with known targets, and does not hide the forwarder's own errors.
pub(super) fn log_filter(value: &str) -> Result<String, Reason> {
    let invalid = || Reason::NotAllowed { allowed: LOG_FILTER.to_owned() };
    let directives =
        value.split(',').map(str::trim).filter(|directive| !directive.is_empty()).collect::<Vec<_>>();
    let is_known = |word: &str| {
        let module = word.split("::").next().unwrap_or(word);
        word.parse::<LevelFilter>().is_ok() || module == OWN || LIBRARIES.contains(&module)
    };
    if directives.iter().any(|word| !word.contains(['=', '[']) && !is_known(word)) {
        return Err(Reason::UnknownLevel { allowed: LOG_FILTER });
    }
    EnvFilter::builder().parse(value).map_err(|_| invalid())?;
    // Directives for spans only ever add lines, and `Targets` can't parse them.
    let plain: Vec<&str> = directives.into_iter().filter(|directive| !directive.contains('[')).collect();
    let filter: Targets = format!("{DEFAULT_LEVEL},{}", plain.join(",")).parse().map_err(|_| invalid())?;
    let own =
        plain.iter().filter_map(|directive| directive.split('=').next()).filter(|name| name.starts_with(OWN));
    if own.chain([OWN]).any(|target| !filter.would_enable(target, &Level::ERROR)) {
        return Err(Reason::HidesErrors);
    }
    Ok(value.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_and_targets_are_accepted() {
        for value in [
            "info",
            "WARN",
            "3",
            "debug,hyper=warn",
            "error",
            "info,flowlog_forwarder=debug",
            "flowlog_forwarder",
            "flowlog_forwarder::sweep",
            "azure_core=trace",
            "off,flowlog_forwarder=warn",
            "some_crate=off",
            "info,[commit{event=1}]=trace",
            "info,hyper=warn,",
        ] {
            assert_eq!(log_filter(value), Ok(value.to_owned()));
        }
    }

    #[test]
    fn unknown_words_are_refused() {
        for value in ["verbose", "verbose,info", "inf", "flowlog", "info warn"] {
            assert_eq!(log_filter(value), Err(Reason::UnknownLevel { allowed: LOG_FILTER }), "{value}");
        }
        assert_eq!(log_filter("info=loud=very"), Err(Reason::NotAllowed { allowed: LOG_FILTER.to_owned() }));
        let error = Reason::UnknownLevel { allowed: LOG_FILTER }.to_string();
        assert!(error.contains("`error`, `warn`, `info`, `debug` or `trace`"), "{error}");
    }

    #[test]
    fn a_filter_that_hides_own_errors_is_refused() {
        for value in ["off", "0", "info,off", "flowlog_forwarder=off", "info,flowlog_forwarder::server=off"] {
            assert_eq!(log_filter(value), Err(Reason::HidesErrors), "{value}");
        }
    }
}
