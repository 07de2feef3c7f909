//! Limits the length of answers.
//!
//! The SDK buffers whole answers, however long. This policy is the last of every pipeline: it passes requests
//! to the HTTP client and ends the body at the limit.

use async_trait::async_trait;
use azure_core::error::ErrorKind;
use azure_core::http::policies::{Policy, PolicyResult};
use azure_core::http::{AsyncRawResponse, AsyncResponseBody, Context, HttpClient as _, Request, Transport};
use azure_core::{Bytes, Error};
use futures_util::{Stream, StreamExt as _};
use std::sync::Arc;

/// How much of an error's body is read, bytes: enough for its code and message. The rest is dropped.
const ERROR_BODY_BYTES: u64 = 64 << 10;

/// The longest body that the answer to one kind of request may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BodyLimit {
    pub(crate) bytes: u64,
    /// The kind of answer, for the error: "a page of checkpoint rows".
    pub(crate) what: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the answer is longer than {} bytes, the limit for {}", .0.bytes, .0.what)]
struct AnswerTooLong(BodyLimit);

/// A transport over `http` that limits answers: to the [`BodyLimit`] in the request's context, else to the
/// range that the request asks for, else to `default`.
pub(crate) fn limited_transport(http: reqwest::Client, default: BodyLimit) -> Transport {
    Transport::with_policy(Arc::new(LimitedTransport { http, default }))
}

#[derive(Debug)]
struct LimitedTransport {
    http: reqwest::Client,
    default: BodyLimit,
}

#[async_trait]
impl Policy for LimitedTransport {
    #[expect(elided_lifetimes_in_paths, reason = "the trait was expanded from a signature that elides them")]
    async fn send(&self, ctx: &Context, request: &mut Request, _: &[Arc<dyn Policy>]) -> PolicyResult {
        let stated = ctx.value::<BodyLimit>().copied();
        let limit = stated.or_else(|| range_limit(request)).unwrap_or(self.default);
        let (status, headers, body) = self.http.execute_request(request).await?.deconstruct();
        let body = if status.is_success() {
            limited(body, limit).boxed()
        } else {
            // Truncated, not failed: an endless error body must not hide the status.
            truncated(body, ERROR_BODY_BYTES).boxed()
        };
        Ok(AsyncRawResponse::new(status, headers, body))
    }
}

/// The length of the request's range, if the range has an end.
fn range_limit(request: &Request) -> Option<BodyLimit> {
    let range = request.headers().get_optional_str(&"range".into())?;
    let (first, last) = range.strip_prefix("bytes=")?.split_once('-')?;
    let (first, last): (u64, u64) = (first.parse().ok()?, last.parse().ok()?);
    Some(BodyLimit { bytes: last.checked_sub(first)?.checked_add(1)?, what: "the requested range" })
}

/// `body`, with an error in place of the bytes beyond the limit.
fn limited(body: AsyncResponseBody, limit: BodyLimit) -> impl Stream<Item = azure_core::Result<Bytes>> {
    body.scan(Some(limit.bytes), move |left, piece| {
        let Some(bytes) = *left else { return std::future::ready(None) };
        let next = piece.and_then(|piece| {
            *left = bytes.checked_sub(piece.len() as u64);
            let too_long =
                || Error::with_error(ErrorKind::Other, AnswerTooLong(limit), "the answer is too long");
            left.is_some().then_some(piece).ok_or_else(too_long)
        });
        std::future::ready(Some(next))
    })
}

/// The first `bytes` of `body`, up to the end of the piece that holds the last of them.
fn truncated(body: AsyncResponseBody, bytes: u64) -> impl Stream<Item = azure_core::Result<Bytes>> {
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
        length.map_err(|error| crate::azure::describe_error(&error))
    }

    const LIMIT: BodyLimit = BodyLimit { bytes: 10, what: "a page" };

    #[tokio::test]
    async fn one_byte_beyond_the_limit_is_an_error() {
        let pieces =
            |sizes: &'static [usize]| body(iter(sizes.iter().map(|size| Bytes::from(vec![0; *size]))));
        assert_eq!(joined(limited(pieces(&[]), LIMIT)).await, Ok(0));
        assert_eq!(joined(limited(pieces(&[4, 0, 6]), LIMIT)).await, Ok(10));
        let error = joined(limited(pieces(&[4, 7, 1]), LIMIT)).await.unwrap_err();
        assert!(error.contains("longer than 10 bytes, the limit for a page"), "{error}");
    }

    #[tokio::test]
    async fn an_endless_error_body_is_truncated() {
        let endless = || body(repeat_with(|| Bytes::from_static(&[b'x'; 1000])));
        assert_eq!(joined(truncated(endless(), 64_000)).await, Ok(64_000));
        assert_eq!(joined(truncated(endless(), 100)).await, Ok(1000));
        assert!(joined(limited(endless(), LIMIT)).await.is_err());
    }

    #[test]
    fn a_range_limits_the_answer_to_its_length() {
        let of = |range: Option<&'static str>| {
            let mut request = Request::new(Url::parse("http://a/").unwrap(), Method::Get);
            if let Some(range) = range {
                request.insert_header("range", range);
            }
            range_limit(&request).map(|limit| limit.bytes)
        };
        assert_eq!(of(Some("bytes=10-19")), Some(10));
        assert_eq!(of(Some("bytes=0-18446744073709551615")), None);
        for none in [None, Some("bytes=5-"), Some("bytes=9-3"), Some("rows=1-2"), Some("")] {
            assert_eq!(of(none), None, "{none:?}");
        }
    }
}
