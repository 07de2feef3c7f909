//! Sweeps of very many names, and of listings and tables that never end.

use super::answers::{LIST_BEFORE, endless, listed, listed_folder, without_end};
use super::content::Content;
use super::request::{Kind, StorageRequest};
use super::storage::Override;
use super::{HOSTILE, Setup, Shape, blob_name, play_all};
use crate::support::blobs::CONTAINER;
use crate::support::records::{content, record};
use axum::body::Body;
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse as _, Response};
use flowlog_forwarder::flow_log::FlowLogBlob;
use futures_util::FutureExt as _;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use time::OffsetDateTime;

/// How long a test waits for a sweep of something endless.
const WAIT: Duration = Duration::from_secs(8);
/// The number of blobs of the hour.
const NAMES: u32 = 100_000;
/// The rows of a page of the service.
const PAGE: usize = 1_000;

fn xml(body: Body) -> Response {
    ([("content-type", "application/xml")], body).into_response()
}

fn rows_json(body: Body, next: Option<&str>) -> Response {
    let mut answer = ([("content-type", "application/json")], body).into_response();
    if let Some(next) = next {
        let headers = answer.headers_mut();
        headers.insert("x-ms-continuation-nextpartitionkey", "p".parse().unwrap());
        headers.insert("x-ms-continuation-nextrowkey", next.parse().unwrap());
    }
    answer
}

/// Sweeps an hour with one blob while `answer` replaces the answers to requests of `kind`.
fn sweeping(
    name: &'static str,
    kind: Kind,
    answer: impl Fn(&StorageRequest) -> Option<Response> + Send + Sync + Clone + 'static,
) -> Shape {
    Shape::new(name, HOSTILE, move |setup| {
        let answer = answer.clone();
        async move {
            let honest = Content::of(&content(&[record(1, 50)]));
            setup.deliver(&setup.commit(&setup.blob(), honest)).await;
            let count = Arc::new(AtomicU64::new(0));
            let counted = Arc::clone(&count);
            setup.storage.override_answers(Arc::new(move |incoming| {
                let answer = (incoming.kind == kind).then(|| answer(incoming)).flatten()?;
                counted.fetch_add(1, Ordering::Relaxed);
                Some(answer)
            }));
            setup.sweep(WAIT).await;
            setup.expect(count.load(Ordering::Relaxed) > 0, || format!("{kind:?} was not requested"));
        }
        .boxed()
    })
}

/// Whether a listing asks for blobs, not for folders.
fn of_blobs(incoming: &StorageRequest) -> bool {
    !incoming.query.contains_key("delimiter")
}

/// A page of an endless listing: 5,000 names after the marker.
fn endless_page(incoming: &StorageRequest) -> Response {
    let page: u64 =
        incoming.query.get("marker").map_or(0, |marker| marker.trim_start_matches('m').parse().unwrap());
    let now = OffsetDateTime::now_utc();
    let items: String = (0..5_000)
        .map(|number| listed(&blob_name(now, &format!("{:012X}", page * 5_000 + number)), "0x1", 1_000))
        .collect();
    xml(format!("{LIST_BEFORE}{items}</Blobs><NextMarker>m{}</NextMarker></EnumerationResults>", page + 1)
        .into())
}

/// A page of an endless list of folders.
fn endless_folders(incoming: &StorageRequest) -> Response {
    let page: u64 =
        incoming.query.get("marker").map_or(0, |marker| marker.trim_start_matches('m').parse().unwrap());
    let prefix = match incoming.query.get("prefix") {
        Some(prefix) => prefix,
        None => "flowLogResourceID=",
    };
    let items: String =
        (0..5_000).map(|number| listed_folder(&format!("{prefix}{:012X}/", page * 5_000 + number))).collect();
    xml(format!("{LIST_BEFORE}{items}</Blobs><NextMarker>m{}</NextMarker></EnumerationResults>", page + 1)
        .into())
}

fn endless_answers() -> Vec<Shape> {
    vec![
        sweeping("a listing that does not end", Kind::List, |incoming| {
            of_blobs(incoming).then(|| xml(without_end(LIST_BEFORE, &listed("a", "0x1", 1))))
        }),
        sweeping("a list of folders that does not end", Kind::List, |incoming| {
            let folder = listed_folder("flowLogResourceID=a/");
            (!of_blobs(incoming)).then(|| xml(without_end(LIST_BEFORE, &folder)))
        }),
        sweeping("a listing that is refused without an end", Kind::List, |_| {
            Some((StatusCode::FORBIDDEN, endless("<Message>no</Message>")).into_response())
        }),
        sweeping("a listing whose pages do not end", Kind::List, |incoming| {
            of_blobs(incoming).then(|| endless_page(incoming))
        }),
        sweeping("folders whose pages do not end", Kind::List, |incoming| {
            (!of_blobs(incoming)).then(|| endless_folders(incoming))
        }),
        sweeping("a listing with one name of 64 MiB", Kind::List, |incoming| {
            let name = "x".repeat(64 << 20);
            let page = || {
                format!("{LIST_BEFORE}{}</Blobs><NextMarker/></EnumerationResults>", listed(&name, "0x1", 1))
            };
            of_blobs(incoming).then(|| xml(page().into()))
        }),
        sweeping("a second copy of the watermark that does not end", Kind::HostBlob, |incoming| {
            let answer = || (StatusCode::OK, [("etag", "\"0x1\"")], endless("x")).into_response();
            (incoming.method == Method::GET).then(answer)
        }),
        sweeping("a second copy of the watermark that is refused without an end", Kind::HostBlob, |_| {
            Some((StatusCode::FORBIDDEN, endless("no ")).into_response())
        }),
        sweeping("rows that do not end", Kind::Rows, |_| {
            Some(rows_json(without_end("{\"value\":[", "{\"PartitionKey\":\"p\"},"), None))
        }),
        sweeping("rows that are refused without an end", Kind::Rows, |_| {
            Some((StatusCode::FORBIDDEN, endless("no ")).into_response())
        }),
        sweeping("rows whose pages do not end", Kind::Rows, |incoming| {
            let page: u64 = incoming.query.get("NextRowKey").map_or(0, |key| key.parse().unwrap());
            let row = |number: u64| {
                let key = format!("{:012}", page * 1_000 + number);
                json!({"PartitionKey": "p", "RowKey": key, "odata.etag": "W/1", "Offset": "12", "Length": "20"})
            };
            let rows: Vec<Value> = (0..1_000).map(row).collect();
            Some(rows_json(json!({"value": rows}).to_string().into(), Some(&format!("{}", page + 1))))
        }),
        sweeping("empty pages of rows without an end", Kind::Rows, |_| {
            static PAGES: AtomicU64 = AtomicU64::new(0);
            let next = PAGES.fetch_add(1, Ordering::Relaxed).to_string();
            Some(rows_json("{\"value\":[]}".into(), Some(&next)))
        }),
    ]
}

/// An hour of [`NAMES`] blobs whose rows are up to date.
async fn known_names(setup: &Setup) -> Override {
    let first = setup.blob();
    let content = Content::of(&content(&[record(1, 50)]));
    let event = setup.commit(&first, content.clone());
    setup.deliver(&event).await;
    let key = first.checkpoint_key();
    let query = format!("$filter=PartitionKey%20eq%20'{}'", key.partition);
    let row = setup.row(&query).await;
    let (mac, etag) = (first.mac().to_owned(), event["data"]["eTag"].as_str().unwrap().to_owned());
    let (template, now) = (row.to_string(), OffsetDateTime::now_utc());
    let mut rows = Vec::new();
    for number in 0..NAMES {
        let other = format!("6045{number:08X}");
        let blob = FlowLogBlob::new(&setup.account(), CONTAINER, &blob_name(now, &other)).unwrap();
        setup.storage.commit_as(&format!("{}/{}", blob.container(), blob.name()), content.clone(), &etag);
        rows.push((blob.checkpoint_key().row, other));
    }
    rows.sort_unstable();
    Arc::new(move |incoming| {
        let filter = incoming.query.get("$filter").filter(|filter| filter.contains("PartitionKey eq"))?;
        let page = rows_of(&rows, filter, incoming.query.get("NextRowKey").map_or("", String::as_str));
        let next = page.get(PAGE).map(|(row, _)| row.as_str());
        let row = |(row, other): &(String, String)| template.replace(&key.row, row).replace(&mac, other);
        let value: Vec<String> = page.iter().take(PAGE).map(row).collect();
        Some(rows_json(format!("{{\"value\":[{}]}}", value.join(",")).into(), next))
    })
}

/// The rows that match `filter`, from `from` on: at most one more than a page.
fn rows_of<'a>(rows: &'a [(String, String)], filter: &str, from: &str) -> &'a [(String, String)] {
    let bounds = filter.split(" and ").filter_map(|bound| bound.strip_prefix("RowKey ")?.split_once(' '));
    let (mut first, mut last) = (rows.partition_point(|(row, _)| &**row < from), rows.len());
    for (operator, key) in bounds {
        let key = key.trim_matches('\'');
        let (below, up_to) =
            (rows.partition_point(|(row, _)| &**row < key), rows.partition_point(|(row, _)| &**row <= key));
        match operator {
            "ge" => first = first.max(below),
            "gt" => first = first.max(up_to),
            "lt" => last = last.min(below),
            "le" => last = last.min(up_to),
            "eq" => (first, last) = (first.max(below), last.min(up_to)),
            other => panic!("{other}: {filter}"),
        }
    }
    &rows[first.min(last)..last.min(first + PAGE + 1)]
}

fn many_names() -> Vec<Shape> {
    vec![Shape::new("100,000 blobs of an hour, all of them up to date", HOSTILE, |setup| {
        async move {
            setup.storage.override_answers(known_names(setup).await);
            let swept = setup.sweep(Duration::from_secs(40)).await;
            let log = setup.process.last_lines();
            setup.expect(swept == Some(200), || format!("the sweep answered {swept:?}: {log}"));
        }
        .boxed()
    })]
}

#[tokio::test(flavor = "multi_thread")]
async fn sweeps_of_any_size_take_bounded_memory() {
    play_all(&["--partitions", "1"], endless_answers().into_iter().chain(many_names()).collect()).await;
}

impl Setup {
    /// The only row that `query` finds.
    async fn row(&self, query: &str) -> Value {
        let (table, sas) = (self.rig.endpoint("hostTable"), self.rig.endpoint("hostSas"));
        let url = format!("{table}/flowlogcheckpoints(){sas}&{query}");
        let request = self.http.get(url).header("accept", "application/json;odata=minimalmetadata");
        let answer: Value =
            serde_json::from_str(&request.send().await.unwrap().text().await.unwrap()).unwrap();
        answer["value"][0].clone()
    }
}
