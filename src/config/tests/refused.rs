//! Settings that would only fail later, or be read by nobody, and are refused at start.

use super::*;

#[test]
fn a_schedule_that_the_host_would_not_run_is_refused() {
    for schedule in ["*/5 * * * *", "5", "every five minutes", "0 0 0 * * * *", "a b c d e ?", "00:05:00"] {
        let expected = only("FLOWLOG_SWEEP_SCHEDULE", Wrong::NotASchedule);
        assert_eq!(wrong(&[], &[("FLOWLOG_SWEEP_SCHEDULE", schedule)]), expected, "{schedule}");
    }
    for schedule in ["0 */5 * * * *", " 30 0-59/5 * 1,15 JAN-MAR Mon "] {
        assert!(read_changed(&[], &[("FLOWLOG_SWEEP_SCHEDULE", schedule)]).is_ok(), "{schedule}");
    }
}

#[test]
fn the_hosts_storage_is_named_where_it_is_meant() {
    let errors = wrong(&["AzureWebJobsStorage"], &[]);
    let [(name, wrong_value)] = &errors[..] else { panic!("{errors:?}") };
    assert_eq!(name, "CHECKPOINT_STORAGE");
    assert!(wrong_value.to_string().contains("or AzureWebJobsStorage in either form"), "{wrong_value}");
    let errors = wrong(&[], &[("AzureWebJobsStorage", "nonsense")]);
    assert!(
        matches!(&errors[..], [(name, Wrong::ConnectionString(_))] if name == "AzureWebJobsStorage"),
        "{errors:?}"
    );
    let half = ("AzureWebJobsStorage__credential", "managedidentity");
    let errors = wrong(&["AzureWebJobsStorage"], &[half]);
    assert!(
        matches!(&errors[..], [(name, Wrong::Missing { .. })] if name == "AzureWebJobsStorage"),
        "{errors:?}"
    );
}

#[test]
fn names_that_are_nearly_a_settings_are_refused_with_the_right_one() {
    let read = |names: &[&str]| {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let lookup =
            |name: &str| LOCAL.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        let set = LOCAL.iter().map(|(name, _)| (*name).to_owned());
        Config::from_settings(set.chain(names), lookup)
    };
    for (slip, meant) in [
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
        let errors = read(&[slip]).unwrap_err();
        let expected =
            [Problem { setting: slip.to_owned(), wrong: Wrong::NoSuchSetting { meant: meant.to_owned() } }];
        assert_eq!(errors.problems(), expected, "{slip}");
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
fn private_link_names_are_refused_with_the_remedy() {
    let uri = ("FLOWLOG_STORAGE__blobServiceUri", "https://contoso.privatelink.blob.core.windows.net");
    assert_eq!(wrong(&["FLOWLOG_STORAGE"], &[uri]), only(uri.0, Wrong::PrivateLink));
    let namespace =
        ("EVENT_HUB_CONNECTION__fullyQualifiedNamespace", "contoso.PrivateLink.servicebus.windows.net:5671");
    assert_eq!(wrong(&["EVENT_HUB_CONNECTION"], &[namespace]), only(namespace.0, Wrong::PrivateLink));
    let string = format!("{STORAGE};BlobEndpoint=https://contoso.privatelink.blob.core.windows.net");
    let expected = Wrong::Part { key: "BlobEndpoint", wrong: Box::new(Wrong::PrivateLink) };
    assert_eq!(wrong(&[], &[("FLOWLOG_STORAGE", &string)]), only("FLOWLOG_STORAGE", expected));
    assert!(Wrong::PrivateLink.to_string().contains("without .privatelink"));
}
