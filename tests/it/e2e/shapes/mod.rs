//! The release binary, in the address space of the smallest instance, under hostile and honest load. Each shape of
//! load keeps peak memory below a bound, and afterwards the process answers and forwards as before.

mod answers;
mod blobs;
mod content;
mod events;
mod honest;
mod hub;
mod peers;
mod request;
mod storage;
mod sweeps;

use crate::support::blobs::{CONTAINER, FLOW_LOG, name};
use crate::support::judge::{judge, show};
use crate::support::process::{Launch, Process, release_binary};
use crate::support::received::Received;
use crate::support::records::{content as blob_content, record};
use crate::support::rig::Rig;
use content::Content;
use flowlog_forwarder::flow_log::FlowLogBlob;
use flowlog_forwarder::hour::Hour;
use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, join_all};
use request::{HOST, HOST_TABLE};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use storage::Storage;
use time::OffsetDateTime;
use url::{Url, form_urlencoded};

/// Address space of the smallest instance on the Flex Consumption plan, KiB.
const ADDRESS_SPACE: u32 = 512 << 10;
/// The bound under hostile load, MiB.
const HOSTILE: u64 = 96;
/// The bound under honest load, MiB.
const HONEST: u64 = 64;
/// The longest time that one shape takes.
const PLAY: Duration = Duration::from_secs(45);
/// How long an honest blob may take afterwards: work on the hostile one may have to end first.
const PATIENCE: Duration = Duration::from_mins(1);
/// Pause before an event that failed is delivered again.
const PAUSE: Duration = Duration::from_millis(250);

type Play = Box<dyn for<'a> Fn(&'a Setup) -> BoxFuture<'a, ()> + Send + Sync>;

/// One kind of load.
struct Shape {
    name: &'static str,
    /// The most memory, MiB.
    bound: u64,
    play: Play,
}

impl Shape {
    fn new<F>(name: &'static str, bound: u64, play: F) -> Self
    where
        F: for<'a> Fn(&'a Setup) -> BoxFuture<'a, ()> + Send + Sync + 'static,
    {
        Self { name, bound, play: Box::new(play) }
    }

    /// One event of a hostile blob.
    fn blob(name: &'static str, content: fn() -> Content) -> Self {
        Self::new(name, HOSTILE, move |setup| {
            async move {
                let event = setup.commit(&setup.blob(), content());
                let answer = setup.deliver(&event).await;
                setup.expect(setup.storage.bytes_read() > 0, || format!("nothing was read: {answer:?}"));
            }
            .boxed()
        })
    }
}

/// A process of the binary, and its peers.
struct Setup {
    rig: Rig,
    storage: Storage,
    process: Process,
    http: reqwest::Client,
    made: AtomicU32,
    /// What failed.
    failures: Mutex<Vec<String>>,
}

impl Setup {
    async fn start(binary: &Path, rig: Rig) -> Self {
        let has_identity = rig.has("identityEndpoint");
        let identity = has_identity.then(|| rig.endpoint("identityEndpoint"));
        let storage = Storage::start(rig.endpoint("hostBlob"), rig.endpoint("hostTable"), identity).await;
        let settings = if has_identity { with_identity(&rig, &storage) } else { with_keys(&rig, &storage) };
        let process = Launch::with(settings)
            .set("RUST_LOG", "warn")
            .set("LOG_FORMAT", "text")
            .limited(binary, ADDRESS_SPACE)
            .start()
            .await;
        let http = reqwest::Client::builder().timeout(PLAY).build().unwrap();
        Self { rig, storage, process, http, made: AtomicU32::new(1), failures: Mutex::default() }
    }

    /// A new blob of the present hour.
    fn blob(&self) -> FlowLogBlob {
        let number = self.made.fetch_add(1, Ordering::Relaxed);
        let (account, now) = (self.account(), OffsetDateTime::now_utc());
        let name = blob_name(now, &format!("0022{number:08X}"));
        FlowLogBlob::new(&account, CONTAINER, &name).unwrap()
    }

    fn account(&self) -> Url {
        Url::parse(&format!("{}/devstoreaccount1", self.storage.root())).unwrap()
    }

    /// Commits `content` to `blob` and returns the event about it.
    fn commit(&self, blob: &FlowLogBlob, content: Content) -> Value {
        let length = content.length();
        let etag = self.storage.commit(&format!("{}/{}", blob.container(), blob.name()), content);
        let data = json!({"api": "PutBlockList", "url": blob.url(), "eTag": etag, "contentLength": length});
        json!({"eventType": "Microsoft.Storage.BlobCreated", "id": "e", "data": data})
    }

    /// Delivers an event as the host does; returns the status, if there is an answer.
    async fn deliver(&self, event: &Value) -> Option<u16> {
        self.post(json!({"Data": {"eventGridEvent": event}, "Metadata": {}}).to_string()).await
    }

    /// The same, but hangs up after `patience`.
    async fn deliver_within(&self, event: &Value, patience: Duration) -> Option<u16> {
        let body = json!({"Data": {"eventGridEvent": event}, "Metadata": {}}).to_string();
        self.call("FlowLogBlobCreated", body, patience).await
    }

    /// Delivers all of them at once.
    async fn deliver_all(&self, events: &[Value]) {
        join_all(events.iter().map(|event| self.deliver(event))).await;
    }

    /// Posts `body` to the function of events.
    async fn post(&self, body: String) -> Option<u16> {
        self.call("FlowLogBlobCreated", body, PLAY).await
    }

    /// Calls the sweep, but hangs up after `patience`.
    async fn sweep(&self, patience: Duration) -> Option<u16> {
        self.call("FlowLogSweep", "{\"Data\":{},\"Metadata\":{}}".to_owned(), patience).await
    }

    /// Fails the shape unless `is_so`.
    fn expect(&self, is_so: bool, what: impl FnOnce() -> String) {
        if !is_so {
            self.failures.lock().unwrap().push(what());
        }
    }

    async fn call(&self, function: &str, body: String, patience: Duration) -> Option<u16> {
        let request = self.http.post(format!("{}/{function}", self.process.url()));
        let request = request.header("content-type", "application/json").timeout(patience).body(body);
        Some(request.send().await.ok()?.status().as_u16())
    }

    /// Forwards an honest blob: delivers its event until all its records are in the hub, each once.
    async fn forward_honest_blob(&self) -> Result<(), String> {
        let records: Vec<String> = (0..30).map(|number| record(number, 5 * number)).collect();
        let blob = self.blob();
        let event = self.commit(&blob, Content::of(&blob_content(&records)));
        let source =
            form_urlencoded::Serializer::new(String::new()).append_pair("source", &blob.url()).finish();
        let path = format!("/hub/{}/events?{source}", self.rig.hub());
        let mut answer = None;
        let arrive = async {
            loop {
                answer = self.deliver(&event).await;
                let events = self.rig.call("GET", &path, None).await;
                let arrivals: Vec<Received> =
                    events.as_array().unwrap().iter().map(Received::from_rig).collect();
                let verdict = judge(&records, &arrivals);
                if answer == Some(200) && verdict.lost == 0 {
                    return if verdict.is_kept() { Ok(()) } else { Err(format!("{verdict:?}")) };
                }
                tokio::time::sleep(PAUSE).await;
            }
        };
        let arrived = tokio::time::timeout(PATIENCE, arrive).await;
        arrived.unwrap_or_else(|_| Err(format!("an honest blob did not arrive; the last answer: {answer:?}")))
    }

    /// The peak memory of the process, bytes, if it still answers and forwards.
    async fn judge(&mut self) -> Result<u64, String> {
        let alive = self.http.get(self.process.url()).send().await;
        if let Some(end) = self.process.end() {
            return Err(format!("it ended ({end}): {}", self.process.last_lines()));
        }
        match alive {
            Ok(answer) if answer.status() == 200 => {}
            other => return Err(format!("GET / answered {other:?}")),
        }
        self.forward_honest_blob()
            .await
            .map_err(|reason| format!("{reason}; its last lines: {}", self.process.last_lines()))?;
        self.process.peak_memory().ok_or_else(|| "it ended".to_owned())
    }
}

/// The name of the blob of the NIC `mac` in the hour of `at`.
fn blob_name(at: OffsetDateTime, mac: &str) -> String {
    name(FLOW_LOG, Hour::at(u64::try_from(at.unix_timestamp()).unwrap() * 1_000), mac)
}

/// The connection string `original` with these endpoints.
fn connection(original: &str, blob: &str, table: &str) -> String {
    let account = original.split(';').filter(|part| part.starts_with("Account"));
    let account: Vec<&str> = account.collect();
    format!("DefaultEndpointsProtocol=http;{};BlobEndpoint={blob};TableEndpoint={table};", account.join(";"))
}

/// Settings that send every request to storage through `storage`.
fn with_keys(rig: &Rig, storage: &Storage) -> Vec<(&'static str, String)> {
    let (root, mut settings) = (storage.root(), rig.settings());
    for (name, value) in &mut settings {
        let (blob, table) = match *name {
            "FLOWLOG_STORAGE" => ("/devstoreaccount1", "/devstoreaccount1"),
            "CHECKPOINT_STORAGE" => (HOST, HOST_TABLE),
            _ => continue,
        };
        *value = connection(value, &format!("{root}{blob}"), &format!("{root}{table}"));
    }
    settings
}

/// Settings that read flow logs and request tokens through `storage`, and connect to the hub with a token.
fn with_identity(rig: &Rig, storage: &Storage) -> Vec<(&'static str, String)> {
    let mut settings = with_keys(rig, storage);
    settings.retain(|(name, _)| *name == "FLOWLOG_STORAGE" || *name == "EVENT_HUB_NAME");
    settings.extend([
        ("CHECKPOINT_STORAGE", rig.endpoint("hostConnection").to_owned()),
        ("EVENT_HUB_CONNECTION__fullyQualifiedNamespace", rig.endpoint("hubTlsHost").to_owned()),
        ("IDENTITY_ENDPOINT", format!("{}/token", storage.root())),
        ("IDENTITY_HEADER", rig.endpoint("identityHeader").to_owned()),
        ("SSL_CERT_FILE", rig.endpoint("caFile").to_owned()),
    ]);
    settings
}

/// Plays the shapes one after the other, each with its own process, and shows the peak memory of each.
async fn play_all(flags: &'static [&'static str], shapes: Vec<Shape>) {
    let (binary, rig) = (release_binary(), Rig::own(flags).await);
    let (mut table, mut failed) =
        (String::from("| shape | peak, MiB | bound |\n| --- | --- | --- |\n"), Vec::new());
    for Shape { name, bound, play } in &shapes {
        let mut setup = Setup::start(&binary, rig.beside()).await;
        setup.rig.set_hub(json!({"discard": true})).await;
        // After that time the process is judged as it is.
        let _ = tokio::time::timeout(PLAY, play(&setup)).await;
        setup.storage.restore();
        setup.rig.end_hub_faults().await;
        setup.rig.set_hub(json!({"discard": false})).await;
        let judged = setup.judge().await;
        let failures = std::mem::take(&mut *setup.failures.lock().unwrap());
        failed.extend(failures.into_iter().map(|failure| format!("{name}: {failure}")));
        let peak = match judged {
            Ok(peak) if peak <= bound << 20 => format!("{:.1}", mib(peak)),
            Ok(peak) => {
                failed.push(format!("{name}: {:.1} MiB, more than {bound}", mib(peak)));
                format!("**{:.1}**", mib(peak))
            }
            Err(reason) => {
                failed.push(format!("{name}: {reason}"));
                "**failed**".to_owned()
            }
        };
        writeln!(table, "| {name} | {peak} | {bound} |").unwrap();
    }
    show(&table);
    assert!(failed.is_empty(), "{} of {} shapes:\n{}", failed.len(), shapes.len(), failed.join("\n"));
}

#[expect(clippy::cast_precision_loss, reason = "a figure for people")]
fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}
