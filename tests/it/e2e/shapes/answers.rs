//! Answers of storage, valid and endless.

use axum::body::{Body, Bytes};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use futures_util::{StreamExt as _, stream};
use std::convert::Infallible;

pub(super) const LAST_MODIFIED: &str = "Sun, 22 Nov 2026 09:59:00 GMT";
pub(super) const BLOCKS_BEFORE: &str =
    "<?xml version=\"1.0\" encoding=\"utf-8\"?><BlockList><CommittedBlocks>";
pub(super) const BLOCKS_BEHIND: &str = "</CommittedBlocks></BlockList>";
pub(super) const LIST_BEFORE: &str = "<?xml version=\"1.0\" encoding=\"utf-8\"?>\
    <EnumerationResults ServiceEndpoint=\"http://127.0.0.1/\" ContainerName=\"c\"><Blobs>";

/// An entry of a block list.
pub(super) fn block(number: usize, size: u64) -> String {
    format!("<Block><Name>block-{number:08}</Name><Size>{size}</Size></Block>")
}

/// A blob in a listing.
pub(super) fn listed(name: &str, etag: &str, length: u64) -> String {
    format!(
        "<Blob><Name>{name}</Name><Properties><Last-Modified>{LAST_MODIFIED}</Last-Modified><Etag>{etag}</Etag>\
         <Content-Length>{length}</Content-Length><BlobType>BlockBlob</BlobType></Properties></Blob>"
    )
}

/// An error of storage.
pub(super) fn refused(status: StatusCode, code: &'static str) -> Response {
    let body = format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>no</Message></Error>");
    (status, [("x-ms-error-code", code), ("content-type", "application/xml")], body).into_response()
}

/// A body that never ends.
pub(super) fn endless(pattern: &str) -> Body {
    let chunk = Bytes::from(pattern.repeat((64 << 10) / pattern.len()));
    Body::from_stream(stream::repeat(Ok::<_, Infallible>(chunk)))
}

/// A body that begins with `head` and never ends.
pub(super) fn without_end(head: &'static str, pattern: &str) -> Body {
    let head = stream::once(async move { Ok::<_, Infallible>(Bytes::from(head)) });
    let rest = endless(pattern).into_data_stream().map(|piece| Ok(piece.unwrap()));
    Body::from_stream(head.chain(rest))
}

/// A folder in a listing.
pub(super) fn listed_folder(name: &str) -> String {
    format!("<BlobPrefix><Name>{name}</Name></BlobPrefix>")
}
