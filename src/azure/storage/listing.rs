//! Lists the names in a container. The SDK's client lacks the hierarchical form (`delimiter`).
//!
//! Protocol: REST reference, *List Blobs* and *Enumerating blob resources*.

use super::blob_reader::AzureBlobs;
use crate::azure::http::{BodyLimit, status, unix_millis};
use crate::flow_log::Container;
use crate::ports::blobs::{BlobListing, Depth, ListError, Listed, Names, Page};
use azure_core::http::Url;
use azure_core::xml::from_xml;
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use serde::Deserialize;
use std::fmt::Write as _;

/// The longest page without its names, bytes.
const PAGE_FRAME: u64 = 64 << 10;
/// The longest name with its properties, bytes: up to 1,024 characters, escaped for XML, and less than 1,000
/// bytes of properties. (REST reference, *Naming and referencing containers, blobs, and metadata*.)
const PER_NAME: u64 = 3 << 10;

impl BlobListing for AzureBlobs {
    async fn list(&self, container: &Container, names: Names<'_>) -> Result<Page, ListError> {
        let failed = |reason: String| ListError::Failed {
            container: container.to_string(),
            prefix: names.prefix.to_owned(),
            reason,
        };
        let account = self.account(container.account()).map_err(failed)?;
        let bytes = PAGE_FRAME + u64::from(names.at_most) * PER_NAME;
        let limit = BodyLimit { bytes, what: "a page of this many names" };
        let answer =
            account.get_xml(url(container, names), limit).await.map_err(|error| match status(&error) {
                Some(404) => ListError::NoContainer { container: container.to_string() },
                _ => failed(account.describe(container.name(), &error)),
            })?;
        let page = read_page(answer.body()).map_err(failed)?;
        if page.next.is_some() && page.next.as_deref() == names.marker {
            return Err(failed("the answer repeats its marker: the listing would never end".to_owned()));
        }
        Ok(page)
    }
}

fn url(container: &Container, names: Names<'_>) -> Url {
    let mut url = container.account().clone();
    url.set_path(&format!("{}/{}", url.path().trim_end_matches('/'), container.name()));
    let mut query = format!("restype=container&comp=list&maxresults={}", names.at_most);
    let mut add = |name: &str, value: &str| {
        // Encodes a space as %20: services differ on `+`. Writing to a String never fails.
        let _ = write!(query, "&{name}={}", utf8_percent_encode(value, NON_ALPHANUMERIC));
    };
    if names.depth == Depth::Children {
        add("delimiter", "/");
    }
    if !names.prefix.is_empty() {
        add("prefix", names.prefix);
    }
    if let Some(marker) = names.marker {
        add("marker", marker);
    }
    url.set_query(Some(&query));
    url
}

/// No field has a default: any other XML must be an error, not "no blobs".
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct EnumerationResults {
    blobs: Items,
    next_marker: String,
}

/// Blobs and folders are mixed, in the order of their names.
#[derive(Deserialize)]
struct Items {
    #[serde(rename = "$value", default)]
    items: Vec<Item>,
}

#[derive(Deserialize)]
enum Item {
    Blob(Blob),
    BlobPrefix(Folder),
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Blob {
    name: Name,
    properties: Properties,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Folder {
    name: Name,
}

#[derive(Deserialize)]
struct Name {
    #[serde(rename = "@Encoded", default)]
    encoded: bool,
    #[serde(rename = "$text", default)]
    text: String,
}

#[derive(Deserialize)]
struct Properties {
    #[serde(rename = "Etag")]
    etag: String,
    #[serde(rename = "Content-Length")]
    length: u64,
    #[serde(rename = "Last-Modified")]
    modified: Option<String>,
}

impl Name {
    /// The stored name. Lossy when it is not UTF-8: flow logs have no such names.
    fn decoded(self) -> String {
        if self.encoded { percent_decode_str(&self.text).decode_utf8_lossy().into_owned() } else { self.text }
    }
}

/// The names that `body` lists.
pub(crate) fn read_page(body: &[u8]) -> Result<Page, String> {
    // The parser's error is left out: it repeats the whole answer.
    let answer: EnumerationResults =
        from_xml(body).map_err(|_| "the answer is not the XML of a listing".to_owned())?;
    let mut page = Page { next: Some(answer.next_marker).filter(|next| !next.is_empty()), ..Page::default() };
    for item in answer.blobs.items {
        match item {
            Item::BlobPrefix(folder) => page.folders.push(folder.name.decoded()),
            Item::Blob(Blob { name, properties: Properties { etag, length, modified } }) => {
                let (name, etag) = (name.decoded(), etag.trim_matches('"').to_owned());
                let modified = modified.as_deref().and_then(unix_millis);
                page.blobs.push(Listed { name, etag, length, modified });
            }
        }
    }
    Ok(page)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_mixes_folders_and_blobs_in_any_order() {
        let body = "\u{feff}<?xml version=\"1.0\" encoding=\"utf-8\"?>\
            <EnumerationResults ServiceEndpoint=\"https://a/\" ContainerName=\"c\"><Prefix>p/</Prefix>\
            <MaxResults>5000</MaxResults><Delimiter>/</Delimiter><Blobs>\
            <BlobPrefix><Name>p/a&amp;b/</Name></BlobPrefix>\
            <Blob><Name>p/b c</Name><Properties><Last-Modified>x</Last-Modified><Etag>0x8D</Etag>\
            <Content-Length>14</Content-Length><BlobType>BlockBlob</BlobType></Properties><OrMetadata /></Blob>\
            <BlobPrefix><Name Encoded=\"true\">p/%EF%BF%BE/</Name></BlobPrefix>\
            <Blob><Name>p/d</Name><Properties><Last-Modified>Sun, 22 Nov 2026 09:00:07 GMT</Last-Modified><Etag>\"0x9\"</Etag><Content-Length>0</Content-Length></Properties></Blob>\
            </Blobs><NextMarker>m!1</NextMarker></EnumerationResults>";
        let expected = Page {
            folders: vec!["p/a&b/".into(), "p/\u{fffe}/".into()],
            blobs: vec![
                Listed { name: "p/b c".into(), etag: "0x8D".into(), length: 14, modified: None },
                Listed {
                    name: "p/d".into(),
                    etag: "0x9".into(),
                    length: 0,
                    modified: Some(498_705 * 3_600_000 + 7_000),
                },
            ],
            next: Some("m!1".into()),
        };
        assert_eq!(read_page(body.as_bytes()), Ok(expected));
    }

    #[test]
    fn a_listing_without_names_is_an_empty_page() {
        for blobs in ["<Blobs/>", "<Blobs></Blobs>", "<Blobs />"] {
            let body = format!("<EnumerationResults>{blobs}<NextMarker /></EnumerationResults>");
            assert_eq!(read_page(body.as_bytes()), Ok(Page::default()), "{blobs}");
        }
    }

    #[test]
    fn other_xml_is_not_read_as_a_listing() {
        assert!(read_page(b"<html>proxy</html>").is_err());
        assert!(read_page(b"").is_err());
    }

    #[test]
    fn names_are_encoded_in_the_query() {
        let container = Container::new(Url::parse("http://127.0.0.1:10000/account").unwrap(), "logs".into());
        let names = Names { prefix: "a=/b c+d&", depth: Depth::Children, marker: Some("m/1"), at_most: 7 };
        assert_eq!(
            url(&container, names).as_str(),
            "http://127.0.0.1:10000/account/logs?restype=container&comp=list&maxresults=7\
             &delimiter=%2F&prefix=a%3D%2Fb%20c%2Bd%26&marker=m%2F1"
        );
    }
}
