//! A request to storage.

use axum::http::{HeaderMap, Method, Uri};
use percent_encoding::percent_decode_str;
use std::collections::HashMap;

/// What a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Read,
    Blocks,
    List,
    Quarantine,
    /// Any other blob of the host's account.
    HostBlob,
    Row,
    Rows,
    Token,
}

/// The parts of a request that an answer depends on.
pub(super) struct StorageRequest {
    pub(super) kind: Kind,
    pub(super) method: Method,
    /// The path, decoded, without the account.
    pub(super) path: String,
    /// The parameters, decoded.
    pub(super) query: HashMap<String, String>,
    pub(super) headers: HeaderMap,
}

const ACCOUNT: &str = "/devstoreaccount1/";
/// The paths of the blobs and the tables of the host's account.
pub(super) const HOST: &str = "/hoststore";
pub(super) const HOST_TABLE: &str = "/hosttable";

impl StorageRequest {
    pub(super) fn new(method: Method, uri: &Uri, headers: HeaderMap) -> Self {
        let decoded = |text: &str| percent_decode_str(text).decode_utf8().unwrap().into_owned();
        let query: HashMap<_, _> =
            url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()).into_owned().collect();
        let path = decoded(uri.path());
        let comp = query.get("comp").map(String::as_str);
        let kind = match path.as_str() {
            path if path.starts_with("/hoststore/flowlog-quarantine") => Kind::Quarantine,
            path if path.starts_with(HOST) => Kind::HostBlob,
            path if path.starts_with(HOST_TABLE) && path.ends_with("()") => Kind::Rows,
            path if path.starts_with(HOST_TABLE) => Kind::Row,
            path if path.starts_with("/token") => Kind::Token,
            _ if comp == Some("list") => Kind::List,
            _ if comp == Some("blocklist") => Kind::Blocks,
            _ => Kind::Read,
        };
        let path = path.strip_prefix(ACCOUNT).unwrap_or(&path).to_owned();
        Self { kind, method, path, query, headers }
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The requested range of `length` bytes; all of them when the request names none.
    pub(super) fn range(&self, length: u64) -> (u64, u64) {
        let incoming = self.header("x-ms-range").or_else(|| self.header("range"));
        let bounds = incoming.and_then(|range| range.strip_prefix("bytes=")?.split_once('-'));
        let (start, last) = bounds.unwrap_or(("0", ""));
        (start.parse().unwrap(), last.parse().map_or(length, |last: u64| length.min(last + 1)))
    }
}
