//! Connection strings.

use crate::config::Config;

/// Any text as connection string of storage and of the hub is read or refused, and its key shows nowhere.
///
/// # Panics
/// When that is not so.
pub fn connection_string(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    for setting in ["FLOWLOG_STORAGE", "CHECKPOINT_STORAGE", "EVENT_HUB_CONNECTION"] {
        let config = Config::from_lookup(|name| (name == setting).then(|| text.to_owned()));
        let shown =
            config.map_or_else(|errors| format!("{errors} {errors:?}"), |config| format!("{config:?}"));
        for part in text.split(';') {
            let value = part.split_once('=').filter(|(name, _)| name.trim().ends_with("Key"));
            // A short one may stand in any sentence by chance, and one that stands twice may be no secret.
            if let Some((_, key)) = value.filter(|(_, key)| key.len() >= 20 && text.matches(key).count() == 1)
            {
                assert!(!shown.contains(key), "{setting}: {shown}");
            }
        }
    }
}
