//! The process's log: one line per occurrence, on standard output.
//!
//! The Functions host passes lines of standard output on to Application Insights, and takes every line
//! of standard error for an error, so nothing is logged there.

use crate::config::{DEFAULT_LEVEL, LIBRARIES, LogFormat, LogSettings};
use std::io::IsTerminal as _;
use std::panic::PanicHookInfo;
use tracing_subscriber::EnvFilter;

/// Starts logging, and sends the message of a panic the same way.
///
/// # Errors
/// When the filter is wrong, or logging was started before.
pub fn init(settings: &LogSettings) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let builder = tracing_subscriber::fmt().with_env_filter(filter(settings)?);
    match settings.format {
        LogFormat::Text => builder.with_ansi(std::io::stdout().is_terminal()).try_init()?,
        LogFormat::Json => builder.json().flatten_event(true).with_span_list(false).try_init()?,
    }
    std::panic::set_hook(Box::new(log_panic));
    Ok(())
}

/// Later directives win over earlier ones for the same target, and the more specific target always wins:
/// so the order is the default level, the quiet libraries, then what was asked for. With `hyper=debug` alone
/// the forwarder's own lines stay at the default level, which `tracing` by itself would silence.
fn filter(settings: &LogSettings) -> Result<EnvFilter, tracing_subscriber::filter::ParseError> {
    let quiet = LIBRARIES.map(|library| format!("{library}=warn")).join(",");
    let asked = settings.filter.as_deref().unwrap_or_default();
    EnvFilter::builder().parse(format!("{DEFAULT_LEVEL},{quiet},{asked}"))
}

/// One line for a panic, where the default hook writes several to standard error.
fn log_panic(info: &PanicHookInfo<'_>) {
    let message = info.payload_as_str().unwrap_or("no message");
    let location = info.location().map(ToString::to_string).unwrap_or_default();
    tracing::error!(location, "panicked: {message}");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter_for(asked: Option<&str>) -> String {
        let settings = LogSettings { filter: asked.map(str::to_owned), format: LogFormat::Text };
        filter(&settings).unwrap().to_string()
    }

    #[test]
    fn libraries_stay_quiet_unless_they_are_named() {
        assert!(filter_for(None).contains("azure_core=warn") && filter_for(None).contains("info"));
        assert!(filter_for(Some("debug")).contains("azure_core=warn"));
        assert!(filter_for(Some("debug")).contains(",debug") && !filter_for(Some("debug")).contains("info"));
        let named = filter_for(Some("info,azure_core=debug"));
        assert!(named.contains("azure_core=debug") && !named.contains("azure_core=warn"), "{named}");
    }

    #[test]
    fn a_filter_about_one_library_leaves_the_forwarders_lines_as_they_are() {
        let one = filter_for(Some("hyper=debug"));
        assert!(one.contains("info") && one.contains("hyper=debug"), "{one}");
    }
}
