//! All settings together.

use super::*;
use crate::flow_log::VNET_CONTAINER;

#[test]
fn four_settings_are_enough() {
    let config = read(LOCAL).unwrap();
    assert_eq!(config.port, 3000);
    assert_eq!(uris(&config), ["http://127.0.0.1:10000/devstoreaccount1"]);
    assert_eq!(config.containers, [VNET_CONTAINER]);
    assert_eq!(config.checkpoints.table_service.as_str(), "http://127.0.0.1:10002/devstoreaccount1");
    assert_eq!((config.hub.host.as_str(), config.hub.port, config.hub.tls), ("localhost", 5672, false));
    assert_eq!(config.partition_key, PartitionKey::None);
    assert_eq!(config.max_message_bytes, None);
    assert_eq!(config.retention, Retention::of_days(7));
    assert!(config.sweep_is_scheduled, "whoever starts the process by hand may sweep by hand");
    assert_eq!(config.log, LogSettings { filter: None, format: LogFormat::Text });
}

#[test]
fn every_optional_setting_is_read() {
    let config = read_changed(
        &[],
        &[
            ("FUNCTIONS_CUSTOMHANDLER_PORT", " 41234 "),
            (
                "FLOWLOG_CONTAINERS",
                "insights-logs-flowlogflowevent, insights-logs-networksecuritygroupflowevent",
            ),
            ("EVENT_HUB_PARTITION_KEY", "nic"),
            ("MAX_MESSAGE_BYTES", "262144"),
            ("CHECKPOINT_RETENTION_DAYS", "30"),
            ("RUST_LOG", "debug,hyper=warn"),
        ],
    )
    .unwrap();
    assert_eq!(config.port, 41234);
    assert_eq!(config.containers.len(), 2);
    assert_eq!(config.partition_key, PartitionKey::Nic);
    assert_eq!(config.max_message_bytes.unwrap().get(), 262_144);
    assert_eq!(config.retention, Retention::of_days(30));
    assert_eq!(config.log.filter.as_deref(), Some("debug,hyper=warn"));
    assert_eq!(config.log.format, LogFormat::Json, "under the host, lines are JSON unless asked otherwise");
}

#[test]
fn a_host_without_a_sweep_schedule_is_noticed() {
    let port = ("FUNCTIONS_CUSTOMHANDLER_PORT", "41234");
    let scheduled = |schedule: &[(&'static str, &'static str)]| {
        let settings: Vec<_> = [port].iter().chain(schedule).copied().collect();
        read_changed(&[], &settings).unwrap().sweep_is_scheduled
    };
    assert!(scheduled(&[("FLOWLOG_SWEEP_SCHEDULE", "0 */5 * * * *")]));
    assert!(!scheduled(&[]) && !scheduled(&[("FLOWLOG_SWEEP_SCHEDULE", " ")]));
}

#[test]
fn a_schedule_that_the_host_never_runs_is_refused() {
    for schedule in ["*/5 * * * *", "5", "every five minutes", "0 0 0 * * * *", "a b c d e ?", "00:05:00"] {
        let expected = only("FLOWLOG_SWEEP_SCHEDULE", not_allowed(&SCHEDULE));
        assert_eq!(reasons(&[], &[("FLOWLOG_SWEEP_SCHEDULE", schedule)]), expected, "{schedule}");
    }
    for schedule in ["0 */5 * * * *", " 30 0-59/5 * 1,15 JAN-MAR Mon "] {
        assert!(read_changed(&[], &[("FLOWLOG_SWEEP_SCHEDULE", schedule)]).is_ok(), "{schedule}");
    }
}

#[test]
fn every_wrong_setting_is_reported_by_name() {
    let errors = read(&[
        ("FUNCTIONS_CUSTOMHANDLER_PORT", "0"),
        ("FLOWLOG_CONTAINERS", "Insights_Logs"),
        ("EVENT_HUB_NAME", "a/b"),
        ("EVENT_HUB_PARTITION_KEY", "mac"),
        ("MAX_MESSAGE_BYTES", "1"),
        ("CHECKPOINT_RETENTION_DAYS", "1"),
        ("FLOWLOG_SWEEP_SCHEDULE", "*/5 * * * *"),
        ("RUST_LOG", "verbose"),
        ("LOG_FORMAT", "xml"),
    ])
    .unwrap_err();
    let names: Vec<_> = errors.errors().iter().map(|problem| problem.setting.as_str()).collect();
    assert_eq!(
        names,
        [
            "FUNCTIONS_CUSTOMHANDLER_PORT",
            "FLOWLOG_STORAGE",
            "FLOWLOG_CONTAINERS",
            "CHECKPOINT_STORAGE",
            "EVENT_HUB_NAME",
            "EVENT_HUB_CONNECTION",
            "EVENT_HUB_PARTITION_KEY",
            "MAX_MESSAGE_BYTES",
            "CHECKPOINT_RETENTION_DAYS",
            "FLOWLOG_SWEEP_SCHEDULE",
            "RUST_LOG",
            "LOG_FORMAT",
        ]
    );
    let text = errors.to_string();
    assert!(text.starts_with("12 settings are wrong:\n"), "{text}");
    assert_eq!(text.lines().count(), 13);
    assert!(text.contains("FLOWLOG_STORAGE__blobServiceUri to use a managed identity"), "{text}");
}

#[test]
fn empty_settings_are_refused() {
    assert_eq!(reasons(&[], &[("EVENT_HUB_NAME", " ")]), only("EVENT_HUB_NAME", Reason::Empty));
    assert_eq!(reasons(&[], &[("FLOWLOG_STORAGE", "")]), only("FLOWLOG_STORAGE", Reason::Empty));
    assert!(read_changed(&[], &[("RUST_LOG", "")]).is_ok(), "an empty RUST_LOG is as good as none");
}

#[test]
fn typos_in_names_are_reported_with_the_right_name() {
    let read = |names: &[&str]| {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let lookup =
            |name: &str| LOCAL.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        let set = LOCAL.iter().map(|(name, _)| (*name).to_owned());
        Config::from_settings(set.chain(names), lookup)
    };
    for (typo, similar) in [
        ("FLOWLOG_STORAGE_blobServiceUri", "FLOWLOG_STORAGE__blobServiceUri"),
        ("FLOWLOG_STORAGE__blobServiceURI", "FLOWLOG_STORAGE__blobServiceUri"),
        ("FLOWLOG_STORAGE:blobServiceUri", "FLOWLOG_STORAGE__blobServiceUri"),
        ("FLOWLOG_CONTAINER", "FLOWLOG_CONTAINERS"),
        ("CHECKPOINT_RETENTION_DAY", "CHECKPOINT_RETENTION_DAYS"),
        ("CHECKPOINT_STORAGE__tableServiceUrl", "CHECKPOINT_STORAGE__tableServiceUri"),
        ("EVENTHUB_PARTITION_KEY", "EVENT_HUB_PARTITION_KEY"),
        ("AzureWebJobsStorage_accountName", "AzureWebJobsStorage__accountName"),
        ("MAX_MESSAGE_BYTE", "MAX_MESSAGE_BYTES"),
        ("RustLog", "RUST_LOG"),
    ] {
        let errors = read(&[typo]).unwrap_err();
        let expected = [SettingError {
            setting: typo.to_owned(),
            reason: Reason::UnknownName { similar: similar.to_owned() },
        }];
        assert_eq!(errors.errors(), expected, "{typo}");
    }
    // Another program's, the host's own, and what stands beside the right one.
    let foreign = [
        "PATH",
        "TEST_LOG",
        "LOG_FORMATTER",
        "AzureWebJobsStorage__queueServiceUri",
        "AzureWebJobsSecretStorageType",
        "APPSETTING_FLOWLOG_STORAGE",
        "FUNCTIONS_HTTPWORKER_PORT",
        "FUNCTIONS_CUSTOMHANDLER_WORKER_ID",
        "FLOWLOG_FORWARDER_BIN",
        "FLOWLOG_STORAGES",
        "EVENT_HUB_NAMES",
    ];
    assert!(read(&foreign).is_ok(), "{:?}", read(&foreign));
}

#[test]
fn no_secret_is_ever_shown() {
    let secrets = ["c2VjcmV0LWtleQ==", "hub-secret"];
    let good = read_changed(&[], &[("FLOWLOG_STORAGE", STORAGE), ("EVENT_HUB_CONNECTION", HUB_STRING)]);
    let good = format!("{good:?}");
    assert!(good.contains("flowlogs"), "{good}");
    for secret in secrets {
        assert!(!good.contains(secret), "{good}");
    }
    // Each setting in turn is given each secret-bearing value, wherever it does not belong.
    for name in names() {
        for value in [STORAGE, HUB_STRING, "c2VjcmV0LWtleQ==", "hub-secret"] {
            if let Err(errors) = read_changed(&[], &[(&name, value)]) {
                let shown = format!("{errors} {errors:?}");
                for secret in secrets {
                    assert!(!shown.contains(secret), "{name}: {shown}");
                }
            }
        }
    }
}
