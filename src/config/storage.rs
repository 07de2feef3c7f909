//! Storage accounts: where flow logs are read, and where checkpoints are kept.

use super::Identity;
use super::connection_string::{Malformed, Parts};
use super::problem::Wrong;
use super::reader::Reader;
use super::uri::{Service, account_name, account_uri, derive, secure_service_uri, service_uri};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::SecretString;
use url::Url;

/// The account and key that every Azure storage emulator knows; public by design.
const EMULATOR_ACCOUNT: &str = "devstoreaccount1";
const EMULATOR_KEY: &str =
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";
/// Where emulators listen unless told otherwise.
const EMULATOR_BLOB_PORT: u16 = 10000;
const EMULATOR_TABLE_PORT: u16 = 10002;

/// The public cloud's storage domain, used when nothing else is said.
const PUBLIC_SUFFIX: &str = "core.windows.net";

/// A storage account's blob service, and how to be let in.
#[derive(Clone, Debug)]
pub struct StorageAccount {
    /// The blob service's address: no query, no user, and a path only where an emulator has the account there.
    pub blob_service: Url,
    /// How to be let in.
    pub access: StorageAccess,
}

/// The storage account that keeps checkpoints (a table) and quarantined records (blobs).
#[derive(Clone, Debug)]
pub struct CheckpointStorage {
    /// The blob service's address.
    pub blob_service: Url,
    /// The table service's address.
    pub table_service: Url,
    /// How to be let in to both.
    pub access: StorageAccess,
}

/// How to be let in to a storage account.
#[derive(Clone, Debug)]
pub enum StorageAccess {
    /// By managed identity; the addresses are https then.
    Identity(Identity),
    /// By the account's key.
    Key {
        /// The account's name.
        account: String,
        /// The key, valid base64.
        key: SecretString,
    },
    /// By a shared access signature, without a leading `?`.
    Sas(SecretString),
}

/// The accounts that `name` (a connection string) or `name__blobServiceUri` (one or more addresses,
/// separated by commas) or `name__accountName` speak of.
pub(super) fn sources(reader: &mut Reader<'_>, name: &str) -> Option<Vec<StorageAccount>> {
    match Form::of(reader, name)? {
        Form::ConnectionString => {
            let account = read_connection_string(reader, name)?;
            let blob_service = reader.check(name, account.endpoint(Service::Blob))?;
            Some(vec![StorageAccount { blob_service, access: account.access }])
        }
        Form::Identity { blob, account, .. } => {
            let identity = reader.identity(name);
            let uris = match (&blob, &account) {
                (Some(setting), _) => {
                    let value = reader.get(setting)?;
                    let uris = value.split(',').map(|uri| secure_service_uri(uri.trim(), Service::Blob));
                    reader.check(setting, uris.collect::<Result<Vec<_>, _>>())?
                }
                (None, Some(setting)) => vec![read_account_name(reader, setting, Service::Blob)?],
                (None, None) => {
                    reader.report(name, missing(name));
                    return None;
                }
            };
            let access = || StorageAccess::Identity(identity.clone());
            Some(
                uris.into_iter()
                    .map(|blob_service| StorageAccount { blob_service, access: access() })
                    .collect(),
            )
        }
    }
}

/// The account that `name` speaks of, or else the host's own, `fallback`, in the same forms.
pub(super) fn checkpoints(reader: &mut Reader<'_>, name: &str, fallback: &str) -> Option<CheckpointStorage> {
    let parts = ["credential", "clientId", "blobServiceUri", "tableServiceUri", "accountName"];
    let is_given = |name: &str| {
        reader.is_set(name) || parts.iter().any(|part| reader.is_set(&format!("{name}__{part}")))
    };
    if !is_given(name) && !is_given(fallback) {
        let otherwise = format!(
            "set {name}__blobServiceUri to use it by managed identity, or {fallback} in either form: the Functions host's own \
             storage is used when {name} is not set"
        );
        reader.report(name, Wrong::Missing { what: CONNECTION_STRING, otherwise });
        return None;
    }
    let name = if is_given(name) { name } else { fallback };
    match Form::of(reader, name)? {
        Form::ConnectionString => {
            let account = read_connection_string(reader, name)?;
            let blob_service = reader.check(name, account.endpoint(Service::Blob));
            let table_service = reader.check(name, account.endpoint(Service::Table));
            Some(CheckpointStorage {
                blob_service: blob_service?,
                table_service: table_service?,
                access: account.access,
            })
        }
        Form::Identity { blob, table, account } => {
            let access = StorageAccess::Identity(reader.identity(name));
            if let Some(setting) = &account {
                let blob_service = read_account_name(reader, setting, Service::Blob)?;
                let table_service = read_account_name(reader, setting, Service::Table)?;
                return Some(CheckpointStorage { blob_service, table_service, access });
            }
            let (blob_service, table_service) = match (&blob, &table) {
                (Some(blob), Some(table)) => {
                    let both =
                        (read_uri(reader, blob, Service::Blob), read_uri(reader, table, Service::Table));
                    (both.0?, both.1?)
                }
                (Some(blob), None) => {
                    let given = read_uri(reader, blob, Service::Blob)?;
                    let derived = read_derived(reader, name, &given, Service::Table)?;
                    (given, derived)
                }
                (None, Some(table)) => {
                    let given = read_uri(reader, table, Service::Table)?;
                    (read_derived(reader, name, &given, Service::Blob)?, given)
                }
                (None, None) => {
                    reader.report(name, missing(name));
                    return None;
                }
            };
            Some(CheckpointStorage { blob_service, table_service, access })
        }
    }
}

/// Which of the two ways of naming an account is used; the names of the settings that do.
enum Form {
    ConnectionString,
    Identity { blob: Option<String>, table: Option<String>, account: Option<String> },
}

impl Form {
    /// Refuses both forms at once and the same address in two settings.
    fn of(reader: &mut Reader<'_>, name: &str) -> Option<Self> {
        let [blob, table, account] = ["blobServiceUri", "tableServiceUri", "accountName"]
            .map(|part| Some(format!("{name}__{part}")).filter(|setting| reader.is_set(setting)));
        if reader.is_set(name) {
            let addresses = [&blob, &table, &account];
            if let Some(other) = addresses.into_iter().flatten().next() {
                reader.report(name, Wrong::TwoForms { other: other.clone() });
                return None;
            }
            reader.refuse_identity(name);
            return Some(Self::ConnectionString);
        }
        if let (Some(account), Some(other)) = (&account, blob.as_ref().or(table.as_ref())) {
            reader.report(account, Wrong::Twice { other: other.clone() });
            return None;
        }
        Some(Self::Identity { blob, table, account })
    }
}

const CONNECTION_STRING: &str = "a storage account's connection string";

fn missing(name: &str) -> Wrong {
    Wrong::Missing {
        what: CONNECTION_STRING,
        otherwise: format!("set {name}__blobServiceUri to read it by managed identity"),
    }
}

fn read_uri(reader: &mut Reader<'_>, setting: &str, service: Service) -> Option<Url> {
    let value = reader.get(setting)?;
    reader.check(setting, secure_service_uri(&value, service))
}

/// The address of `service` that follows from the other service's.
fn read_derived(reader: &mut Reader<'_>, name: &str, given: &Url, service: Service) -> Option<Url> {
    let setting = |service: Service| format!("{name}__{}ServiceUri", service.label());
    let from = setting(service.other());
    let derived =
        derive(given, service.other()).ok_or(Wrong::NotDerivable { from, service: service.label() });
    reader.check(&setting(service), derived)
}

fn read_account_name(reader: &mut Reader<'_>, setting: &str, service: Service) -> Option<Url> {
    let value = reader.get(setting)?;
    let uri = account_name(&value).and_then(|name| account_uri("https", &name, service, PUBLIC_SUFFIX));
    reader.check(setting, uri)
}

fn read_connection_string(reader: &mut Reader<'_>, name: &str) -> Option<ConnectionString> {
    let value = reader.get(name)?;
    reader.check(name, ConnectionString::parse(&value))
}

/// What a storage connection string says.
struct ConnectionString {
    blob: Option<Url>,
    table: Option<Url>,
    access: StorageAccess,
}

impl ConnectionString {
    fn parse(text: &str) -> Result<Self, Wrong> {
        let parts = Parts::split(text)?;
        if parts.says_true("UseDevelopmentStorage")? {
            return Self::emulator(parts.get("DevelopmentStorageProxyUri")?);
        }
        let given = |service: Service| {
            let key = service.endpoint_key();
            parts.get(key)?.map(|uri| service_uri(uri, service).map_err(in_part(key))).transpose()
        };
        let (mut blob, mut table) = (given(Service::Blob)?, given(Service::Table)?);
        // One explicit address says that the account is not where its name would put it.
        if let (None, None, Some(account)) = (&blob, &table, parts.get("AccountName")?) {
            let account = account_name(account).map_err(in_part("AccountName"))?;
            let scheme = parts.get("DefaultEndpointsProtocol")?.unwrap_or("https").to_ascii_lowercase();
            let suffix = parts.get("EndpointSuffix")?.unwrap_or(PUBLIC_SUFFIX);
            let by_name = |service: Service| {
                account_uri(&scheme, &account, service, suffix)
                    .map_err(in_part("DefaultEndpointsProtocol or EndpointSuffix"))
            };
            (blob, table) = (Some(by_name(Service::Blob)?), Some(by_name(Service::Table)?));
        }
        let access = match (parts.get("AccountKey")?, parts.get("SharedAccessSignature")?) {
            (Some(_), Some(_)) => {
                return Err(Malformed::Both { one: "AccountKey", other: "SharedAccessSignature" }.into());
            }
            (Some(key), None) => {
                STANDARD.decode(key).map_err(|_| in_part("AccountKey")(Wrong::NotAKey))?;
                StorageAccess::Key { account: parts.require("AccountName")?.to_owned(), key: key.into() }
            }
            (None, Some(sas)) => StorageAccess::Sas(sas.trim_start_matches('?').into()),
            (None, None) => {
                return Err(Malformed::Without { key: "AccountKey or SharedAccessSignature" }.into());
            }
        };
        Ok(Self { blob, table, access })
    }

    /// The emulator on this machine, or on the host of `proxy`, as Microsoft's own readers understand it.
    fn emulator(proxy: Option<&str>) -> Result<Self, Wrong> {
        let proxy = proxy.unwrap_or("http://127.0.0.1");
        let address = |port: u16| {
            let mut uri = service_uri(proxy, Service::Blob)?;
            let set = uri.set_port(Some(port));
            uri.set_path(EMULATOR_ACCOUNT);
            set.map(|()| uri).map_err(|()| Wrong::NotAPort)
        };
        let wrong_proxy = in_part("DevelopmentStorageProxyUri");
        Ok(Self {
            blob: Some(address(EMULATOR_BLOB_PORT).map_err(&wrong_proxy)?),
            table: Some(address(EMULATOR_TABLE_PORT).map_err(&wrong_proxy)?),
            access: StorageAccess::Key { account: EMULATOR_ACCOUNT.to_owned(), key: EMULATOR_KEY.into() },
        })
    }

    /// The address of `service`: as given, or following from the other one.
    fn endpoint(&self, service: Service) -> Result<Url, Wrong> {
        let (this, that) = match service {
            Service::Blob => (&self.blob, &self.table),
            Service::Table => (&self.table, &self.blob),
        };
        let derived = || that.as_ref().and_then(|uri| derive(uri, service.other()));
        this.clone()
            .or_else(derived)
            .ok_or(Wrong::NoEndpoint { service: service.label(), key: service.endpoint_key() })
    }
}

fn in_part(key: &'static str) -> impl Fn(Wrong) -> Wrong {
    move |wrong| Wrong::Part { key, wrong: Box::new(wrong) }
}
