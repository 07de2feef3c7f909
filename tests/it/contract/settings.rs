//! The settings documented are those that the code reads.

use flowlog_forwarder::config::{Config, Documented, names, settings};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

fn file(name: &str) -> String {
    std::fs::read_to_string(format!("{}/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

/// The names that the code looks up with the settings `given`.
fn looked_up(given: &BTreeMap<&str, &str>) -> BTreeSet<String> {
    let names = RefCell::new(BTreeSet::new());
    let _ = Config::from_lookup(|name| {
        names.borrow_mut().insert(name.to_owned());
        given.get(name).map(|value| (*value).to_owned())
    });
    names.into_inner()
}

/// Names that the code looks up to reject them.
const REFUSED: [&str; 3] = ["__managedIdentityResourceId", "__clientSecret", "__tenantId"];

#[test]
fn the_settings_read_are_the_settings_documented() {
    let by_string = BTreeMap::from([
        ("FLOWLOG_STORAGE", "UseDevelopmentStorage=true"),
        ("AzureWebJobsStorage", "UseDevelopmentStorage=true"),
        ("EVENT_HUB_CONNECTION", "Endpoint=sb://x"),
    ]);
    let by_identity = BTreeMap::from([
        ("FLOWLOG_STORAGE__accountName", "contoso"),
        ("CHECKPOINT_STORAGE__accountName", "contoso"),
        ("EVENT_HUB_CONNECTION__fullyQualifiedNamespace", "contoso.servicebus.windows.net"),
    ]);
    let fallback = BTreeMap::from([("AzureWebJobsStorage__accountName", "contoso")]);
    let read: BTreeSet<String> = [by_string, by_identity, fallback]
        .iter()
        .flat_map(looked_up)
        .filter(|name| !REFUSED.iter().any(|refused| name.ends_with(refused)))
        .collect();
    let documented: BTreeSet<String> = names().into_iter().collect();
    let undocumented: Vec<_> = read.difference(&documented).collect();
    // A table address says nothing about where flow logs are; it is looked up with the other forms.
    assert_eq!(undocumented, ["FLOWLOG_STORAGE__tableServiceUri"]);
    let unread: Vec<_> = documented.difference(&read).collect();
    assert!(unread.is_empty(), "{unread:?}");
}

#[test]
fn the_documented_table_is_that_of_the_code() {
    let page = file("docs/settings.md");
    let rows: Vec<&str> = page.lines().filter(|line| line.starts_with("| `")).collect();
    let expected: Vec<String> = settings().iter().map(Documented::row).collect();
    assert_eq!(rows, expected, "the table should read:\n{}\n", expected.join("\n"));
}

#[test]
fn the_example_of_local_settings_is_complete_and_holds_nothing_unknown() {
    let example: serde_json::Value = serde_json::from_str(&file("local.settings.json.example")).unwrap();
    assert_eq!(example["IsEncrypted"], false);
    let values = example["Values"].as_object().unwrap();
    for name in values.keys().filter(|name| *name != "FUNCTIONS_WORKER_RUNTIME") {
        assert!(names().contains(name), "{name}");
    }
    let config = Config::from_lookup(|name| values.get(name).map(|value| value.as_str().unwrap().to_owned()));
    assert!(!config.unwrap().hub.tls, "emulators speak plain AMQP");
}
