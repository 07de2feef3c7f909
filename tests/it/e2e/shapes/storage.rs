//! A storage service that generates its blobs, and whose answers a test can replace. It relays rows and other state to
//! Azurite, and requests for tokens to the rig's identity endpoint; it discards what is written to the quarantine.

use super::answers::{
    BLOCKS_BEFORE, BLOCKS_BEHIND, LAST_MODIFIED, LIST_BEFORE, block, listed, listed_folder, refused,
};
use super::content::Content;
use super::request::{HOST, HOST_TABLE, Kind, StorageRequest};
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use futures_util::{StreamExt as _, stream};
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::ops::Bound;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;

/// Answers in place of the service; with `None` the service answers.
pub(super) type Override = Arc<dyn Fn(&StorageRequest) -> Option<Response> + Send + Sync>;

/// The storage service.
pub(super) struct Storage {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    blobs: Mutex<BTreeMap<String, Stored>>,
    replacement: Mutex<Option<Override>>,
    versions: AtomicU64,
    bytes_read: AtomicU64,
    http: reqwest::Client,
    /// The services behind this one: blobs, tables and tokens.
    host: String,
    table: String,
    identity: Option<String>,
}

#[derive(Clone)]
struct Stored {
    content: Content,
    etag: String,
}

impl Storage {
    /// Listens on a free port, before the blobs (`host`) and tables (`table`) of the host's account, and before the
    /// endpoint `identity`.
    pub(super) async fn start(host: &str, table: &str, identity: Option<&str>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            blobs: Mutex::default(),
            replacement: Mutex::default(),
            versions: AtomicU64::new(1),
            bytes_read: AtomicU64::new(0),
            http: reqwest::Client::new(),
            host: host.to_owned(),
            table: table.to_owned(),
            identity: identity.map(ToOwned::to_owned),
        });
        let router = Router::new().fallback(answer).with_state(Arc::clone(&shared));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { address, shared }
    }

    /// The root, without a slash at the end.
    pub(super) fn root(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Commits `content` to the blob at `path` (container and name) and returns its `ETag`.
    pub(super) fn commit(&self, path: &str, content: Content) -> String {
        let etag = format!("0x8DD{:012X}", self.shared.versions.fetch_add(1, Ordering::Relaxed));
        self.commit_as(path, content, &etag);
        etag
    }

    /// The same, with this `ETag`.
    pub(super) fn commit_as(&self, path: &str, content: Content, etag: &str) {
        let stored = Stored { content, etag: etag.to_owned() };
        self.shared.blobs.lock().unwrap().insert(path.to_owned(), stored);
    }

    /// How many bytes of blobs were requested.
    pub(super) fn bytes_read(&self) -> u64 {
        self.shared.bytes_read.load(Ordering::Relaxed)
    }

    /// Lets `answers` answer first.
    pub(super) fn override_answers(&self, replacement: Override) {
        *self.shared.replacement.lock().unwrap() = Some(replacement);
    }

    /// Ends that.
    pub(super) fn restore(&self) {
        *self.shared.replacement.lock().unwrap() = None;
    }
}

async fn answer(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let incoming = StorageRequest::new(head.method, &head.uri, head.headers);
    let replacement = shared.replacement.lock().unwrap().clone();
    if let Some(answer) = replacement.and_then(|replacement| replacement(&incoming)) {
        return answer;
    }
    match incoming.kind {
        Kind::Read => shared.read(&incoming),
        Kind::Blocks => shared.blocks(&incoming),
        Kind::List => shared.list(&incoming),
        Kind::Quarantine => {
            let mut pieces = body.into_data_stream();
            while let Some(Ok(_)) = pieces.next().await {}
            (StatusCode::CREATED, [("etag", "\"0x1\""), ("last-modified", LAST_MODIFIED)]).into_response()
        }
        Kind::HostBlob => {
            let path = head.uri.path().strip_prefix(HOST).unwrap_or_default();
            shared.relay(&shared.host, path, head.uri.query(), &incoming, body).await
        }
        Kind::Row | Kind::Rows => {
            let path = head.uri.path().strip_prefix(HOST_TABLE).unwrap_or_default();
            shared.relay(&shared.table, path, head.uri.query(), &incoming, body).await
        }
        Kind::Token => {
            let identity = shared.identity.as_deref().expect("a rig with --identity");
            shared.relay(identity, "", head.uri.query(), &incoming, body).await
        }
    }
}

impl Shared {
    fn stored(&self, path: &str) -> Option<Stored> {
        self.blobs.lock().unwrap().get(path).cloned()
    }

    fn read(&self, incoming: &StorageRequest) -> Response {
        let Some(Stored { content, etag }) = self.stored(&incoming.path) else {
            return refused(StatusCode::NOT_FOUND, "BlobNotFound");
        };
        let etag = format!("\"{etag}\"");
        if incoming.header("if-match").is_some_and(|wanted| wanted != etag) {
            return refused(StatusCode::PRECONDITION_FAILED, "ConditionNotMet");
        }
        if incoming.header("if-none-match") == Some(&etag) {
            return refused(StatusCode::NOT_MODIFIED, "ConditionNotMet");
        }
        let length = content.length();
        let (start, end) = incoming.range(length);
        if start >= length {
            return refused(StatusCode::RANGE_NOT_SATISFIABLE, "InvalidRange");
        }
        self.bytes_read.fetch_add(end - start, Ordering::Relaxed);
        let headers = [
            ("etag", etag),
            ("last-modified", LAST_MODIFIED.to_owned()),
            ("content-range", format!("bytes {start}-{}/{length}", end - 1)),
            ("content-length", (end - start).to_string()),
            ("x-ms-blob-type", "BlockBlob".to_owned()),
        ];
        let chunks = stream::iter(content.read(start..end).map(Ok::<_, Infallible>));
        (StatusCode::PARTIAL_CONTENT, headers, Body::from_stream(chunks)).into_response()
    }

    fn blocks(&self, incoming: &StorageRequest) -> Response {
        let Some(Stored { content, etag }) = self.stored(&incoming.path) else {
            return refused(StatusCode::NOT_FOUND, "BlobNotFound");
        };
        let blocks = content.blocks().enumerate();
        let blocks = blocks.map(|(number, size)| block(number, size)).collect::<String>();
        let headers = [
            ("etag", format!("\"{etag}\"")),
            ("x-ms-blob-content-length", content.length().to_string()),
            ("content-type", "application/xml".to_owned()),
        ];
        (headers, format!("{BLOCKS_BEFORE}{blocks}{BLOCKS_BEHIND}")).into_response()
    }

    fn list(&self, incoming: &StorageRequest) -> Response {
        let text = |name: &str| incoming.query.get(name).map_or("", String::as_str);
        let (prefix, marker) = (text("prefix"), text("marker"));
        let most: usize = text("maxresults").parse().unwrap_or(5_000);
        let container = incoming.path.as_str();
        let blobs = self.blobs.lock().unwrap();
        let (mut items, mut count, mut next) = (String::new(), 0, String::new());
        let mut from = format!("{container}/{}", prefix.max(marker));
        while let Some((path, stored)) =
            blobs.range::<str, _>((Bound::Included(&*from), Bound::Unbounded)).next()
        {
            let Some(name) =
                path[container.len()..].strip_prefix('/').filter(|name| name.starts_with(prefix))
            else {
                break;
            };
            if count == most {
                name.clone_into(&mut next);
                break;
            }
            count += 1;
            let folder = (text("delimiter") == "/").then(|| name[prefix.len()..].find('/')).flatten();
            if let Some(end) = folder {
                let folder = &name[..=prefix.len() + end];
                items.push_str(&listed_folder(folder));
                // `0` follows `/` in ASCII.
                from = format!("{container}/{}0", folder.trim_end_matches('/'));
            } else {
                items.push_str(&listed(name, &stored.etag, stored.content.length()));
                from = format!("{path}\0");
            }
        }
        let headers = [("content-type", "application/xml")];
        (headers, format!("{LIST_BEFORE}{items}</Blobs><NextMarker>{next}</NextMarker></EnumerationResults>"))
            .into_response()
    }

    /// Relays a request to `service`, and its answer.
    async fn relay(
        &self,
        service: &str,
        path: &str,
        query: Option<&str>,
        incoming: &StorageRequest,
        body: Body,
    ) -> Response {
        let query = query.map_or_else(String::new, |query| format!("?{query}"));
        let mut headers = incoming.headers.clone();
        for name in ["host", "content-length", "transfer-encoding", "connection"] {
            headers.remove(name);
        }
        let bytes = axum::body::to_bytes(body, 16 << 20).await.unwrap();
        let url = format!("{service}{path}{query}");
        let request = self.http.request(incoming.method.clone(), url).headers(headers).body(bytes);
        let Ok(answer) = request.send().await else {
            return StatusCode::BAD_GATEWAY.into_response();
        };
        let (status, mut headers) = (answer.status(), answer.headers().clone());
        headers.remove("transfer-encoding");
        headers.remove("connection");
        (status, headers, answer.bytes().await.unwrap_or_default()).into_response()
    }
}
