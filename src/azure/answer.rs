//! Reads no more of an answer than its request can call for.
//!
//! The SDK keeps whole answers in memory, however long they are. This is the last policy of every pipeline:
//! it hands requests to the HTTP client, and ends the body where the limit is.

use async_trait::async_trait;
use azure_core::error::ErrorKind;
use azure_core::http::policies::{Policy, PolicyResult};
use azure_core::http::{AsyncRawResponse, AsyncResponseBody, Context, HttpClient as _, Request, Transport};
use azure_core::{Bytes, Error};
use futures_util::{Stream, StreamExt as _};
use std::sync::Arc;

/// How much of an answer that is an error is read: its code and its message. The rest is left out.
const ERROR_BODY: u64 = 64 << 10;

/// The longest answer that one kind of request may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cap {
    /// Bytes.
    pub(super) bytes: u64,
    /// The kind, for the error: "a page of checkpoint rows".
    pub(super) what: &'static str,
}

/// The answer is longer than [`Cap`] allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the answer is longer than {} bytes, the most that {} may have", .0.bytes, .0.what)]
pub(super) struct TooLong(Cap);

/// A transport over `http`. A request whose context holds a [`Cap`] is held to that one, a request for a
/// range to the range, and every other request to `default`.
pub(super) fn capped(http: reqwest::Client, default: Cap) -> Transport {
    Transport::with_policy(Arc::new(Capped { http, default }))
}

#[derive(Debug)]
struct Capped {
    http: reqwest::Client,
    default: Cap,
}

#[async_trait]
impl Policy for Capped {
    #[expect(elided_lifetimes_in_paths, reason = "the trait was expanded from a signature that elides them")]
    async fn send(&self, ctx: &Context, request: &mut Request, _: &[Arc<dyn Policy>]) -> PolicyResult {
        let stated = ctx.value::<Cap>().copied();
        let cap = stated.or_else(|| range_cap(request)).unwrap_or(self.default);
        let (status, headers, body) = self.http.execute_request(request).await?.deconstruct();
        let body = if status.is_success() {
            up_to(body, cap).boxed()
        } else {
            // The status is what counts: an endless text beside it must not hide it.
            beginning(body, ERROR_BODY).boxed()
        };
        Ok(AsyncRawResponse::new(status, headers, body))
    }
}

/// What the request's range allows, if it names one with an end.
fn range_cap(request: &Request) -> Option<Cap> {
    let range = request.headers().get_optional_str(&"range".into())?;
    let (first, last) = range.strip_prefix("bytes=")?.split_once('-')?;
    let (first, last): (u64, u64) = (first.parse().ok()?, last.parse().ok()?);
    Some(Cap { bytes: last.checked_sub(first)?.checked_add(1)?, what: "the range that was asked for" })
}

/// `body`, with an error in the place of what lies behind the limit.
fn up_to(body: AsyncResponseBody, cap: Cap) -> impl Stream<Item = azure_core::Result<Bytes>> {
    body.scan(Some(cap.bytes), move |left, piece| {
        let Some(room) = *left else { return std::future::ready(None) };
        let next = piece.and_then(|piece| {
            *left = room.checked_sub(piece.len() as u64);
            let too_long = || Error::with_error(ErrorKind::Other, TooLong(cap), "the answer is too long");
            left.is_some().then_some(piece).ok_or_else(too_long)
        });
        std::future::ready(Some(next))
    })
}

/// The first `bytes` of `body`, more or less: it ends with the piece that goes beyond.
fn beginning(body: AsyncResponseBody, bytes: u64) -> impl Stream<Item = azure_core::Result<Bytes>> {
    body.scan(bytes, |left, piece| {
        let ended = *left == 0;
        let length = piece.as_ref().map_or(0, |piece| piece.len() as u64);
        *left = left.saturating_sub(length);
        std::future::ready((!ended).then_some(piece))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use azure_core::http::headers::Headers;
    use azure_core::http::{Method, StatusCode, Url};
    use futures_util::TryStreamExt as _;
    use futures_util::stream::{iter, repeat_with};

    fn body(stream: impl Stream<Item = Bytes> + Send + 'static) -> AsyncResponseBody {
        AsyncRawResponse::new(StatusCode::Ok, Headers::new(), stream.map(Ok).boxed()).into_body()
    }

    async fn joined(stream: impl Stream<Item = azure_core::Result<Bytes>>) -> Result<usize, String> {
        let length = stream.try_fold(0, |sum, piece| async move { Ok(sum + piece.len()) }).await;
        length.map_err(|error| crate::azure::failure::describe(&error))
    }

    const CAP: Cap = Cap { bytes: 10, what: "a page" };

    #[tokio::test]
    async fn an_answer_that_just_fits_is_read_and_one_byte_more_is_an_error() {
        let pieces =
            |sizes: &'static [usize]| body(iter(sizes.iter().map(|size| Bytes::from(vec![0; *size]))));
        assert_eq!(joined(up_to(pieces(&[]), CAP)).await, Ok(0));
        assert_eq!(joined(up_to(pieces(&[4, 0, 6]), CAP)).await, Ok(10));
        let error = joined(up_to(pieces(&[4, 7, 1]), CAP)).await.unwrap_err();
        assert!(error.contains("longer than 10 bytes, the most that a page may have"), "{error}");
    }

    #[tokio::test]
    async fn an_endless_error_is_read_to_the_limit_and_no_further() {
        let endless = || body(repeat_with(|| Bytes::from_static(&[b'x'; 1000])));
        assert_eq!(joined(beginning(endless(), 64_000)).await, Ok(64_000));
        assert_eq!(joined(beginning(endless(), 100)).await, Ok(1000));
        assert!(joined(up_to(endless(), CAP)).await.is_err());
    }

    #[test]
    fn a_range_allows_its_own_length() {
        let of = |range: Option<&'static str>| {
            let mut request = Request::new(Url::parse("http://a/").unwrap(), Method::Get);
            if let Some(range) = range {
                request.insert_header("range", range);
            }
            range_cap(&request).map(|cap| cap.bytes)
        };
        assert_eq!(of(Some("bytes=10-19")), Some(10));
        assert_eq!(of(Some("bytes=0-18446744073709551615")), None);
        for none in [None, Some("bytes=5-"), Some("bytes=9-3"), Some("rows=1-2"), Some("")] {
            assert_eq!(of(none), None, "{none:?}");
        }
    }
}
