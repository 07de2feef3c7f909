//! Connection strings.

use crate::config::Config;

/// Any text as a connection string of storage or of the hub is parsed or rejected, and its key is never shown.
///
/// # Panics
/// When that is violated.
pub fn connection_string(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    for setting in ["FLOWLOG_STORAGE", "CHECKPOINT_STORAGE", "EVENT_HUB_CONNECTION"] {
        let config = Config::from_lookup(|name| (name == setting).then(|| text.to_owned()));
        let shown =
            config.map_or_else(|errors| format!("{errors} {errors:?}"), |config| format!("{config:?}"));
        for part in text.split(';') {
            let value = part.split_once('=').filter(|(name, _)| name.trim().ends_with("Key"));
            // A short key may occur in a message by chance, and a repeated one may also be a name.
            if let Some((_, key)) = value.filter(|(_, key)| key.len() >= 20 && text.matches(key).count() == 1)
            {
                assert!(!shown.contains(key), "{setting}: {shown}");
            }
        }
    }
}
