//! Hostile events: false lengths, and bodies that take more memory than their size.

use super::content::Content;
use super::{HOSTILE, Setup, Shape, play_all};
use crate::support::records::record;
use futures_util::FutureExt as _;
use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

const MIB: usize = 1 << 20;
/// The body of the host before and after the value of the binding.
const BEFORE: &str = "{\"Data\":{\"eventGridEvent\":";
const BEHIND: &str = "},\"Metadata\":{}}";

/// A blob of about `length` bytes of honest records.
fn of_length(length: usize) -> Content {
    let record = record(1, 100);
    let count = (length / record.len()) as u64;
    Content::of("{\"records\":[").times(count, &format!("{record},")).then(&record).then("]}")
}

/// Events of `count` blobs of `size` bytes that claim `claimed` bytes.
fn with_false_length(setup: &Setup, count: usize, size: usize, claimed: &Value) -> Vec<Value> {
    let content = of_length(size);
    let lie = |_| {
        let mut event = setup.commit(&setup.blob(), content.clone());
        event["data"]["contentLength"] = claimed.clone();
        event
    };
    (0..count).map(lie).collect()
}

fn lengths() -> Vec<Shape> {
    vec![
        Shape::new("40 events at once that claim 0 bytes, of blobs of 12 MiB", HOSTILE, |setup| {
            async move { setup.deliver_all(&with_false_length(setup, 40, 12 * MIB, &json!(0))).await }.boxed()
        }),
        Shape::new("64 events at once that claim 0 bytes, of blobs of 6 MiB", HOSTILE, |setup| {
            async move { setup.deliver_all(&with_false_length(setup, 64, 6 * MIB, &json!(0))).await }.boxed()
        }),
        Shape::new("64 events at once that claim 2^63 bytes", HOSTILE, |setup| {
            async move { setup.deliver_all(&with_false_length(setup, 64, 20_000, &json!(1_u64 << 63))).await }
                .boxed()
        }),
        Shape::new("64 events at once that claim no length, of blobs of 6 MiB", HOSTILE, |setup| {
            async move { setup.deliver_all(&with_false_length(setup, 64, 6 * MIB, &Value::Null)).await }
                .boxed()
        }),
        Shape::new("64 events at once with an ETag of 900 kB", HOSTILE, |setup| {
            async move {
                let mut events = with_false_length(setup, 64, 20_000, &json!(20_000));
                for event in &mut events {
                    event["data"]["eTag"] = "x".repeat(900_000).into();
                }
                setup.deliver_all(&events).await;
            }
            .boxed()
        }),
        Shape::new("64 events at once of one blob of 24 MiB", HOSTILE, |setup| {
            async move {
                let event = setup.commit(&setup.blob(), of_length(24 * MIB));
                setup.deliver_all(&vec![event; 64]).await;
            }
            .boxed()
        }),
        Shape::new("40 events at once of blobs of one string of 8 MiB", HOSTILE, |setup| {
            async move {
                let text = |_| {
                    let content = Content::of("{\"records\":[{\"a\":\"").times(8 << 20, "x").then("\"}]}");
                    setup.commit(&setup.blob(), content)
                };
                setup.deliver_all(&(0..40).map(text).collect::<Vec<_>>()).await;
            }
            .boxed()
        }),
        Shape::new("40 events at once of blobs of 8 MiB of blanks", HOSTILE, |setup| {
            async move {
                let blanks = |_| {
                    let content = Content::of("{\"records\":[").times(8 << 20, " ").then("]}");
                    setup.commit(&setup.blob(), content)
                };
                setup.deliver_all(&(0..40).map(blanks).collect::<Vec<_>>()).await;
            }
            .boxed()
        }),
    ]
}

/// A body of about `size` bytes whose events repeat `pattern`.
fn filled(pattern: &str, size: usize) -> String {
    let events = pattern.repeat(size / pattern.len());
    format!("{BEFORE}[{events}{{}}]{BEHIND}")
}

async fn post_at_once(setup: &Setup, count: usize, body: &str) {
    join_all((0..count).map(|_| setup.post(body.to_owned()))).await;
}

/// Posts `count` bodies of `size` bytes, all but the last byte of each, and delivers an event meanwhile.
async fn unfinished(setup: &Setup, count: usize, size: usize) {
    let address = setup.process.address;
    let head = format!(
        "POST /FlowLogBlobCreated HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n\
         Content-Length: {size}\r\n\r\n"
    );
    let post = |_| async {
        let mut stream = TcpStream::connect(address).await.ok()?;
        stream.write_all(head.as_bytes()).await.ok()?;
        let body = vec![b' '; size - 1];
        // The process may hang up before that.
        let written = tokio::time::timeout(std::time::Duration::from_secs(10), stream.write_all(&body)).await;
        written.ok()?.ok()?;
        Some(stream)
    };
    let open = join_all((0..count).map(post)).await;
    setup.deliver(&setup.commit(&setup.blob(), of_length(MIB))).await;
    drop(open);
}

fn bodies() -> Vec<Shape> {
    vec![
        Shape::new("32 bodies at once of 1 MiB of small objects", HOSTILE, |setup| {
            async move { post_at_once(setup, 32, &filled("{\"\":0},", MIB - 100)).await }.boxed()
        }),
        Shape::new("32 bodies at once of 1 MiB of empty arrays", HOSTILE, |setup| {
            async move { post_at_once(setup, 32, &filled("[],", MIB - 100)).await }.boxed()
        }),
        Shape::new("32 bodies at once of 1 MiB of escapes in a string", HOSTILE, |setup| {
            async move {
                let body = format!("{BEFORE}\"{}\"{BEHIND}", "\\\"".repeat(MIB / 2 - 100));
                post_at_once(setup, 32, &body).await;
            }
            .boxed()
        }),
        Shape::new("32 bodies at once of 1 MiB of members that nobody reads", HOSTILE, |setup| {
            async move {
                let members: Vec<_> = (0..60_000).map(|number| format!("\"k{number:06}\":[0],")).collect();
                let body = format!("{BEFORE}{{{}\"last\":0}}{BEHIND}", members.concat());
                post_at_once(setup, 32, &body).await;
            }
            .boxed()
        }),
        Shape::new("one body of 8 MiB", HOSTILE, |setup| {
            async move { post_at_once(setup, 1, &filled("{\"\":0},", 8 * MIB - 100)).await }.boxed()
        }),
        Shape::new("16 bodies at once of 7 MiB", HOSTILE, |setup| {
            async move { post_at_once(setup, 16, &filled("{\"\":0},", 7 * MIB)).await }.boxed()
        }),
        Shape::new("100 posts of 8 MiB without an end", HOSTILE, |setup| {
            async move { unfinished(setup, 100, 8 * MIB).await }.boxed()
        }),
        Shape::new("200 posts of 1 MB without an end", HOSTILE, |setup| {
            async move { unfinished(setup, 200, 1_000_000).await }.boxed()
        }),
        Shape::new("5,000 events of other blobs in one body", HOSTILE, |setup| {
            async move {
                let events: Vec<Value> = (0..5_000)
                    .map(|_| {
                        let data =
                            json!({"api": "PutBlockList", "url": setup.blob().url(), "contentLength": 9});
                        json!({"eventType": "Microsoft.Storage.BlobCreated", "id": "e", "data": data})
                    })
                    .collect();
                setup.post(format!("{BEFORE}{}{BEHIND}", Value::Array(events))).await;
            }
            .boxed()
        }),
        Shape::new("a body nested 100,000 deep", HOSTILE, |setup| {
            async move {
                for [open, close] in [["[", "]"], ["{\"a\":", "}"]] {
                    let deep = format!("{}0{}", open.repeat(100_000), close.repeat(100_000));
                    setup.post(format!("{BEFORE}{deep}{BEHIND}")).await;
                    setup.post(format!("{BEFORE}{{}}}},\"Metadata\":{deep}}}")).await;
                }
            }
            .boxed()
        }),
        Shape::new("400 connections that say nothing", HOSTILE, |setup| {
            async move {
                let address = setup.process.address;
                let silent = join_all((0..400).map(|_| TcpStream::connect(address))).await;
                setup.deliver(&setup.commit(&setup.blob(), of_length(MIB))).await;
                drop(silent);
            }
            .boxed()
        }),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn lengths_that_lie_take_no_more_memory() {
    play_all(&["--partitions", "1"], lengths()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn event_bodies_of_any_kind_take_bounded_memory() {
    play_all(&["--partitions", "1"], bodies()).await;
}
