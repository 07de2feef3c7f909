//! Connection strings of storage accounts.

use super::access::StorageAccess;
use super::connection_string::{Malformed, Parts};
use super::error::Reason;
use super::service_uri::{PUBLIC_SUFFIX, Service, account_uri, derive, service_uri};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use url::Url;

/// The account and key that every Azure storage emulator accepts; public by design.
const EMULATOR_ACCOUNT: &str = "devstoreaccount1";
const EMULATOR_KEY: &str =
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";
/// The emulator's default ports.
const EMULATOR_BLOB_PORT: u16 = 10000;
const EMULATOR_TABLE_PORT: u16 = 10002;

/// What [`account_name`] accepts.
pub(super) const ACCOUNT_NAME: &str = "an account name of 3 to 24 lower-case letters and digits";

/// The name, if it is valid by Azure's naming rules.
pub(super) fn account_name(value: &str) -> Option<String> {
    let is_name = (3..=24).contains(&value.len())
        && value.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    is_name.then(|| value.to_owned())
}

/// A parsed storage connection string.
#[derive(Clone)]
pub(super) struct StorageConnection {
    blob: Option<Url>,
    table: Option<Url>,
    pub(super) access: StorageAccess,
}

impl StorageConnection {
    pub(super) fn parse(text: &str) -> Result<Self, Reason> {
        let parts = Parts::split(text)?;
        if parts.is_true("UseDevelopmentStorage")? {
            return Self::emulator(parts.get("DevelopmentStorageProxyUri")?);
        }
        let explicit = |service: Service| {
            let key = service.endpoint_key();
            parts.get(key)?.map(|uri| service_uri(uri, service).map_err(Reason::in_part(key))).transpose()
        };
        let (mut blob, mut table) = (explicit(Service::Blob)?, explicit(Service::Table)?);
        // With one explicit address, the other must not be derived from the account's name: it may be an emulator's.
        if let (None, None, Some(account)) = (&blob, &table, parts.get("AccountName")?) {
            let account = account_name(account).ok_or_else(|| {
                Reason::in_part("AccountName")(Reason::NotAllowed { allowed: ACCOUNT_NAME.to_owned() })
            })?;
            let scheme = parts.get("DefaultEndpointsProtocol")?.unwrap_or("https").to_ascii_lowercase();
            let suffix = parts.get("EndpointSuffix")?.unwrap_or(PUBLIC_SUFFIX);
            let by_name = |service: Service| {
                account_uri(&scheme, &account, service, suffix)
                    .map_err(Reason::in_part("DefaultEndpointsProtocol or EndpointSuffix"))
            };
            (blob, table) = (Some(by_name(Service::Blob)?), Some(by_name(Service::Table)?));
        }
        let access = match (parts.get("AccountKey")?, parts.get("SharedAccessSignature")?) {
            (Some(_), Some(_)) => {
                return Err(Malformed::Both { one: "AccountKey", other: "SharedAccessSignature" }.into());
            }
            (Some(key), None) => {
                STANDARD.decode(key).map_err(|_| Reason::in_part("AccountKey")(Reason::NotBase64))?;
                StorageAccess::Key { account: parts.require("AccountName")?.to_owned(), key: key.into() }
            }
            (None, Some(sas)) => StorageAccess::Sas(sas.trim_start_matches('?').into()),
            (None, None) => {
                return Err(Malformed::Missing { key: "AccountKey or SharedAccessSignature" }.into());
            }
        };
        Ok(Self { blob, table, access })
    }

    /// The emulator on this machine, or on the host of `proxy`, as Microsoft's SDKs read it.
    fn emulator(proxy: Option<&str>) -> Result<Self, Reason> {
        let proxy = proxy.unwrap_or("http://127.0.0.1");
        let address = |port: u16| {
            let mut uri = service_uri(proxy, Service::Blob)?;
            let set = uri.set_port(Some(port));
            uri.set_path(EMULATOR_ACCOUNT);
            set.map(|()| uri).map_err(|()| Reason::WrongPort)
        };
        let in_proxy = Reason::in_part("DevelopmentStorageProxyUri");
        Ok(Self {
            blob: Some(address(EMULATOR_BLOB_PORT).map_err(&in_proxy)?),
            table: Some(address(EMULATOR_TABLE_PORT).map_err(&in_proxy)?),
            access: StorageAccess::Key { account: EMULATOR_ACCOUNT.to_owned(), key: EMULATOR_KEY.into() },
        })
    }

    /// The address of `service`, explicit or derived from the other service's.
    pub(super) fn endpoint(&self, service: Service) -> Result<Url, Reason> {
        let (this, that) = match service {
            Service::Blob => (&self.blob, &self.table),
            Service::Table => (&self.table, &self.blob),
        };
        let derived = || that.as_ref().and_then(|uri| derive(uri, service.other()));
        this.clone()
            .or_else(derived)
            .ok_or(Reason::NoEndpoint { service: service.label(), key: service.endpoint_key() })
    }
}
