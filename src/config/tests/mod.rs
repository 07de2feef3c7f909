mod refused;

use super::*;
use secrecy::ExposeSecret as _;
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

/// Reads [`LOCAL`] with `changes`; an empty name in `without` removes nothing.
fn read_changed(without: &[&str], changes: &[(&str, &str)]) -> Result<Config, ConfigErrors> {
    let kept = LOCAL.iter().filter(|(name, _)| !without.contains(name));
    let kept = kept.filter(|(name, _)| changes.iter().all(|(changed, _)| changed != name));
    read(&kept.chain(changes).copied().collect::<Vec<_>>())
}

fn wrong(without: &[&str], changes: &[(&str, &str)]) -> Vec<(String, Wrong)> {
    let errors = read_changed(without, changes).unwrap_err();
    errors.problems().iter().map(|problem| (problem.setting.clone(), problem.wrong.clone())).collect()
}

fn only(setting: &str, wrong: Wrong) -> Vec<(String, Wrong)> {
    vec![(setting.to_owned(), wrong)]
}

fn uris(config: &Config) -> Vec<&str> {
    config.sources.iter().map(|account| account.blob_service.as_str()).collect()
}

#[test]
fn four_settings_are_enough_and_the_rest_has_defaults() {
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
fn a_host_without_a_schedule_for_the_sweep_is_noticed() {
    let port = ("FUNCTIONS_CUSTOMHANDLER_PORT", "41234");
    let scheduled = |schedule: &[(&'static str, &'static str)]| {
        let settings: Vec<_> = [port].iter().chain(schedule).copied().collect();
        read_changed(&[], &settings).unwrap().sweep_is_scheduled
    };
    assert!(scheduled(&[("FLOWLOG_SWEEP_SCHEDULE", "0 */5 * * * *")]));
    assert!(!scheduled(&[]) && !scheduled(&[("FLOWLOG_SWEEP_SCHEDULE", " ")]));
}

#[test]
fn everything_wrong_is_reported_at_once_each_by_its_name() {
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
    let names: Vec<_> = errors.problems().iter().map(|problem| problem.setting.as_str()).collect();
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
    assert!(text.contains("FLOWLOG_STORAGE__blobServiceUri to read it by managed identity"), "{text}");
}

#[test]
fn an_identity_reads_several_accounts() {
    let client = "0aaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e";
    let config = read_changed(
        &["FLOWLOG_STORAGE"],
        &[
            (
                "FLOWLOG_STORAGE__blobServiceUri",
                "https://East.blob.core.windows.net/, https://west.z12.blob.storage.azure.net",
            ),
            ("FLOWLOG_STORAGE__credential", "managedIdentity"),
            ("FLOWLOG_STORAGE__clientId", client),
        ],
    )
    .unwrap();
    assert_eq!(
        uris(&config),
        ["https://east.blob.core.windows.net/", "https://west.z12.blob.storage.azure.net/"]
    );
    for account in &config.sources {
        let StorageAccess::Identity(identity) = &account.access else { panic!("{account:?}") };
        assert_eq!(identity.client_id.as_deref(), Some(client));
    }
}

#[test]
fn a_client_id_alone_is_fine_and_a_wrong_credential_names_the_valid_one() {
    let uri = ("FLOWLOG_STORAGE__blobServiceUri", "https://east.blob.core.windows.net");
    let id = ("FLOWLOG_STORAGE__clientId", "0aaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e");
    assert!(read_changed(&["FLOWLOG_STORAGE"], &[uri, id]).is_ok());
    let credential = ("FLOWLOG_STORAGE__credential", "clientsecret");
    assert_eq!(
        wrong(&["FLOWLOG_STORAGE"], &[uri, credential]),
        only("FLOWLOG_STORAGE__credential", Wrong::NotOneOf { allowed: "managedidentity" })
    );
    assert_eq!(
        wrong(&["FLOWLOG_STORAGE"], &[uri, ("FLOWLOG_STORAGE__clientId", "my-identity")]),
        only("FLOWLOG_STORAGE__clientId", Wrong::NotAClientId)
    );
    let errors = wrong(&["FLOWLOG_STORAGE"], &[uri, ("FLOWLOG_STORAGE__managedIdentityResourceId", "/x")]);
    assert!(
        matches!(&errors[0].1, Wrong::Unsupported { client_id } if client_id == "FLOWLOG_STORAGE__clientId")
    );
}

#[test]
fn storage_connection_strings_are_read_in_every_form() {
    let blob = |value: &str| {
        let config = read_changed(&[], &[("FLOWLOG_STORAGE", value)]).unwrap();
        config.sources[0].clone()
    };
    let account = blob(STORAGE);
    assert_eq!(account.blob_service.as_str(), "https://flowlogs.blob.core.windows.net/");
    let StorageAccess::Key { account, key } = account.access else { panic!() };
    assert_eq!((account.as_str(), key.expose_secret()), ("flowlogs", "c2VjcmV0LWtleQ=="));

    let china = blob("accountname=flowlogs;ACCOUNTKEY=c2VjcmV0;EndpointSuffix=core.chinacloudapi.cn;");
    assert_eq!(china.blob_service.as_str(), "https://flowlogs.blob.core.chinacloudapi.cn/");

    let other_port = blob("AccountName=dev;AccountKey=c2VjcmV0;BlobEndpoint=http://127.0.0.1:40001/dev;");
    assert_eq!(other_port.blob_service.as_str(), "http://127.0.0.1:40001/dev");

    let sas = blob(
        "BlobEndpoint=https://flowlogs.blob.core.windows.net/;SharedAccessSignature=?sv=2026-01-01&sig=a%3D",
    );
    let StorageAccess::Sas(sas) = sas.access else { panic!() };
    assert_eq!(sas.expose_secret(), "sv=2026-01-01&sig=a%3D");

    let container = blob("UseDevelopmentStorage=true;DevelopmentStorageProxyUri=http://azurite");
    assert_eq!(container.blob_service.as_str(), "http://azurite:10000/devstoreaccount1");
}

#[test]
fn storage_connection_strings_say_what_they_lack() {
    let wrong = |value: &str| wrong(&[], &[("FLOWLOG_STORAGE", value)]).remove(0).1;
    assert_eq!(wrong("AccountName=a;nonsense"), Wrong::ConnectionString(Malformed::NoEquals { number: 2 }));
    assert_eq!(
        wrong("AccountName=flowlogs"),
        Wrong::ConnectionString(Malformed::Without { key: "AccountKey or SharedAccessSignature" })
    );
    assert_eq!(
        wrong("AccountKey=c2VjcmV0;BlobEndpoint=http://127.0.0.1:40001/dev"),
        Wrong::ConnectionString(Malformed::Without { key: "AccountName" })
    );
    assert_eq!(
        wrong("SharedAccessSignature=sv=1;QueueEndpoint=https://flowlogs.queue.core.windows.net"),
        Wrong::NoEndpoint { service: "blob", key: "BlobEndpoint" }
    );
    assert_eq!(
        wrong("AccountName=flowlogs;AccountKey=half a key"),
        Wrong::Part { key: "AccountKey", wrong: Box::new(Wrong::NotAKey) }
    );
    assert_eq!(
        wrong("AccountName=Flow Logs;AccountKey=c2VjcmV0"),
        Wrong::Part { key: "AccountName", wrong: Box::new(Wrong::NotAnAccountName) }
    );
}

#[test]
fn addresses_that_are_not_a_bare_https_service_are_refused() {
    let wrong = |value: &str| {
        let setting = "FLOWLOG_STORAGE__blobServiceUri";
        wrong(&["FLOWLOG_STORAGE"], &[(setting, value)]).remove(0).1
    };
    let not_a_uri = Wrong::NotAUri { example: "https://contoso.blob.core.windows.net" };
    assert_eq!(wrong("http://contoso.blob.core.windows.net"), Wrong::NeedsHttps);
    assert_eq!(wrong("contoso.blob.core.windows.net"), not_a_uri);
    assert_eq!(wrong("ftp://contoso.blob.core.windows.net"), not_a_uri);
    assert_eq!(wrong("https://contoso.blob.core.windows.net:0"), not_a_uri);
    assert_eq!(wrong("https:contoso.blob.core.windows.net"), not_a_uri);
    assert_eq!(wrong("https://cöntoso.blob.core.windows.net"), Wrong::NotAscii);
    assert_eq!(wrong("https://contoso.blob.core.windows.net/insights-logs"), Wrong::HasPath);
    assert_eq!(wrong("https://127.0.0.1:10000/dev/insights-logs"), Wrong::HasPath);
    assert_eq!(
        wrong("https://contoso.dfs.core.windows.net"),
        Wrong::OtherService { found: "dfs".to_owned(), expected: "blob" }
    );
    for (uri, part) in [
        ("https://contoso.blob.core.windows.net?sv=1&sig=hidden", "query"),
        ("https://me:hidden@contoso.blob.core.windows.net", "user name or password"),
        ("https://contoso.blob.core.windows.net#hidden", "fragment"),
    ] {
        let wrong = wrong(uri);
        assert_eq!(wrong, Wrong::NotBare { part });
        assert!(!wrong.to_string().contains("hidden"));
    }
    assert_eq!(wrong("https://a.blob.core.windows.net,"), not_a_uri, "an empty address in the list");
}

#[test]
fn checkpoints_fall_back_to_the_hosts_storage_in_every_form() {
    let checkpoints = |changes: &[(&str, &str)]| {
        let config = read_changed(&["AzureWebJobsStorage"], changes).unwrap();
        let storage = config.checkpoints;
        (storage.blob_service.to_string(), storage.table_service.to_string())
    };
    let expected = (
        "https://flowlogs.blob.core.windows.net/".to_owned(),
        "https://flowlogs.table.core.windows.net/".to_owned(),
    );
    for changes in [
        &[("AzureWebJobsStorage", STORAGE)][..],
        &[("AzureWebJobsStorage__accountName", "flowlogs")],
        &[("AzureWebJobsStorage__blobServiceUri", "https://flowlogs.blob.core.windows.net")],
        &[("AzureWebJobsStorage__tableServiceUri", "https://flowlogs.table.core.windows.net")],
        &[("CHECKPOINT_STORAGE", STORAGE), ("AzureWebJobsStorage", "")],
        &[
            ("CHECKPOINT_STORAGE__accountName", "flowlogs"),
            ("AzureWebJobsStorage", "UseDevelopmentStorage=true"),
        ],
    ] {
        assert_eq!(checkpoints(changes), expected, "{changes:?}");
    }
    let local = [
        ("CHECKPOINT_STORAGE__blobServiceUri", "https://127.0.0.1:10000/dev"),
        ("CHECKPOINT_STORAGE__tableServiceUri", "https://127.0.0.1:10002/dev"),
    ];
    assert_eq!(checkpoints(&local).1, "https://127.0.0.1:10002/dev");
}

#[test]
fn an_emulators_table_does_not_follow_from_its_blobs() {
    let blob = ("CHECKPOINT_STORAGE__blobServiceUri", "https://127.0.0.1:10000/dev");
    let from = "CHECKPOINT_STORAGE__blobServiceUri".to_owned();
    assert_eq!(
        wrong(&[], &[blob]),
        only("CHECKPOINT_STORAGE__tableServiceUri", Wrong::NotDerivable { from, service: "table" })
    );
    assert_eq!(
        wrong(
            &[],
            &[(
                "CHECKPOINT_STORAGE",
                "AccountKey=c2VjcmV0;AccountName=dev;BlobEndpoint=http://localhost:1/dev;TableEndpoint=ftp://x"
            )]
        ),
        only(
            "CHECKPOINT_STORAGE",
            Wrong::Part {
                key: "TableEndpoint",
                wrong: Box::new(Wrong::NotAUri { example: "https://contoso.table.core.windows.net" })
            }
        )
    );
}

#[test]
fn an_explicit_blob_endpoint_never_sends_the_table_to_the_public_cloud() {
    let string = "DefaultEndpointsProtocol=http;AccountName=dev;AccountKey=c2VjcmV0;BlobEndpoint=http://127.0.0.1:10000/dev;";
    assert!(read_changed(&[], &[("FLOWLOG_STORAGE", string)]).is_ok(), "a source needs no table");
    assert_eq!(
        wrong(&[], &[("CHECKPOINT_STORAGE", string)]),
        only("CHECKPOINT_STORAGE", Wrong::NoEndpoint { service: "table", key: "TableEndpoint" })
    );
}

#[test]
fn half_a_connection_does_not_fall_back_silently() {
    let id = ("CHECKPOINT_STORAGE__clientId", "0aaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e");
    let errors = wrong(&[], &[id]);
    assert!(
        matches!(&errors[..], [(name, Wrong::Missing { .. })] if name == "CHECKPOINT_STORAGE"),
        "{errors:?}"
    );
}

#[test]
fn two_forms_of_one_connection_are_refused_and_named() {
    let uri = ("FLOWLOG_STORAGE__blobServiceUri", "https://flowlogs.blob.core.windows.net");
    let other = "FLOWLOG_STORAGE__blobServiceUri".to_owned();
    assert_eq!(wrong(&[], &[uri]), only("FLOWLOG_STORAGE", Wrong::TwoForms { other }));
    let other = "EVENT_HUB_CONNECTION__fullyQualifiedNamespace".to_owned();
    assert_eq!(
        wrong(&[], &[(other.as_str(), "contoso.servicebus.windows.net")]),
        only("EVENT_HUB_CONNECTION", Wrong::TwoForms { other: other.clone() })
    );
    let id = ("FLOWLOG_STORAGE__clientId", "0aaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e");
    let other = "FLOWLOG_STORAGE".to_owned();
    assert_eq!(wrong(&[], &[id]), only("FLOWLOG_STORAGE__clientId", Wrong::IdentityBesideString { other }));
    let other = "FLOWLOG_STORAGE__blobServiceUri".to_owned();
    assert_eq!(
        wrong(&["FLOWLOG_STORAGE"], &[uri, ("FLOWLOG_STORAGE__accountName", "flowlogs")]),
        only("FLOWLOG_STORAGE__accountName", Wrong::Twice { other })
    );
}

#[test]
fn empty_settings_are_refused() {
    assert_eq!(wrong(&[], &[("EVENT_HUB_NAME", " ")]), only("EVENT_HUB_NAME", Wrong::Empty));
    assert_eq!(wrong(&[], &[("FLOWLOG_STORAGE", "")]), only("FLOWLOG_STORAGE", Wrong::Empty));
    assert!(read_changed(&[], &[("RUST_LOG", "")]).is_ok(), "an empty RUST_LOG is as good as none");
}

#[test]
fn event_hub_connections_are_read_in_every_form() {
    let hub = |value: &str| {
        read_changed(&["EVENT_HUB_NAME"], &[("EVENT_HUB_CONNECTION", value)]).map(|config| config.hub)
    };
    let entity = hub(&format!("{HUB_STRING};EntityPath=flowlogs")).unwrap();
    assert_eq!(
        (entity.host.as_str(), entity.port, entity.tls),
        ("contoso.servicebus.windows.net", 5671, true)
    );
    assert_eq!(entity.name, "flowlogs");
    let HubAccess::Key { name, key } = entity.access else { panic!() };
    assert_eq!((name.as_str(), key.expose_secret()), ("send", "hub-secret="));

    let signature = hub(
        "endpoint=SB://Contoso.servicebus.windows.net:5671;EntityPath=h;SharedAccessSignature=SharedAccessSignature sr=x&sig=y%3d&se=1&skn=n",
    )
    .unwrap();
    assert_eq!(signature.host, "contoso.servicebus.windows.net");
    let HubAccess::Signature(signature) = signature.access else { panic!() };
    assert!(signature.expose_secret().starts_with("SharedAccessSignature sr="));

    let emulator = "Endpoint=sb://127.0.0.1:40002/;SharedAccessKeyName=n;SharedAccessKey=k;EntityPath=h;UseDevelopmentEmulator=true";
    let emulator = hub(emulator).unwrap();
    assert_eq!((emulator.host.as_str(), emulator.port, emulator.tls), ("127.0.0.1", 40002, false));

    let by_identity = read_changed(
        &["EVENT_HUB_CONNECTION"],
        &[("EVENT_HUB_CONNECTION__fullyQualifiedNamespace", "Contoso.servicebus.windows.net")],
    );
    let by_identity = by_identity.unwrap().hub;
    assert_eq!((by_identity.host.as_str(), by_identity.port), ("contoso.servicebus.windows.net", 5671));
    assert!(matches!(by_identity.access, HubAccess::Identity(Identity { client_id: None })));
}

#[test]
fn event_hub_connection_strings_say_what_they_lack() {
    let wrong = |value: &str| wrong(&[], &[("EVENT_HUB_CONNECTION", value)]).remove(0).1;
    let without = |key| Wrong::ConnectionString(Malformed::Without { key });
    assert_eq!(wrong("SharedAccessKeyName=n;SharedAccessKey=hidden"), without("Endpoint"));
    assert_eq!(
        wrong("Endpoint=sb://a.net/;SharedAccessKeyName=n"),
        without("SharedAccessKey or SharedAccessSignature")
    );
    assert_eq!(wrong("Endpoint=sb://a.net/;SharedAccessKey=hidden"), without("SharedAccessKeyName"));
    assert_eq!(
        wrong("Endpoint=sb://a.net/;SharedAccessKey=hidden;SharedAccessSignature=hidden"),
        Wrong::ConnectionString(Malformed::Both { one: "SharedAccessKey", other: "SharedAccessSignature" })
    );
    for endpoint in ["https://a.net/", "a.net", "sb://", "sb://a.net/hub", "sb://me@a.net"] {
        let value = format!("Endpoint={endpoint};SharedAccessKeyName=n;SharedAccessKey=hidden");
        let expected = Wrong::Part { key: "Endpoint", wrong: Box::new(Wrong::NotANamespace) };
        assert_eq!(wrong(&value), expected, "{endpoint}");
    }
}

#[test]
fn the_hub_has_one_name() {
    let with_entity = format!("{HUB_STRING};EntityPath=Hub-1");
    let named = |name| read_changed(&[], &[("EVENT_HUB_CONNECTION", &with_entity), ("EVENT_HUB_NAME", name)]);
    assert_eq!(named("hub-1").unwrap().hub.name, "hub-1");
    let errors = named("hub-2").unwrap_err();
    assert!(matches!(&errors.problems()[0].wrong, Wrong::TwoHubs { .. }), "{errors}");
    let errors = wrong(&["EVENT_HUB_NAME"], &[]);
    assert!(matches!(&errors[..], [(name, Wrong::Missing { .. })] if name == "EVENT_HUB_NAME"), "{errors:?}");
}

#[test]
fn namespaces_that_are_not_a_host_name_are_refused() {
    let wrong = |value: &str| {
        let setting = "EVENT_HUB_CONNECTION__fullyQualifiedNamespace";
        wrong(&["EVENT_HUB_CONNECTION"], &[(setting, value)]).remove(0).1
    };
    for value in ["sb://contoso.servicebus.windows.net", "a.net/b", "me@a.net", "a b", "a.net?x", "[::1"] {
        assert_eq!(wrong(value), Wrong::NotANamespace, "{value}");
    }
    for value in ["a.net:0", "a.net:65536", "a.net:"] {
        assert!(matches!(wrong(value), Wrong::NotAPort | Wrong::NotANamespace), "{value}");
    }
    assert_eq!(wrong("cöntoso.net"), Wrong::NotAscii);
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
    for setting in SETTINGS {
        for value in [STORAGE, HUB_STRING, "c2VjcmV0LWtleQ==", "hub-secret"] {
            if let Err(errors) = read_changed(&[], &[(setting.name, value)]) {
                let shown = format!("{errors} {errors:?}");
                for secret in secrets {
                    assert!(!shown.contains(secret), "{}: {shown}", setting.name);
                }
            }
        }
    }
}
