//! The body of an invocation, and the URLs of its events.
#![allow(clippy::unwrap_used)]

use crate::config::{StorageAccess, StorageAccount};
use crate::flow_log::VNET_CONTAINER;
use crate::flow_log::{LONGEST_URL, Sources, check_hour};
use crate::host::event::{self, Event, LONGEST_ETAG, MAX_EVENTS};
use crate::hour::Retention;
use url::Url;

/// How much memory events may take besides eight times the body, bytes: [`MAX_EVENTS`] of a few hundred bytes.
const MAX_FIXED: usize = 2 << 20;

/// Longest reason for an ignored event, bytes: 256 characters of the event, and words.
const LONGEST_REASON: usize = 2_000;

/// Any body is parsed without a panic into a bounded number of events that take bounded memory. Their URLs are
/// located, or rejected in a short line. `data` is used as the body, as a value in it, and as a string in it.
///
/// # Panics
/// When that is violated.
pub fn envelope(data: &[u8]) {
    body(data);
    body(&[b"{\"Data\":{\"e\":", data, b"}}"].concat());
    let text = serde_json::Value::from(String::from_utf8_lossy(data));
    body(serde_json::json!({"Data": {"e": text}}).to_string().as_bytes());
    let commit = serde_json::json!({"eventType": "Microsoft.Storage.BlobCreated", "data": {"url": text, "eTag": text}});
    body(serde_json::json!({"Data": {"e": commit}}).to_string().as_bytes());
}

fn body(body: &[u8]) {
    let Ok(events) = event::parse(body) else { return };
    assert!(events.len() <= MAX_EVENTS);
    let size: usize = events.iter().map(Event::size).sum();
    assert!(size <= 8 * body.len() + MAX_FIXED, "{size} bytes of {}", body.len());
    let account = StorageAccount {
        blob_service: Url::parse("https://contoso.blob.core.windows.net").unwrap(),
        access: StorageAccess::Sas("unused".into()),
    };
    let sources = Sources::new([account.blob_service], &[VNET_CONTAINER.to_owned()]);
    for event in events {
        let reason = match event {
            Event::Commit(commit) => {
                assert!(commit.url.len() <= LONGEST_URL);
                assert!(commit.etag.is_none_or(|etag| (1..=LONGEST_ETAG).contains(&etag.len())));
                sources.locate(&commit.url).map_err(|reason| reason.to_string()).and_then(|blob| {
                    assert_eq!(sources.locate(&blob.url()).as_ref(), Ok(&blob), "a blob has one URL");
                    check_hour(&blob, u64::MAX, Retention::of_days(2)).map_err(|reason| reason.to_string())
                })
            }
            Event::Ignored(reason) => Err(reason.to_string()),
        };
        assert!(reason.is_err_and(|reason| reason.len() < LONGEST_REASON && !reason.contains('\n')));
    }
}
