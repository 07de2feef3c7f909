//! Finds the blob that a URL names, if it is in a configured account and container.
//!
//! URLs come from events, which anybody may forge. So this forwarder sends requests and tokens to the
//! configured accounts alone.

use super::blob::FlowLogBlob;
use super::container::Container;
use super::path::NotFlowLog;
use percent_encoding::percent_decode_str;
use std::borrow::Cow;
use url::Url;

/// Longest URL accepted, bytes: a name of 1,024 characters of 4 bytes, each byte written as `%XX`, and a
/// kilobyte for the rest.
pub const LONGEST_URL: usize = 13 * 1024;

/// How much of an untrusted text an error shows, characters.
const SHOWN: usize = 80;

/// The configured accounts and containers.
#[derive(Clone, Debug)]
pub struct Sources {
    accounts: Vec<Url>,
    containers: Vec<String>,
}

/// Why a blob's URL was rejected. The text never shows the URL's query, which may hold a signature.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RejectedUrl {
    /// Longer than [`LONGEST_URL`].
    #[error("the url is longer than {LONGEST_URL} bytes, the most that a blob's can have")]
    TooLong,
    /// Not an absolute http(s) URL of a blob.
    #[error("the url is not that of a blob")]
    NotABlobUrl,
    /// Blob events never have these; a signature in a query would grant somebody else's access.
    #[error("the url has a query, a fragment or a user, which no blob event has")]
    NotBare,
    /// Not a configured account.
    #[error("the account at {0} is not configured in FLOWLOG_STORAGE")]
    UnknownAccount(String),
    /// Not a configured container.
    #[error("the container {0} is not configured in FLOWLOG_CONTAINERS")]
    UnknownContainer(String),
    /// The decoded name is not UTF-8.
    #[error("the blob's name is not UTF-8")]
    NotUtf8,
    /// Not the name of a flow-log blob.
    #[error("the blob {0}")]
    NotFlowLog(#[from] NotFlowLog),
}

impl Sources {
    /// All `containers` in all `accounts`.
    #[must_use]
    pub fn new(accounts: impl IntoIterator<Item = Url>, containers: &[String]) -> Self {
        Self { accounts: accounts.into_iter().collect(), containers: containers.to_vec() }
    }

    /// The blob at `url`, percent-encoded as in events. The account is in the host name or, with an
    /// emulator, first in the path. A `dfs` address means the `blob` address of the same account.
    ///
    /// The path is used as it is: no slashes are collapsed, and nothing is normalised.
    ///
    /// # Errors
    /// [`RejectedUrl`], when the blob must not be read or is not a flow log.
    pub fn locate(&self, url: &str) -> Result<FlowLogBlob, RejectedUrl> {
        if url.len() > LONGEST_URL {
            return Err(RejectedUrl::TooLong);
        }
        if url.contains(['?', '#']) {
            return Err(RejectedUrl::NotBare);
        }
        let (scheme, rest) = url.split_once("://").ok_or(RejectedUrl::NotABlobUrl)?;
        let (authority, path) = rest.split_once('/').ok_or(RejectedUrl::NotABlobUrl)?;
        if authority.contains('@') {
            return Err(RejectedUrl::NotBare);
        }
        let origin = UrlOrigin::parse(scheme, authority).ok_or(RejectedUrl::NotABlobUrl)?;
        let (account, path) = self
            .accounts
            .iter()
            .filter(|account| origin.is_of(account))
            .find_map(|account| Some((account, strip_account_path(account.path(), path)?)))
            .ok_or_else(|| RejectedUrl::UnknownAccount(shorten_for_log(&origin.host)))?;
        let (container, name) = path.split_once('/').ok_or(RejectedUrl::NotABlobUrl)?;
        let (container, name) = (decode(container)?, decode(name)?);
        if !self.containers.iter().any(|configured| *configured == container) {
            return Err(RejectedUrl::UnknownContainer(shorten_for_log(&container)));
        }
        FlowLogBlob::new(account, &container, &name).map_err(RejectedUrl::from)
    }

    /// All containers, each once.
    #[must_use]
    pub fn containers(&self) -> Vec<Container> {
        let mut containers = Vec::new();
        for (account, name) in
            self.accounts.iter().flat_map(|account| self.containers.iter().map(move |name| (account, name)))
        {
            let container = Container::new(account.clone(), name.clone());
            if !containers.contains(&container) {
                containers.push(container);
            }
        }
        containers
    }
}

/// Scheme, host and port of a URL, normalised as `Url` normalises those of the accounts.
struct UrlOrigin {
    scheme: &'static str,
    host: String,
    port: Option<u16>,
}

impl UrlOrigin {
    fn parse(scheme: &str, authority: &str) -> Option<Self> {
        let (scheme, default_port) = match scheme.to_ascii_lowercase().as_str() {
            "https" => ("https", 443),
            "http" => ("http", 80),
            _ => return None,
        };
        let (host, port) = match authority.rsplit_once(':') {
            // A colon inside brackets belongs to an IPv6 address.
            Some((host, port)) if !port.ends_with(']') => (host, Some(port.parse().ok()?)),
            _ => (authority, None),
        };
        let host = host.to_ascii_lowercase().replacen(".dfs.", ".blob.", 1);
        Some(Self { scheme, host, port: port.filter(|port| *port != default_port) })
    }

    fn is_of(&self, account: &Url) -> bool {
        account.scheme() == self.scheme
            && account.host_str() == Some(self.host.as_str())
            && account.port() == self.port
    }
}

/// `path` without the account's path, `prefix`: `/` or `/account`. `path` has no first slash.
fn strip_account_path<'a>(prefix: &str, path: &'a str) -> Option<&'a str> {
    match prefix.trim_matches('/') {
        "" => Some(path),
        prefix => path.strip_prefix(prefix)?.strip_prefix('/'),
    }
}

fn decode(text: &str) -> Result<Cow<'_, str>, RejectedUrl> {
    percent_decode_str(text).decode_utf8().map_err(|_| RejectedUrl::NotUtf8)
}

/// An untrusted text, shortened and escaped for a log line.
fn shorten_for_log(text: &str) -> String {
    text.chars().take(SHOWN).flat_map(char::escape_debug).collect()
}
