//! Decides from a URL whether a blob is ours: the URL comes from an event, which is input and not authority.
//! Only the accounts that the settings name are ever asked, and only they are ever sent a token.

use super::path::NotFlowLog;
use super::{Container, FlowLogBlob};
use percent_encoding::percent_decode_str;
use std::borrow::Cow;
use url::Url;

/// Longest URL that is looked at, bytes: a name of 1,024 characters of 4 bytes, each byte as `%XX`,
/// and room for the host.
pub const LONGEST_URL: usize = 13 * 1024;

/// How much of a foreign text is shown in a message, characters.
const SHOWN: usize = 80;

/// The accounts and containers that the settings name.
#[derive(Clone, Debug)]
pub struct Sources {
    accounts: Vec<Url>,
    containers: Vec<String>,
}

/// Why a URL is not one of ours. Shown without its query, which may hold a signature.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotOurs {
    /// Longer than the URL of any blob.
    #[error("the url is longer than that of any blob")]
    TooLong,
    /// No absolute http(s) URL of a blob.
    #[error("the url is not that of a blob")]
    NotABlobUrl,
    /// Blob events never carry one; a signature would be somebody else's authority.
    #[error("the url has a query, a fragment or a user, which no blob event has")]
    NotBare,
    /// An account that the settings do not name.
    #[error("the settings do not name the account at {0}")]
    ForeignAccount(String),
    /// A container that the settings do not name.
    #[error("the settings do not name the container {0}")]
    OtherContainer(String),
    /// The name is not UTF-8 once decoded.
    #[error("the blob's name is not UTF-8")]
    NotUtf8,
    /// The name is not that of an hour of flow logs.
    #[error("the blob {0}")]
    NotFlowLog(#[from] NotFlowLog),
}

impl Sources {
    /// The blobs of `accounts` whose container is one of `containers`.
    #[must_use]
    pub fn new(accounts: impl IntoIterator<Item = Url>, containers: &[String]) -> Self {
        Self { accounts: accounts.into_iter().collect(), containers: containers.to_vec() }
    }

    /// The blob at `url`: percent-encoded as events carry it, the account in the host name or, as
    /// emulators have it, first in the path. A `dfs` address means the same account's `blob` one.
    ///
    /// The path is taken as it stands: slashes are never collapsed, and nothing is normalised away.
    ///
    /// # Errors
    /// [`NotOurs`], when the blob must not or need not be read.
    pub fn locate(&self, url: &str) -> Result<FlowLogBlob, NotOurs> {
        if url.len() > LONGEST_URL {
            return Err(NotOurs::TooLong);
        }
        if url.contains(['?', '#']) {
            return Err(NotOurs::NotBare);
        }
        let (scheme, rest) = url.split_once("://").ok_or(NotOurs::NotABlobUrl)?;
        let (authority, path) = rest.split_once('/').ok_or(NotOurs::NotABlobUrl)?;
        if authority.contains('@') {
            return Err(NotOurs::NotBare);
        }
        let origin = Origin::parse(scheme, authority).ok_or(NotOurs::NotABlobUrl)?;
        let (account, path) = self
            .accounts
            .iter()
            .filter(|account| origin.is_of(account))
            .find_map(|account| Some((account, below(account.path(), path)?)))
            .ok_or_else(|| NotOurs::ForeignAccount(shown(&origin.host)))?;
        let (container, name) = path.split_once('/').ok_or(NotOurs::NotABlobUrl)?;
        let (container, name) = (decode(container)?, decode(name)?);
        if !self.containers.iter().any(|ours| *ours == container) {
            return Err(NotOurs::OtherContainer(shown(&container)));
        }
        FlowLogBlob::new(account, &container, &name).map_err(NotOurs::from)
    }

    /// The containers to look into, each once.
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

/// Scheme, host and port of a URL, in the form in which `Url` holds those of the accounts.
struct Origin {
    scheme: &'static str,
    host: String,
    port: Option<u16>,
}

impl Origin {
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

/// What follows `prefix` (an account's path: `/`, or `/account`) in `path` (without its first slash).
fn below<'a>(prefix: &str, path: &'a str) -> Option<&'a str> {
    match prefix.trim_matches('/') {
        "" => Some(path),
        prefix => path.strip_prefix(prefix)?.strip_prefix('/'),
    }
}

fn decode(text: &str) -> Result<Cow<'_, str>, NotOurs> {
    percent_decode_str(text).decode_utf8().map_err(|_| NotOurs::NotUtf8)
}

/// A foreign text, escaped and cut, so that it can stand in a line of a log.
fn shown(text: &str) -> String {
    text.chars().take(SHOWN).flat_map(char::escape_debug).collect()
}
