//! Storage endpoints with endless answers: how much is read, and which error results.

use crate::support::blobs::blob_of;
use flowlog_forwarder::azure::storage::{AzureBlobs, AzureTable, http_client};
use flowlog_forwarder::clock::Clock;
use flowlog_forwarder::config::Config;
use flowlog_forwarder::flow_log::{CheckpointKey, Container, FlowLogBlob};
use flowlog_forwarder::ports::blobs::{
    BlobListing as _, BlobReader as _, Condition, Depth, ListError, Names, ReadError,
};
use flowlog_forwarder::ports::checkpoints::{
    CheckpointStore as _, CheckpointTable as _, Continuation, Rows, StoreError,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// The length of an "endless" answer, bytes.
const ENDLESS: usize = 96 << 20;
/// How much may be sent beyond what is read, bytes: buffers of sockets and of the HTTP client.
const BUFFERED: usize = 24 << 20;

/// An endpoint that answers with a head, a beginning, and `filling` until the client stops reading.
pub struct Endpoint {
    pub port: u16,
    sent: Arc<AtomicUsize>,
}

impl Endpoint {
    pub async fn start(head: &'static str, beginning: &'static str, filling: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let sent = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&sent);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer(stream, head, beginning, filling, Arc::clone(&counter)));
            }
        });
        Self { port, sent }
    }

    fn config(&self) -> Config {
        let account = |name: &str| {
            format!(
                "DefaultEndpointsProtocol=http;AccountName={name};AccountKey=c2VjcmV0;BlobEndpoint=http://127.0.0.1:{port}/{name};\
                 TableEndpoint=http://127.0.0.1:{port}/{name}",
                port = self.port
            )
        };
        Config::from_lookup(|setting| match setting {
            "FLOWLOG_STORAGE" => Some(account("logs")),
            "CHECKPOINT_STORAGE" => Some(account("host")),
            "EVENT_HUB_CONNECTION" => Some(
                "Endpoint=sb://127.0.0.1:1;SharedAccessKeyName=k;SharedAccessKey=a;UseDevelopmentEmulator=true;".into(),
            ),
            "EVENT_HUB_NAME" => Some("flow".into()),
            _ => None,
        })
        .unwrap()
    }

    fn blobs(&self) -> (AzureBlobs, FlowLogBlob) {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let sources = self.config().sources;
        let blob = blob_of(&sources[0].blob_service, "6045BDAA0001");
        (AzureBlobs::new(&sources, &http_client().unwrap()).unwrap(), blob)
    }

    fn table(&self) -> AzureTable {
        let _ = rustls::crypto::ring::default_provider().install_default();
        AzureTable::new(&self.config().checkpoints, &http_client().unwrap()).unwrap()
    }

    pub fn assert_cut_off(&self) {
        let sent = self.sent.load(Ordering::Relaxed);
        assert!(sent < BUFFERED, "{sent} bytes were read");
    }
}

async fn answer(
    mut stream: TcpStream,
    head: &str,
    beginning: &str,
    filling: &str,
    sent: Arc<AtomicUsize>,
) -> std::io::Result<()> {
    let mut request = Vec::new();
    while !request.windows(4).any(|four| four == b"\r\n\r\n") {
        if stream.read_buf(&mut request).await? == 0 {
            return Ok(());
        }
    }
    stream.write_all(format!("HTTP/1.1 {head}\r\nConnection: close\r\n\r\n{beginning}").as_bytes()).await?;
    let filling = filling.repeat((64 << 10) / filling.len().max(1));
    for _ in 0..if filling.is_empty() { 0 } else { ENDLESS / filling.len() } {
        stream.write_all(filling.as_bytes()).await?;
        sent.fetch_add(filling.len(), Ordering::Relaxed);
    }
    Ok(())
}

fn names(marker: Option<&str>) -> Names<'_> {
    Names { prefix: "", depth: Depth::All, marker, at_most: 1000 }
}

fn key() -> CheckpointKey {
    CheckpointKey { partition: "p".into(), row: "r".into() }
}

#[tokio::test]
async fn no_more_of_a_blob_is_read_than_the_range_asked_for() {
    let head = "206 Partial Content\r\nContent-Range: bytes 0-99/100\r\nETag: \"0x1\"";
    let endpoint = Endpoint::start(head, "", "x").await;
    let (blobs, blob) = endpoint.blobs();
    let error = blobs.read(&blob, 0..100, Condition::None).await.unwrap_err();
    let ReadError::Failed { reason, .. } = &error else { panic!("{error}") };
    assert!(reason.contains("longer than 100 bytes, the limit for the requested range"), "{reason}");
    endpoint.assert_cut_off();
}

#[tokio::test]
async fn an_endless_refusal_still_names_its_reason() {
    let beginning = "<Error><Code>AuthorizationFailure</Code><Message>not\nhere</Message>";
    let endpoint =
        Endpoint::start("403 Forbidden\r\nx-ms-error-code: AuthorizationFailure", beginning, "y").await;
    let (blobs, blob) = endpoint.blobs();
    let error = blobs.read(&blob, 0..100, Condition::None).await.unwrap_err().to_string();
    let expected = format!(
        "http://127.0.0.1:{}/logs/{} with the key of FLOWLOG_STORAGE: HTTP 403: AuthorizationFailure: not; check the key",
        endpoint.port,
        blob.container()
    );
    assert!(error.contains(&expected), "{error}");
    endpoint.assert_cut_off();
    let gone = Endpoint::start("404 Not Found", "", "y").await;
    assert_eq!(gone.table().load(&key()).await.unwrap(), None);
    gone.assert_cut_off();
}

#[tokio::test]
async fn a_row_and_a_page_of_rows_end_at_their_limits() {
    let endpoint = Endpoint::start("200 OK\r\nETag: W/\"1\"", "{\"Blob\":\"", "z").await;
    let error = endpoint.table().load(&key()).await.unwrap_err().to_string();
    assert!(error.contains("65536 bytes, the limit for a row of the table flowlogcheckpoints"), "{error}");
    endpoint.assert_cut_off();
    let endpoint = Endpoint::start("200 OK", "{\"value\":[{}", ",{}").await;
    let days = Rows::Partitions("0".into().."2".into());
    let error = endpoint.table().scan(&days, None, 1000).await.unwrap_err().to_string();
    assert!(error.contains("the limit for a page of the table flowlogcheckpoints"), "{error}");
    endpoint.assert_cut_off();
}

#[tokio::test]
async fn a_page_of_too_many_empty_rows_is_refused() {
    let rows: &'static str =
        Box::leak(format!("{{\"value\":[{{}}{}]}}", ",{}".repeat(1000)).into_boxed_str());
    let endpoint = Endpoint::start("200 OK", rows, "").await;
    let days = Rows::Partitions("0".into().."2".into());
    let error = endpoint.table().scan(&days, None, 1000).await.unwrap_err().to_string();
    assert!(error.contains("more than 1000 rows"), "{error}");
}

#[tokio::test]
async fn a_page_of_names_ends_at_its_limit_and_markers_advance() {
    let beginning = "<EnumerationResults><Blobs>";
    let endpoint = Endpoint::start("200 OK", beginning, "<BlobPrefix><Name>a/</Name></BlobPrefix>").await;
    let (blobs, blob) = endpoint.blobs();
    let container = Container::new(blob.account().clone(), blob.container().to_owned());
    let error = blobs.list(&container, names(None)).await.unwrap_err().to_string();
    assert!(error.contains("the limit for a page of this many names"), "{error}");
    endpoint.assert_cut_off();

    let again = "<EnumerationResults><Blobs/><NextMarker>m1</NextMarker></EnumerationResults>";
    let endpoint = Endpoint::start("200 OK", again, "").await;
    let (blobs, blob) = endpoint.blobs();
    let container = Container::new(blob.account().clone(), blob.container().to_owned());
    assert_eq!(blobs.list(&container, names(None)).await.unwrap().next.as_deref(), Some("m1"));
    let error = blobs.list(&container, names(Some("m1"))).await.unwrap_err();
    assert!(matches!(&error, ListError::Failed { reason, .. } if reason.contains("never end")), "{error}");
}

#[tokio::test]
async fn a_query_whose_continuation_does_not_advance_is_an_error() {
    let head = "200 OK\r\nx-ms-continuation-nextpartitionkey: p\r\nx-ms-continuation-nextrowkey: r";
    let endpoint = Endpoint::start(head, "{\"value\":[]}", "").await;
    let (table, days) = (endpoint.table(), Rows::Partitions("0".into().."2".into()));
    let next = table.scan(&days, None, 1000).await.unwrap().next.unwrap();
    assert_eq!(next, Continuation { partition: "p".into(), row: Some("r".into()) });
    let error = table.scan(&days, Some(&next), 1000).await.unwrap_err();
    assert!(matches!(&error, StoreError::Scan { reason, .. } if reason.contains("never end")), "{error}");
}

#[tokio::test]
async fn an_endless_block_list_is_an_error() {
    let beginning = "<BlockList><CommittedBlocks>";
    let endpoint =
        Endpoint::start("200 OK\r\nETag: \"0x1\"", beginning, "<Block><Size>1</Size></Block>").await;
    let (blobs, blob) = endpoint.blobs();
    let error = blobs.blocks(&blob, "0x1").await.unwrap_err().to_string();
    assert!(error.contains("the limit for a block list"), "{error}");
    endpoint.assert_cut_off();
}

#[tokio::test]
async fn each_answer_of_the_table_sets_the_clock() {
    for head in ["200 OK\r\nETag: W/\"1\"", "404 Not Found", "403 Forbidden"] {
        let head = format!("{head}\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT");
        let row = "{\"Blob\":\"b\",\"Offset\":\"0\",\"Length\":\"0\"}";
        let endpoint = Endpoint::start(Box::leak(head.into_boxed_str()), row, "").await;
        let clock = Clock::new(|| 1_900_000_000_000);
        let _ = endpoint.table().with_clock(clock.clone()).load(&key()).await;
        assert_eq!(clock.now(), 784_111_777_000);
    }
}
