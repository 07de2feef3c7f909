//! Names in containers: *List Blobs*, whose hierarchical form (`delimiter`) the SDK's client lacks.
//!
//! Source of the protocol: REST reference, *List Blobs* and *Enumerating blob resources*.

use super::answer::Cap;
use super::blob::AzureBlobs;
use super::failure;
use crate::flow_log::Container;
use crate::ports::blobs::{BlobListing, Depth, ListError, Listed, Names, Page};
use azure_core::error::CheckSuccessOptions;
use azure_core::http::{Context, Method, PipelineSendOptions, Request, Url};
use azure_core::xml::from_xml;
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use serde::Deserialize;
use std::fmt::Write as _;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;

/// The first version that percent-encodes names which XML could not hold, and says so, is 2021-02-12.
const API_VERSION: &str = "2022-11-02";

/// How long a page may be beside its names.
const PAGE_FRAME: u64 = 64 << 10;
/// How long each name on it may be with its properties: up to 1,024 characters, which XML escapes, and less
/// than 1,000 bytes of properties. (REST reference, *Naming and referencing containers, blobs, and metadata*.)
const PER_NAME: u64 = 3 << 10;

impl BlobListing for AzureBlobs {
    async fn list(&self, container: &Container, names: Names<'_>) -> Result<Page, ListError> {
        let failed = |reason: String| ListError::Failed {
            container: container.to_string(),
            prefix: names.prefix.to_owned(),
            reason,
        };
        let account = self.account(container.account()).map_err(failed)?;
        let mut request = Request::new(url(container, names), Method::Get);
        request.insert_header("accept", "application/xml");
        request.insert_header("x-ms-version", API_VERSION);
        let options = PipelineSendOptions {
            check_success: CheckSuccessOptions { success_codes: &[200] },
            ..PipelineSendOptions::default()
        };
        let bytes = PAGE_FRAME + u64::from(names.at_most) * PER_NAME;
        let context = Context::new().with_value(Cap { bytes, what: "a page of this many names" });
        let sent = account.pipeline.send(&context, &mut request, Some(options)).await;
        let answer = sent.map_err(|error| match failure::status(&error) {
            Some(404) => ListError::NoContainer { container: container.to_string() },
            _ => failed(account.told(container.name(), &error)),
        })?;
        let page = page(answer.body()).map_err(failed)?;
        if page.next.is_some() && page.next.as_deref() == names.marker {
            return Err(failed("the page's next marker is its own: the listing would never end".to_owned()));
        }
        Ok(page)
    }
}

fn url(container: &Container, names: Names<'_>) -> Url {
    let mut url = container.account().clone();
    url.set_path(&format!("{}/{}", url.path().trim_end_matches('/'), container.name()));
    let mut query = format!("restype=container&comp=list&maxresults={}", names.at_most);
    let mut add = |name: &str, value: &str| {
        // Spaces as %20: a `+` in a query is a plus to some services and a space to others.
        // Writing to a String never fails.
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

/// Neither part has a default: an answer that is something else must not be read as "no blobs".
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct EnumerationResults {
    blobs: Items,
    next_marker: String,
}

/// Blobs and folders come mixed, in the order of their names.
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
    /// The name as it is stored; one that is not UTF-8 is no flow log's, and is shown as well as can be.
    fn decoded(self) -> String {
        if self.encoded { percent_decode_str(&self.text).decode_utf8_lossy().into_owned() } else { self.text }
    }
}

/// What the answer's body lists.
pub(super) fn page(body: &[u8]) -> Result<Page, String> {
    // The error's own text repeats the whole answer.
    let answer: EnumerationResults =
        from_xml(body).map_err(|_| "the answer is not the XML of a listing".to_owned())?;
    let mut page = Page { next: Some(answer.next_marker).filter(|next| !next.is_empty()), ..Page::default() };
    for item in answer.blobs.items {
        match item {
            Item::BlobPrefix(folder) => page.folders.push(folder.name.decoded()),
            Item::Blob(Blob { name, properties: Properties { etag, length, modified } }) => {
                let (name, etag) = (name.decoded(), etag.trim_matches('"').to_owned());
                let modified = modified.as_deref().and_then(time_of);
                page.blobs.push(Listed { name, etag, length, modified });
            }
        }
    }
    Ok(page)
}

/// The time in `text`, as HTTP writes it, in milliseconds since the Unix epoch.
fn time_of(text: &str) -> Option<u64> {
    let seconds = OffsetDateTime::parse(text, &Rfc2822).ok()?.unix_timestamp();
    u64::try_from(seconds).ok()?.checked_mul(1_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_of_folders_and_blobs_in_any_order_is_read() {
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
        assert_eq!(page(body.as_bytes()), Ok(expected));
    }

    #[test]
    fn a_listing_without_names_is_an_empty_page() {
        for blobs in ["<Blobs/>", "<Blobs></Blobs>", "<Blobs />"] {
            let body = format!("<EnumerationResults>{blobs}<NextMarker /></EnumerationResults>");
            assert_eq!(page(body.as_bytes()), Ok(Page::default()), "{blobs}");
        }
    }

    #[test]
    fn what_is_no_listing_is_an_error() {
        assert!(page(b"<html>proxy</html>").is_err());
        assert!(page(b"").is_err());
    }

    #[test]
    fn names_travel_encoded_in_the_query() {
        let container = Container::new(Url::parse("http://127.0.0.1:10000/account").unwrap(), "logs".into());
        let names = Names { prefix: "a=/b c+d&", depth: Depth::Children, marker: Some("m/1"), at_most: 7 };
        assert_eq!(
            url(&container, names).as_str(),
            "http://127.0.0.1:10000/account/logs?restype=container&comp=list&maxresults=7\
             &delimiter=%2F&prefix=a%3D%2Fb%20c%2Bd%26&marker=m%2F1"
        );
    }
}
