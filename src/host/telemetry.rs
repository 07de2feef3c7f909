//! The process's log: one line per event, on standard output.
//!
//! The Functions host forwards standard output to Application Insights, and treats every line of standard
//! error as an error, so nothing is logged there.

use crate::config::{DEFAULT_LEVEL, LIBRARIES, LogFormat, LogSettings};
use std::io::IsTerminal as _;
use std::panic::PanicHookInfo;
use tracing_subscriber::EnvFilter;

/// Starts logging; panics are logged too.
///
/// # Errors
/// When the filter is invalid, or logging was already started.
pub fn init(settings: &LogSettings) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let builder = tracing_subscriber::fmt().with_env_filter(filter(settings)?);
    match settings.format {
        LogFormat::Text => builder.with_ansi(std::io::stdout().is_terminal()).try_init()?,
        LogFormat::Json => builder.json().flatten_event(true).with_span_list(false).try_init()?,
    }
    std::panic::set_hook(Box::new(log_panic));
    Ok(())
}

/// Default level, then quiet libraries, then the setting: a later directive wins for the same target, and a
/// more specific target always wins. With `hyper=debug` alone `tracing` would silence the forwarder's lines;
/// here they stay at the default level.
fn filter(settings: &LogSettings) -> Result<EnvFilter, tracing_subscriber::filter::ParseError> {
    let quiet = LIBRARIES.map(|library| format!("{library}=warn")).join(",");
    let setting = settings.filter.as_deref().unwrap_or_default();
    EnvFilter::builder().parse(format!("{DEFAULT_LEVEL},{quiet},{setting}"))
}

/// Logs a panic as one line; the default hook writes several to standard error.
fn log_panic(info: &PanicHookInfo<'_>) {
    let message = info.payload_as_str().unwrap_or("no message");
    let location = info.location().map(ToString::to_string).unwrap_or_default();
    tracing::error!(location, "panicked: {message}");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter_for(setting: Option<&str>) -> String {
        let settings = LogSettings { filter: setting.map(str::to_owned), format: LogFormat::Text };
        filter(&settings).unwrap().to_string()
    }

    #[test]
    fn libraries_stay_at_warn_unless_named() {
        assert!(filter_for(None).contains("azure_core=warn") && filter_for(None).contains("info"));
        assert!(filter_for(Some("debug")).contains("azure_core=warn"));
        assert!(filter_for(Some("debug")).contains(",debug") && !filter_for(Some("debug")).contains("info"));
        let named = filter_for(Some("info,azure_core=debug"));
        assert!(named.contains("azure_core=debug") && !named.contains("azure_core=warn"), "{named}");
    }

    #[test]
    fn a_library_filter_keeps_the_forwarders_own_level() {
        let one = filter_for(Some("hyper=debug"));
        assert!(one.contains("info") && one.contains("hyper=debug"), "{one}");
    }
}
