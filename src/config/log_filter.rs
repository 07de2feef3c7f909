//! What `RUST_LOG` may say. `tracing` takes any word that is no level for the name of a module, and what no
//! directive speaks of is not logged at all: a slip would silence everything, errors included.

use super::problem::Wrong;
use tracing::Level;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::Targets;

/// Level for what `RUST_LOG` does not speak of.
pub const DEFAULT_LEVEL: &str = "info";

/// The forwarder's own module, and so the beginning of the targets of all its lines.
const OWN: &str = "flowlog_forwarder";

/// Libraries that speak of every request at `debug`, headers and all; some have been known to show an
/// `Authorization` header there. They stay at `warn` unless `RUST_LOG` names them one by one:
/// `RUST_LOG=debug` alone is about the forwarder.
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

/// Checks a filter: levels, or `target=level` pairs, separated by commas; and the forwarder's own errors stay
/// in the log.
pub(super) fn log_filter(value: String) -> Result<String, Wrong> {
    let directives =
        value.split(',').map(str::trim).filter(|directive| !directive.is_empty()).collect::<Vec<_>>();
    let is_known = |word: &str| {
        let module = word.split("::").next().unwrap_or(word);
        word.parse::<LevelFilter>().is_ok() || module == OWN || LIBRARIES.contains(&module)
    };
    if directives.iter().any(|word| !word.contains(['=', '[']) && !is_known(word)) {
        return Err(Wrong::NotALevel);
    }
    EnvFilter::builder().parse(&value).map_err(|_| Wrong::NotAFilter)?;
    // Directives for spans only ever add lines.
    let plain: Vec<&str> = directives.into_iter().filter(|directive| !directive.contains('[')).collect();
    let filter: Targets =
        format!("{DEFAULT_LEVEL},{}", plain.join(",")).parse().map_err(|_| Wrong::NotAFilter)?;
    let own =
        plain.iter().filter_map(|directive| directive.split('=').next()).filter(|name| name.starts_with(OWN));
    if own.chain([OWN]).any(|target| !filter.would_enable(target, &Level::ERROR)) {
        return Err(Wrong::Silent);
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(value: &str) -> Result<String, Wrong> {
        log_filter(value.to_owned())
    }

    #[test]
    fn levels_and_targets_are_taken() {
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
            assert_eq!(check(value), Ok(value.to_owned()));
        }
    }

    #[test]
    fn words_that_are_no_level_are_refused() {
        for value in ["verbose", "verbose,info", "inf", "flowlog", "info warn"] {
            assert_eq!(check(value), Err(Wrong::NotALevel), "{value}");
        }
        assert_eq!(check("info=loud=very"), Err(Wrong::NotAFilter));
        assert!(Wrong::NotALevel.to_string().contains("error, warn, info, debug, trace"));
    }

    #[test]
    fn a_filter_without_the_forwarders_errors_is_refused() {
        for value in ["off", "0", "info,off", "flowlog_forwarder=off", "info,flowlog_forwarder::server=off"] {
            assert_eq!(check(value), Err(Wrong::Silent), "{value}");
        }
    }
}
