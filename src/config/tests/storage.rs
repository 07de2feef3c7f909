//! Storage accounts that hold flow logs, and connection strings of storage accounts.

use super::*;
use secrecy::ExposeSecret as _;

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
fn a_client_id_needs_no_credential() {
    let uri = ("FLOWLOG_STORAGE__blobServiceUri", "https://east.blob.core.windows.net");
    let id = ("FLOWLOG_STORAGE__clientId", "0aaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e");
    assert!(read_changed(&["FLOWLOG_STORAGE"], &[uri, id]).is_ok());
    let credential = ("FLOWLOG_STORAGE__credential", "clientsecret");
    assert_eq!(
        reasons(&["FLOWLOG_STORAGE"], &[uri, credential]),
        only("FLOWLOG_STORAGE__credential", not_allowed(&CREDENTIAL))
    );
    assert_eq!(
        reasons(&["FLOWLOG_STORAGE"], &[uri, ("FLOWLOG_STORAGE__clientId", "my-identity")]),
        only("FLOWLOG_STORAGE__clientId", not_allowed(&CLIENT_ID))
    );
    let errors = reasons(&["FLOWLOG_STORAGE"], &[uri, ("FLOWLOG_STORAGE__managedIdentityResourceId", "/x")]);
    assert!(
        matches!(&errors[0].1, Reason::UnsupportedCredential { client_id } if client_id == "FLOWLOG_STORAGE__clientId")
    );
}

#[test]
fn storage_connection_strings_are_read() {
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
fn incomplete_storage_connection_strings_are_refused() {
    let reason = |value: &str| reasons(&[], &[("FLOWLOG_STORAGE", value)]).remove(0).1;
    assert_eq!(reason("AccountName=a;nonsense"), Reason::ConnectionString(Malformed::NoEquals { number: 2 }));
    assert_eq!(
        reason("AccountName=flowlogs"),
        Reason::ConnectionString(Malformed::Missing { key: "AccountKey or SharedAccessSignature" })
    );
    assert_eq!(
        reason("AccountKey=c2VjcmV0;BlobEndpoint=http://127.0.0.1:40001/dev"),
        Reason::ConnectionString(Malformed::Missing { key: "AccountName" })
    );
    assert_eq!(
        reason("SharedAccessSignature=sv=1;QueueEndpoint=https://flowlogs.queue.core.windows.net"),
        Reason::NoEndpoint { service: "blob", key: "BlobEndpoint" }
    );
    assert_eq!(
        reason("AccountName=flowlogs;AccountKey=half a key"),
        Reason::Part { key: "AccountKey", reason: Box::new(Reason::NotBase64) }
    );
    assert_eq!(
        reason("AccountName=Flow Logs;AccountKey=c2VjcmV0"),
        Reason::Part { key: "AccountName", reason: Box::new(not_allowed(&ACCOUNT_NAME)) }
    );
}

#[test]
fn addresses_must_be_a_bare_https_service() {
    let reason = |value: &str| {
        let setting = "FLOWLOG_STORAGE__blobServiceUri";
        reasons(&["FLOWLOG_STORAGE"], &[(setting, value)]).remove(0).1
    };
    let not_a_uri = Reason::NotAnAddress { example: "https://contoso.blob.core.windows.net" };
    assert_eq!(reason("http://contoso.blob.core.windows.net"), Reason::NeedsHttps);
    assert_eq!(reason("contoso.blob.core.windows.net"), not_a_uri);
    assert_eq!(reason("ftp://contoso.blob.core.windows.net"), not_a_uri);
    assert_eq!(reason("https://contoso.blob.core.windows.net:0"), not_a_uri);
    assert_eq!(reason("https:contoso.blob.core.windows.net"), not_a_uri);
    assert_eq!(reason("https://cöntoso.blob.core.windows.net"), Reason::NotAscii);
    assert_eq!(reason("https://contoso.blob.core.windows.net/insights-logs"), Reason::HasPath);
    assert_eq!(reason("https://127.0.0.1:10000/dev/insights-logs"), Reason::HasPath);
    assert_eq!(
        reason("https://contoso.dfs.core.windows.net"),
        Reason::OtherService { found: "dfs".to_owned(), expected: "blob" }
    );
    for (uri, part) in [
        ("https://contoso.blob.core.windows.net?sv=1&sig=hidden", "query"),
        ("https://me:hidden@contoso.blob.core.windows.net", "user name or password"),
        ("https://contoso.blob.core.windows.net#hidden", "fragment"),
    ] {
        let wrong = reason(uri);
        assert_eq!(wrong, Reason::ExtraInAddress { part });
        assert!(!wrong.to_string().contains("hidden"));
    }
    assert_eq!(reason("https://a.blob.core.windows.net,"), not_a_uri, "an empty address in the list");
}

#[test]
fn private_link_names_are_refused() {
    let uri = ("FLOWLOG_STORAGE__blobServiceUri", "https://contoso.privatelink.blob.core.windows.net");
    assert_eq!(reasons(&["FLOWLOG_STORAGE"], &[uri]), only(uri.0, Reason::PrivateLink));
    let namespace =
        ("EVENT_HUB_CONNECTION__fullyQualifiedNamespace", "contoso.PrivateLink.servicebus.windows.net:5671");
    assert_eq!(reasons(&["EVENT_HUB_CONNECTION"], &[namespace]), only(namespace.0, Reason::PrivateLink));
    let string = format!("{STORAGE};BlobEndpoint=https://contoso.privatelink.blob.core.windows.net");
    let expected = Reason::Part { key: "BlobEndpoint", reason: Box::new(Reason::PrivateLink) };
    assert_eq!(reasons(&[], &[("FLOWLOG_STORAGE", &string)]), only("FLOWLOG_STORAGE", expected));
    assert!(Reason::PrivateLink.to_string().contains("remove `.privatelink`"));
}

#[test]
fn two_forms_of_one_connection_are_refused() {
    let uri = ("FLOWLOG_STORAGE__blobServiceUri", "https://flowlogs.blob.core.windows.net");
    let other = "FLOWLOG_STORAGE__blobServiceUri".to_owned();
    assert_eq!(reasons(&[], &[uri]), only("FLOWLOG_STORAGE", Reason::TwoForms { other }));
    let other = "EVENT_HUB_CONNECTION__fullyQualifiedNamespace".to_owned();
    assert_eq!(
        reasons(&[], &[(other.as_str(), "contoso.servicebus.windows.net")]),
        only("EVENT_HUB_CONNECTION", Reason::TwoForms { other: other.clone() })
    );
    let id = ("FLOWLOG_STORAGE__clientId", "0aaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e");
    let connection = "FLOWLOG_STORAGE".to_owned();
    assert_eq!(
        reasons(&[], &[id]),
        only("FLOWLOG_STORAGE__clientId", Reason::IdentityBesideConnectionString { connection })
    );
    let other = "FLOWLOG_STORAGE__blobServiceUri".to_owned();
    assert_eq!(
        reasons(&["FLOWLOG_STORAGE"], &[uri, ("FLOWLOG_STORAGE__accountName", "flowlogs")]),
        only("FLOWLOG_STORAGE__accountName", Reason::SameAddressTwice { other })
    );
}
