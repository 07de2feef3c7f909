mod checkpoints;
mod error_texts;
mod hub;
mod storage;
mod whole;

use super::setting::Setting;
use super::settings::{ACCOUNT_NAME, CLIENT_ID, CREDENTIAL};
use super::*;
use std::collections::HashMap;

const STORAGE: &str = "DefaultEndpointsProtocol=https;AccountName=flowlogs;AccountKey=c2VjcmV0LWtleQ==";
const HUB_STRING: &str =
    "Endpoint=sb://contoso.servicebus.windows.net/;SharedAccessKeyName=send;SharedAccessKey=hub-secret=";

/// What every test starts from: local emulators for everything.
const LOCAL: &[(&str, &str)] = &[
    ("FLOWLOG_STORAGE", "UseDevelopmentStorage=true"),
    ("AzureWebJobsStorage", "UseDevelopmentStorage=true"),
    (
        "EVENT_HUB_CONNECTION",
        "Endpoint=sb://localhost;SharedAccessKeyName=Root;SharedAccessKey=K;UseDevelopmentEmulator=true;",
    ),
    ("EVENT_HUB_NAME", "flowlogs"),
];

fn read(settings: &[(&str, &str)]) -> Result<Config, ConfigErrors> {
    let settings: HashMap<_, _> = settings.iter().copied().collect();
    Config::from_lookup(|name| settings.get(name).map(|value| (*value).to_owned()))
}

/// Reads [`LOCAL`] without the settings `without`, and with `changes`.
fn read_changed(without: &[&str], changes: &[(&str, &str)]) -> Result<Config, ConfigErrors> {
    let kept = LOCAL.iter().filter(|(name, _)| !without.contains(name));
    let kept = kept.filter(|(name, _)| changes.iter().all(|(changed, _)| changed != name));
    read(&kept.chain(changes).copied().collect::<Vec<_>>())
}

/// The settings that are wrong then, and why.
fn reasons(without: &[&str], changes: &[(&str, &str)]) -> Vec<(String, Reason)> {
    let errors = read_changed(without, changes).unwrap_err();
    errors.errors().iter().map(|error| (error.setting.clone(), error.reason.clone())).collect()
}

fn only(setting: &str, reason: Reason) -> Vec<(String, Reason)> {
    vec![(setting.to_owned(), reason)]
}

/// The reason for a value that `setting` does not allow.
fn not_allowed<T>(setting: &Setting<T>) -> Reason {
    Reason::NotAllowed { allowed: setting.allowed.to_string() }
}

fn uris(config: &Config) -> Vec<&str> {
    config.sources.iter().map(|account| account.blob_service.as_str()).collect()
}
