//! The text of every error, as the operator reads it, under review in one file: `snapshots/error_texts.snap`. After a
//! change on purpose: `INSTA_UPDATE=always cargo test --lib config::tests::error_texts`.

use super::*;
use std::collections::BTreeSet;

/// Values that are wrong for the setting of that name, or of that part. Each raises another error.
const WRONG_VALUES: &[(&[&str], &[&str])] = &[
    (
        &["FLOWLOG_STORAGE", "CHECKPOINT_STORAGE", "AzureWebJobsStorage"],
        &[
            "",
            "nonsense",
            "AccountName=flowlogs",
            "AccountName=flowlogs;AccountName=flowlogs",
            "UseDevelopmentStorage=1",
            "UseDevelopmentStorage=true;DevelopmentStorageProxyUri=azurite",
            "AccountKey=c2VjcmV0;BlobEndpoint=http://127.0.0.1:40001/dev",
            "SharedAccessSignature=sv=1;QueueEndpoint=https://flowlogs.queue.core.windows.net",
            "AccountName=flowlogs;AccountKey=c2VjcmV0;SharedAccessSignature=sv=1",
            "AccountName=flowlogs;AccountKey=half a key",
            "AccountName=Flow Logs;AccountKey=c2VjcmV0",
            "AccountName=flowlogs;AccountKey=c2VjcmV0;EndpointSuffix=a b",
            "AccountName=flowlogs;AccountKey=c2VjcmV0;BlobEndpoint=http://127.0.0.1:40001/dev",
            "AccountName=flowlogs;AccountKey=c2VjcmV0;BlobEndpoint=https://flowlogs.privatelink.blob.core.windows.net",
            "AccountName=flowlogs;AccountKey=c2VjcmV0;TableEndpoint=https://flowlogs.blob.core.windows.net",
        ],
    ),
    (
        &[
            "FLOWLOG_STORAGE__blobServiceUri",
            "CHECKPOINT_STORAGE__blobServiceUri",
            "CHECKPOINT_STORAGE__tableServiceUri",
            "AzureWebJobsStorage__blobServiceUri",
            "AzureWebJobsStorage__tableServiceUri",
        ],
        &[
            "",
            "contoso",
            "http://contoso.example",
            "https://cöntoso.example",
            "https://contoso.example?sv=1&sig=hidden",
            "https://contoso.example#hidden",
            "https://me:hidden@contoso.example",
            "https://contoso.privatelink.example",
            "https://contoso.example/account/container",
            "https://contoso.dfs.core.windows.net",
            "https://127.0.0.1:10000/dev",
        ],
    ),
    (
        &[
            "FLOWLOG_STORAGE__accountName",
            "CHECKPOINT_STORAGE__accountName",
            "AzureWebJobsStorage__accountName",
        ],
        &["", "Flow Logs"],
    ),
    (&["FLOWLOG_CONTAINERS"], &["", "Insights_Logs"]),
    (
        &["EVENT_HUB_CONNECTION"],
        &[
            "",
            "nonsense",
            "SharedAccessKeyName=n;SharedAccessKey=hidden",
            "Endpoint=https://a.net/;SharedAccessKeyName=n;SharedAccessKey=hidden",
            "Endpoint=sb://a.net:0/;SharedAccessKeyName=n;SharedAccessKey=hidden",
            "Endpoint=sb://ä.net/;SharedAccessKeyName=n;SharedAccessKey=hidden",
            "Endpoint=sb://a.privatelink.net/;SharedAccessKeyName=n;SharedAccessKey=hidden",
            "Endpoint=sb://a.net/;Endpoint=sb://a.net/",
            "Endpoint=sb://a.net/;UseDevelopmentEmulator=1",
            "Endpoint=sb://a.net/;SharedAccessKeyName=n;SharedAccessKey=hidden;EntityPath=a/b",
            "Endpoint=sb://a.net/;SharedAccessKeyName=n;SharedAccessKey=hidden;SharedAccessSignature=hidden",
            "Endpoint=sb://a.net/;SharedAccessKeyName=n",
            "Endpoint=sb://a.net/;SharedAccessKey=hidden",
        ],
    ),
    (
        &["EVENT_HUB_CONNECTION__fullyQualifiedNamespace"],
        &["", "sb://a.net", "a.net:0", "ä.net", "a.privatelink.net"],
    ),
    (&["EVENT_HUB_NAME"], &["", "a/b"]),
    (&["EVENT_HUB_PARTITION_KEY"], &["", "mac"]),
    (&["MAX_MESSAGE_BYTES"], &["", "1"]),
    (&["CHECKPOINT_RETENTION_DAYS"], &["", "1"]),
    (&["FLOWLOG_SWEEP_SCHEDULE"], &["*/5 * * * *"]),
    (&["FUNCTIONS_CUSTOMHANDLER_PORT"], &["", "0"]),
    (&["RUST_LOG"], &["verbose", "info=loud=very", "off"]),
    (&["LOG_FORMAT"], &["", "xml"]),
];

/// The address by which the identity of a connection is used.
const ADDRESSES: [(&str, &str); 4] = [
    ("FLOWLOG_STORAGE", "accountName"),
    ("EVENT_HUB_CONNECTION", "fullyQualifiedNamespace"),
    ("CHECKPOINT_STORAGE", "accountName"),
    ("AzureWebJobsStorage", "accountName"),
];

fn errors(without: &[&str], changes: &[(&str, &str)]) -> Vec<SettingError> {
    let kept = LOCAL.iter().filter(|(name, _)| !without.contains(name));
    let kept = kept.filter(|(name, _)| changes.iter().all(|(changed, _)| changed != name));
    let settings: HashMap<_, _> = kept.chain(changes).copied().collect();
    let names: Vec<String> = settings.keys().map(|name| (*name).to_owned()).collect();
    let read = Config::from_settings(names, |name| settings.get(name).map(|value| (*value).to_owned()));
    read.err().map(|errors| errors.errors().to_vec()).unwrap_or_default()
}

fn all_errors() -> Vec<SettingError> {
    let mut all = Vec::new();
    for (names, values) in WRONG_VALUES {
        for name in *names {
            // A part is read without its connection string only.
            let without = name.split_once("__").map(|(connection, _)| connection);
            for value in *values {
                all.extend(errors(without.as_slice(), &[(*name, *value)]));
            }
        }
    }
    for (connection, part) in ADDRESSES {
        let own = |part: &str| format!("{connection}__{part}");
        let (address, uri) = (own(part), own("blobServiceUri"));
        let (string, account) = ((connection, "Endpoint=x"), (address.as_str(), "contoso"));
        all.extend(errors(&[connection], &[]));
        all.extend(errors(&[], &[string, account]));
        all.extend(errors(&[connection], &[account, (&uri, "https://contoso.example")]));
        for part in ["credential", "clientId", "managedIdentityResourceId", "clientSecret", "tenantId"] {
            let part = own(part);
            all.extend(errors(&[connection], &[account, (&part, "")]));
            all.extend(errors(&[connection], &[account, (&part, "nonsense")]));
            all.extend(errors(&[connection], &[(&part, "nonsense")]));
            all.extend(errors(&[], &[string, (&part, "nonsense")]));
        }
    }
    all.extend(errors(&["EVENT_HUB_NAME"], &[]));
    let with_entity = format!("{HUB_STRING};EntityPath=other");
    all.extend(errors(&[], &[("EVENT_HUB_CONNECTION", &with_entity)]));
    all.extend(errors(&[], &[("FLOWLOG_CONTAINER", "insights")]));
    all
}

/// Numbers the reasons, to notice when one has no example above.
fn number(reason: &Reason) -> usize {
    match reason {
        Reason::Missing { .. } => 0,
        Reason::Empty => 1,
        Reason::NotAllowed { .. } => 2,
        Reason::UnknownName { .. } => 3,
        Reason::TwoForms { .. } => 4,
        Reason::SameAddressTwice { .. } => 5,
        Reason::IdentityBesideConnectionString { .. } => 6,
        Reason::UnsupportedCredential { .. } => 7,
        Reason::UnknownLevel { .. } => 8,
        Reason::HidesErrors => 9,
        Reason::NotAnAddress { .. } => 10,
        Reason::NeedsHttps => 11,
        Reason::NotAscii => 12,
        Reason::ExtraInAddress { .. } => 13,
        Reason::PrivateLink => 14,
        Reason::HasPath => 15,
        Reason::OtherService { .. } => 16,
        Reason::NotDerivable { .. } => 17,
        Reason::NoEndpoint { .. } => 18,
        Reason::NotBase64 => 19,
        Reason::NotANamespace => 20,
        Reason::WrongPort => 21,
        Reason::TwoHubs { .. } => 22,
        Reason::Part { reason, .. } => number(reason),
        Reason::ConnectionString(Malformed::NoEquals { .. }) => 23,
        Reason::ConnectionString(Malformed::Missing { .. }) => 24,
        Reason::ConnectionString(Malformed::Repeated { .. }) => 25,
        Reason::ConnectionString(Malformed::NotABool { .. }) => 26,
        Reason::ConnectionString(Malformed::Both { .. }) => 27,
    }
}

#[test]
fn error_texts_are_as_reviewed() {
    let all = all_errors();
    let reasons: BTreeSet<usize> = all.iter().map(|error| number(&error.reason)).collect();
    assert_eq!(reasons, (0..=27).collect(), "a reason without an example");
    let text = |error: &SettingError| ConfigErrors(vec![error.clone()]).to_string();
    let mut lines = vec![ConfigErrors(all[..2].to_vec()).to_string(), text(&all[0])];
    for name in names() {
        let mut of_setting: Vec<String> =
            all.iter().filter(|error| error.setting == name).map(ToString::to_string).collect();
        assert!(!of_setting.is_empty(), "{name} has no error");
        let mut seen = BTreeSet::new();
        of_setting.retain(|line| seen.insert(line.clone()));
        lines.push(String::new());
        lines.extend(of_setting);
    }
    let known: BTreeSet<String> = names().into_iter().collect();
    let others: BTreeSet<String> =
        all.iter().filter(|error| !known.contains(&error.setting)).map(ToString::to_string).collect();
    lines.push(String::new());
    lines.extend(others);
    insta::with_settings!({
        snapshot_path => "../snapshots",
        prepend_module_to_snapshot => false,
        omit_expression => true,
    }, {
        insta::assert_snapshot!("error_texts", lines.join("\n"));
    });
}
