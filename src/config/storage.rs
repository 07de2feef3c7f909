//! The storage accounts that hold flow logs, and the one that keeps checkpoints.

use super::access::StorageAccess;
use super::error::Reason;
use super::identity::{identity, refuse_identity};
use super::reader::SettingsReader;
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
pub(super) fn sources(reader: &mut SettingsReader<'_>) -> Option<Vec<StorageAccount>> {
    let name = FLOWLOG_STORAGE.name;
    let (blob_services, access) = match Form::of(reader, name)? {
        Form::ConnectionString => {
            let connection = reader.read(&FLOWLOG_STORAGE)?;
            let blob_service = reader.check(name, connection.endpoint(Service::Blob))?;
            (vec![blob_service], connection.access)
        }
        Form::AccountName => {
            let access = StorageAccess::Identity(identity(reader, name));
            (vec![read_account(reader, name, Service::Blob)?], access)
        }
        Form::Addresses { blob, .. } => {
            let access = StorageAccess::Identity(identity(reader, name));
            if !blob {
                report_missing(reader, &FLOWLOG_STORAGE);
            }
            (reader.read_part(name, &SOURCE_BLOB_SERVICES)?, access)
        }
    };
    let account = |blob_service| StorageAccount { blob_service, access: access.clone() };
    Some(blob_services.into_iter().map(account).collect())
}

/// The account of `CHECKPOINT_STORAGE`, or else the host's own, in the same forms.
pub(super) fn checkpoints(reader: &mut SettingsReader<'_>) -> Option<CheckpointStorage> {
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
    let name = connection.name;
    match Form::of(reader, name)? {
        Form::ConnectionString => {
            let account = reader.read(connection)?;
            // Both before the first `?`, to report both.
            let blob_service = reader.check(name, account.endpoint(Service::Blob));
            let table_service = reader.check(name, account.endpoint(Service::Table));
            Some(CheckpointStorage {
                blob_service: blob_service?,
                table_service: table_service?,
                access: account.access,
            })
        }
        Form::AccountName => {
            let access = StorageAccess::Identity(identity(reader, name));
            let blob_service = read_account(reader, name, Service::Blob)?;
            let table_service = read_account(reader, name, Service::Table)?;
            Some(CheckpointStorage { blob_service, table_service, access })
        }
        Form::Addresses { blob, table } => {
            let access = StorageAccess::Identity(identity(reader, name));
            if !blob && !table {
                report_missing(reader, connection);
                return None;
            }
            let blob_service = reader.read_part(name, &BLOB_SERVICE);
            let table_service = reader.read_part(name, &TABLE_SERVICE);
            let (blob_service, table_service) = match (blob, table) {
                (true, false) => {
                    let table = read_derived(reader, name, blob_service.as_ref()?, Service::Table);
                    (blob_service, table)
                }
                (false, true) => {
                    let blob = read_derived(reader, name, table_service.as_ref()?, Service::Blob);
                    (blob, table_service)
                }
                _ => (blob_service, table_service),
            };
            Some(CheckpointStorage { blob_service: blob_service?, table_service: table_service?, access })
        }
    }
}

/// Whether any setting of the storage connection `name` is set.
fn is_given(reader: &SettingsReader<'_>, name: &str) -> bool {
    let parts = [
        CREDENTIAL.of(name),
        CLIENT_ID.of(name),
        BLOB_SERVICE.of(name),
        TABLE_SERVICE.of(name),
        ACCOUNT_NAME.of(name),
    ];
    reader.is_set(name) || parts.iter().any(|part| reader.is_set(part))
}

/// How the account of a storage connection is given.
enum Form {
    ConnectionString,
    /// By its name, and a managed identity.
    AccountName,
    /// By the addresses that are set, possibly none, and a managed identity.
    Addresses {
        blob: bool,
        table: bool,
    },
}

impl Form {
    /// Reports an account that is given twice.
    fn of(reader: &mut SettingsReader<'_>, name: &str) -> Option<Self> {
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
        match (account, address) {
            (true, Some(other)) => {
                reader.report(&account_name, Reason::SameAddressTwice { other });
                None
            }
            (true, None) => Some(Self::AccountName),
            (false, _) => Some(Self::Addresses { blob, table }),
        }
    }
}

fn report_missing(reader: &mut SettingsReader<'_>, connection: &Setting<StorageConnection>) {
    let alternative = format!("set {} to use a managed identity", BLOB_SERVICE.of(connection.name));
    reader.report_missing(connection, alternative);
}

/// The address of `service`, derived from the other service's.
fn read_derived(reader: &mut SettingsReader<'_>, name: &str, other: &Url, service: Service) -> Option<Url> {
    let part = |service: Service| match service {
        Service::Blob => BLOB_SERVICE.of(name),
        Service::Table => TABLE_SERVICE.of(name),
    };
    let derived = derive(other, service.other())
        .ok_or_else(|| Reason::NotDerivable { from: part(service.other()), service: service.label() });
    reader.check(&part(service), derived)
}

/// The address of `service` of the account in `<name>__accountName`.
fn read_account(reader: &mut SettingsReader<'_>, name: &str, service: Service) -> Option<Url> {
    let account = reader.read_part(name, &ACCOUNT_NAME)?;
    reader.check(&ACCOUNT_NAME.of(name), account_uri("https", &account, service, PUBLIC_SUFFIX))
}
