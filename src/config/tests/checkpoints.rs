//! The storage account that keeps checkpoints.

use super::*;

#[test]
fn checkpoints_fall_back_to_the_hosts_storage() {
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
fn an_emulators_table_address_is_not_derived() {
    let blob = ("CHECKPOINT_STORAGE__blobServiceUri", "https://127.0.0.1:10000/dev");
    let from = "CHECKPOINT_STORAGE__blobServiceUri".to_owned();
    assert_eq!(
        reasons(&[], &[blob]),
        only("CHECKPOINT_STORAGE__tableServiceUri", Reason::NotDerivable { from, service: "table" })
    );
    assert_eq!(
        reasons(
            &[],
            &[(
                "CHECKPOINT_STORAGE",
                "AccountKey=c2VjcmV0;AccountName=dev;BlobEndpoint=http://localhost:1/dev;TableEndpoint=ftp://x"
            )]
        ),
        only(
            "CHECKPOINT_STORAGE",
            Reason::Part {
                key: "TableEndpoint",
                reason: Box::new(Reason::NotAnAddress { example: "https://contoso.table.core.windows.net" })
            }
        )
    );
}

#[test]
fn an_explicit_blob_endpoint_needs_a_table_endpoint() {
    let string = "DefaultEndpointsProtocol=http;AccountName=dev;AccountKey=c2VjcmV0;BlobEndpoint=http://127.0.0.1:10000/dev;";
    assert!(read_changed(&[], &[("FLOWLOG_STORAGE", string)]).is_ok(), "a source needs no table");
    assert_eq!(
        reasons(&[], &[("CHECKPOINT_STORAGE", string)]),
        only("CHECKPOINT_STORAGE", Reason::NoEndpoint { service: "table", key: "TableEndpoint" })
    );
}

#[test]
fn half_a_connection_does_not_fall_back() {
    let id = ("CHECKPOINT_STORAGE__clientId", "0aaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e");
    let errors = reasons(&[], &[id]);
    assert!(
        matches!(&errors[..], [(name, Reason::Missing { .. })] if name == "CHECKPOINT_STORAGE"),
        "{errors:?}"
    );
}

#[test]
fn errors_name_the_hosts_storage() {
    let errors = reasons(&["AzureWebJobsStorage"], &[]);
    let [(name, wrong_value)] = &errors[..] else { panic!("{errors:?}") };
    assert_eq!(name, "CHECKPOINT_STORAGE");
    assert!(wrong_value.to_string().contains("or AzureWebJobsStorage in either form"), "{wrong_value}");
    let errors = reasons(&[], &[("AzureWebJobsStorage", "nonsense")]);
    assert!(
        matches!(&errors[..], [(name, Reason::ConnectionString(_))] if name == "AzureWebJobsStorage"),
        "{errors:?}"
    );
    let half = ("AzureWebJobsStorage__credential", "managedidentity");
    let errors = reasons(&["AzureWebJobsStorage"], &[half]);
    assert!(
        matches!(&errors[..], [(name, Reason::Missing { .. })] if name == "AzureWebJobsStorage"),
        "{errors:?}"
    );
}
