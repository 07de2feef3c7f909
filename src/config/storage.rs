//! The storage accounts that hold flow logs, and the one that keeps checkpoints.

use super::access::StorageAccess;
use super::error::Reason;
use super::identity::{identity, refuse_identity};
use super::reader::Reader;
use super::service_uri::{PUBLIC_SUFFIX, Service, account_uri, derive};
use super::setting::Setting;
use super::settings::{
    ACCOUNT_NAME, BLOB_SERVICE, CHECKPOINT_STORAGE, CLIENT_ID, CREDENTIAL, FLOWLOG_STORAGE, HOST_STORAGE,
    SOURCE_BLOB_SERVICES, TABLE_SERVICE,
};
use super::storage_connection::StorageConnection;
use url::Url;

/// A storage account's blob service and the credentials for it.
#[derive(Clone, Debug)]
pub struct StorageAccount {
    /// The blob service's address: no query, no user, and a path only for an emulator, where it is the account.
    pub blob_service: Url,
    /// The credentials.
    pub access: StorageAccess,
}

/// The storage account that keeps checkpoints (a table) and quarantined records (blobs).
#[derive(Clone, Debug)]
pub struct CheckpointStorage {
    /// The blob service's address.
    pub blob_service: Url,
    /// The table service's address.
    pub table_service: Url,
    /// The credentials for both.
    pub access: StorageAccess,
}

/// The accounts of `FLOWLOG_STORAGE`, or of its `__blobServiceUri` or `__accountName`.
pub(super) fn sources(reader: &mut Reader<'_>) -> Option<Vec<StorageAccount>> {
    let name = FLOWLOG_STORAGE.name;
    let (blob_services, access) = match Form::of(reader, name)? {
        Form::ConnectionString => {
            let connection = reader.read(&FLOWLOG_STORAGE)?;
            let blob_service = reader.check(name, connection.endpoint(Service::Blob))?;
            (vec![blob_service], connection.access)
        }
        Form::Identity { blob, account, .. } => {
            let access = StorageAccess::Identity(identity(reader, name));
            if blob {
                (reader.read_part(name, &SOURCE_BLOB_SERVICES)?, access)
            } else if account {
                (vec![read_account(reader, name, Service::Blob)?], access)
            } else {
                report_missing(reader, &FLOWLOG_STORAGE);
                return None;
            }
        }
    };
    let account = |blob_service| StorageAccount { blob_service, access: access.clone() };
    Some(blob_services.into_iter().map(account).collect())
}

/// The account of `CHECKPOINT_STORAGE`, or else the host's own, in the same forms.
pub(super) fn checkpoints(reader: &mut Reader<'_>) -> Option<CheckpointStorage> {
    let own = is_given(reader, CHECKPOINT_STORAGE.name);
    if !own && !is_given(reader, HOST_STORAGE.name) {
        let (own, host) = (CHECKPOINT_STORAGE.name, HOST_STORAGE.name);
        let alternative = format!(
            "set {} to use a managed identity, or {host} in either form: the Functions host's own storage is used \
             when {own} is not set",
            BLOB_SERVICE.of(own)
        );
        reader.report_missing(&CHECKPOINT_STORAGE, alternative);
        return None;
    }
    let connection = if own { &CHECKPOINT_STORAGE } else { &HOST_STORAGE };
    match Form::of(reader, connection.name)? {
        Form::ConnectionString => {
            let account = reader.read(connection)?;
            // Both before the first `?`, to report both.
            let blob_service = reader.check(connection.name, account.endpoint(Service::Blob));
            let table_service = reader.check(connection.name, account.endpoint(Service::Table));
            Some(CheckpointStorage {
                blob_service: blob_service?,
                table_service: table_service?,
                access: account.access,
            })
        }
        Form::Identity { blob, table, account } => {
            let access = StorageAccess::Identity(identity(reader, connection.name));
            let (blob_service, table_service) = match (account, blob, table) {
                (true, ..) => (
                    read_account(reader, connection.name, Service::Blob)?,
                    read_account(reader, connection.name, Service::Table)?,
                ),
                (false, true, true) => {
                    // Both before the first `?`, to report both.
                    let blob = reader.read_part(connection.name, &BLOB_SERVICE);
                    let table = reader.read_part(connection.name, &TABLE_SERVICE);
                    (blob?, table?)
                }
                (false, true, false) => {
                    let blob = reader.read_part(connection.name, &BLOB_SERVICE)?;
                    let table = read_derived(reader, connection.name, &blob, Service::Table)?;
                    (blob, table)
                }
                (false, false, true) => {
                    let table = reader.read_part(connection.name, &TABLE_SERVICE)?;
                    (read_derived(reader, connection.name, &table, Service::Blob)?, table)
                }
                (false, false, false) => {
                    report_missing(reader, connection);
                    return None;
                }
            };
            Some(CheckpointStorage { blob_service, table_service, access })
        }
    }
}

/// Whether any setting of the storage connection `name` is set.
fn is_given(reader: &Reader<'_>, name: &str) -> bool {
    let parts = [
        CREDENTIAL.of(name),
        CLIENT_ID.of(name),
        BLOB_SERVICE.of(name),
        TABLE_SERVICE.of(name),
        ACCOUNT_NAME.of(name),
    ];
    reader.is_set(name) || parts.iter().any(|part| reader.is_set(part))
}

/// The form in which a storage connection is given.
enum Form {
    ConnectionString,
    /// By managed identity; whether each of these parts is set.
    Identity {
        blob: bool,
        table: bool,
        account: bool,
    },
}

impl Form {
    /// Reports two forms at once, and the same address in two settings.
    fn of(reader: &mut Reader<'_>, name: &str) -> Option<Self> {
        let names = [BLOB_SERVICE.of(name), TABLE_SERVICE.of(name), ACCOUNT_NAME.of(name)];
        let [blob, table, account] = names.each_ref().map(|part| reader.is_set(part));
        let [blob_name, table_name, account_name] = names;
        let address = if blob { Some(blob_name) } else { table.then_some(table_name) };
        if reader.is_set(name) {
            if let Some(other) = address.or(account.then_some(account_name)) {
                reader.report(name, Reason::TwoForms { other });
                return None;
            }
            refuse_identity(reader, name);
            return Some(Self::ConnectionString);
        }
        match address {
            Some(other) if account => {
                reader.report(&account_name, Reason::SameAddressTwice { other });
                None
            }
            _ => Some(Self::Identity { blob, table, account }),
        }
    }
}

fn report_missing(reader: &mut Reader<'_>, connection: &Setting<StorageConnection>) {
    let alternative = format!("set {} to use a managed identity", BLOB_SERVICE.of(connection.name));
    reader.report_missing(connection, alternative);
}

/// The address of `service`, derived from the other service's.
fn read_derived(reader: &mut Reader<'_>, name: &str, other: &Url, service: Service) -> Option<Url> {
    let part = |service: Service| match service {
        Service::Blob => BLOB_SERVICE.of(name),
        Service::Table => TABLE_SERVICE.of(name),
    };
    let derived = derive(other, service.other())
        .ok_or_else(|| Reason::NotDerivable { from: part(service.other()), service: service.label() });
    reader.check(&part(service), derived)
}

/// The address of `service` of the account in `<name>__accountName`.
fn read_account(reader: &mut Reader<'_>, name: &str, service: Service) -> Option<Url> {
    let account = reader.read_part(name, &ACCOUNT_NAME)?;
    reader.check(&ACCOUNT_NAME.of(name), account_uri("https", &account, service, PUBLIC_SUFFIX))
}
