//! Addresses of storage services, checked before any token is sent to them.

use super::error::Reason;
use url::{Host, Url};

/// A service of a storage account that the forwarder talks to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Service {
    Blob,
    Table,
}

impl Service {
    /// The label in the service's host name.
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Blob => "blob",
            Self::Table => "table",
        }
    }

    pub(super) fn other(self) -> Self {
        match self {
            Self::Blob => Self::Table,
            Self::Table => Self::Blob,
        }
    }

    /// The key of the service's address in a connection string.
    pub(super) fn endpoint_key(self) -> &'static str {
        match self {
            Self::Blob => "BlobEndpoint",
            Self::Table => "TableEndpoint",
        }
    }

    fn example(self) -> &'static str {
        match self {
            Self::Blob => "https://contoso.blob.core.windows.net",
            Self::Table => "https://contoso.table.core.windows.net",
        }
    }
}

/// The storage domain of the public cloud.
pub(super) const PUBLIC_SUFFIX: &str = "core.windows.net";

/// The labels of services in host names of storage accounts.
const LABELS: [&str; 6] = ["blob", "table", "queue", "file", "dfs", "web"];

/// Parses the address of `service`: http or https, a host, optionally a port; for emulators the account as the only
/// path segment. The path of the result does not end in `/`, unless it is empty.
pub(super) fn service_uri(value: &str, service: Service) -> Result<Url, Reason> {
    if !value.is_ascii() {
        return Err(Reason::NotAscii);
    }
    let not_a_uri = || Reason::NotAnAddress { example: service.example() };
    let mut uri = Url::parse(value).map_err(|_| not_a_uri())?;
    // `Url` accepts `http:host` and `http:\\host` as well.
    let (_, rest) = value.split_once(':').ok_or_else(not_a_uri)?;
    if !matches!(uri.scheme(), "http" | "https") || !rest.starts_with("//") || uri.port() == Some(0) {
        return Err(not_a_uri());
    }
    if !uri.username().is_empty() || uri.password().is_some() {
        return Err(Reason::ExtraInAddress { part: "user name or password" });
    }
    if uri.query().is_some() {
        return Err(Reason::ExtraInAddress { part: "query" });
    }
    if uri.fragment().is_some() {
        return Err(Reason::ExtraInAddress { part: "fragment" });
    }
    if uri.host_str().is_some_and(is_private_link) {
        return Err(Reason::PrivateLink);
    }
    let path = uri.path().trim_end_matches('/').to_owned();
    match service_label(&uri) {
        Some(label) if label != service.label() => {
            return Err(Reason::OtherService { found: label.to_owned(), expected: service.label() });
        }
        // The host names the account: a path could only name a container.
        Some(_) if !path.is_empty() => return Err(Reason::HasPath),
        _ if path.matches('/').count() > 1 => return Err(Reason::HasPath),
        _ => {}
    }
    uri.set_path(&path);
    Ok(uri)
}

/// Whether `host` is a name in a private DNS zone, such as `contoso.privatelink.blob.core.windows.net`.
pub(super) fn is_private_link(host: &str) -> bool {
    host.split('.').any(|label| label.eq_ignore_ascii_case("privatelink"))
}

/// Parses an address that receives tokens: it must be https.
pub(super) fn secure_service_uri(value: &str, service: Service) -> Result<Url, Reason> {
    let uri = service_uri(value, service)?;
    if uri.scheme() == "https" { Ok(uri) } else { Err(Reason::NeedsHttps) }
}

/// The other service's address, if the host names the service: `contoso.blob.…` ↔ `contoso.table.…`.
pub(super) fn derive(uri: &Url, from: Service) -> Option<Url> {
    service_label(uri).filter(|label| *label == from.label())?;
    let host = uri.host_str()?;
    let swapped = host.replacen(&format!(".{}.", from.label()), &format!(".{}.", from.other().label()), 1);
    let mut other = uri.clone();
    other.set_host(Some(&swapped)).ok()?;
    Some(other)
}

/// The address of `service` of an account by name, in the cloud whose storage domain is `suffix`.
pub(super) fn account_uri(
    scheme: &str,
    account: &str,
    service: Service,
    suffix: &str,
) -> Result<Url, Reason> {
    let suffix = suffix.trim_matches('.');
    service_uri(&format!("{scheme}://{account}.{}.{suffix}", service.label()), service)
}

/// The service in the host name: `blob` in `contoso.blob.core.windows.net` and in
/// `contoso.z12.blob.storage.azure.net`; `None` for an emulator or a custom domain.
fn service_label(uri: &Url) -> Option<&str> {
    let Some(Host::Domain(host)) = uri.host() else { return None };
    host.split('.').skip(1).find(|label| LABELS.contains(label))
}
