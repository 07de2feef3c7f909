//! Starts the rig (Azurite, the Event Hubs stand-in, the simulator) and talks to its control API.
//!
//! Most tests share one rig, each with its own hub and blobs; a test whose faults would reach others starts its own
//! rig. A rig ends with this process, because its standard input closes.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use flowlog_forwarder::azure::event_hubs::{HubAddress, HubCredential};
use flowlog_forwarder::azure::storage::AzureBlobs;
use flowlog_forwarder::azure::storage::AzureQuarantine;
use flowlog_forwarder::azure::storage::AzureTable;
use flowlog_forwarder::azure::storage::http_client;
use flowlog_forwarder::config::Config;
use flowlog_forwarder::flow_log::FlowLogBlob;
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// How long a test waits for the rig.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running rig, with the number of this test.
pub struct Rig {
    running: Arc<Running>,
    number: u32,
    http: reqwest::Client,
}

struct Running {
    endpoints: Value,
    process: std::sync::Mutex<Child>,
}

impl Drop for Running {
    fn drop(&mut self) {
        let mut process = self.process.lock().unwrap();
        drop(process.stdin.take());
        let _ = process.wait();
    }
}

fn launch(flags: &[&str]) -> Running {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/rig");
    let mut process = Command::new("node")
        .arg("rig.mjs")
        .args(flags)
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("node starts: is Node 20 installed?");
    let mut line = String::new();
    let output = process.stdout.take().expect("piped");
    BufReader::new(output).read_line(&mut line).expect("the rig prints its endpoints");
    let endpoints = serde_json::from_str(&line).expect("the rig did not start: run `make rig` first");
    Running { endpoints, process: process.into() }
}

/// The configuration of these settings; the last one of a name counts.
fn read(settings: &[(&str, String)]) -> Config {
    let find = |name: &str| settings.iter().rfind(|(key, _)| *key == name).map(|(_, value)| value.clone());
    Config::from_lookup(find).unwrap()
}

static NUMBER: AtomicU32 = AtomicU32::new(1);

impl Rig {
    /// The rig that most tests share.
    pub async fn start() -> Self {
        static SHARED: OnceLock<Arc<Running>> = OnceLock::new();
        let running = tokio::task::spawn_blocking(|| {
            Arc::clone(SHARED.get_or_init(|| Arc::new(launch(&["--storage-proxy"]))))
        });
        Self::numbered(running.await.unwrap())
    }

    /// A rig for one test, with these flags.
    pub async fn own(flags: &'static [&'static str]) -> Self {
        Self::numbered(tokio::task::spawn_blocking(move || Arc::new(launch(flags))).await.unwrap())
    }

    fn numbered(running: Arc<Running>) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        Self { running, number, http: reqwest::Client::new() }
    }

    /// The same rig with another number.
    pub fn beside(&self) -> Self {
        Self::numbered(Arc::clone(&self.running))
    }

    /// Whether the rig has this endpoint.
    pub fn has(&self, endpoint: &str) -> bool {
        self.running.endpoints[endpoint].is_string()
    }

    /// An endpoint of the rig.
    pub fn endpoint(&self, name: &str) -> &str {
        self.running.endpoints[name].as_str().unwrap_or_else(|| panic!("the rig has no {name}"))
    }

    /// The hub of this test.
    pub fn hub(&self) -> String {
        format!("flow-{}", self.number)
    }

    /// The settings of a forwarder in this rig.
    pub fn settings(&self) -> Vec<(&'static str, String)> {
        vec![
            ("FLOWLOG_STORAGE", self.endpoint("storageConnection").to_owned()),
            ("CHECKPOINT_STORAGE", self.endpoint("hostConnection").to_owned()),
            ("EVENT_HUB_CONNECTION", self.endpoint("hubConnection").to_owned()),
            ("EVENT_HUB_NAME", self.hub()),
        ]
    }

    /// The same as a configuration.
    pub fn config(&self) -> Config {
        read(&self.settings())
    }

    /// The settings of a forwarder with managed identity in a rig with TLS; they hold no secret.
    pub fn identity_settings(&self) -> Vec<(&'static str, String)> {
        [
            ("FLOWLOG_STORAGE__blobServiceUri", "blob"),
            ("CHECKPOINT_STORAGE__blobServiceUri", "hostBlob"),
            ("CHECKPOINT_STORAGE__tableServiceUri", "hostTable"),
            ("EVENT_HUB_CONNECTION__fullyQualifiedNamespace", "hubTlsHost"),
            ("IDENTITY_ENDPOINT", "identityEndpoint"),
            ("IDENTITY_HEADER", "identityHeader"),
            ("SSL_CERT_FILE", "caFile"),
        ]
        .map(|(setting, endpoint)| (setting, self.endpoint(endpoint).to_owned()))
        .into_iter()
        .chain([("EVENT_HUB_NAME", self.hub())])
        .collect()
    }

    pub fn blobs(&self) -> AzureBlobs {
        AzureBlobs::new(&self.config().sources, &http_client().unwrap()).unwrap()
    }

    pub fn table(&self) -> AzureTable {
        AzureTable::new(&self.config().checkpoints, &http_client().unwrap()).unwrap()
    }

    /// The address and the credentials of the hub of this test.
    pub fn hub_access(&self) -> (HubAddress, HubCredential) {
        self.hub_access_by(self.endpoint("hubConnection"))
    }

    /// The same with another connection string.
    pub fn hub_access_by(&self, connection: &str) -> (HubAddress, HubCredential) {
        let mut settings = self.settings();
        settings.push(("EVENT_HUB_CONNECTION", connection.to_owned()));
        let hub = read(&settings).hub;
        (HubAddress::of(&hub), HubCredential::of(&hub.access).unwrap())
    }

    pub fn quarantine(&self) -> AzureQuarantine {
        AzureQuarantine::new(&self.config().checkpoints, &http_client().unwrap()).unwrap()
    }

    /// The content of a blob in the checkpoint account, if it exists.
    pub async fn host_blob(&self, container: &str, name: &str) -> Option<Vec<u8>> {
        let url = format!("{}/{container}/{name}{}", self.endpoint("hostBlob"), self.endpoint("hostSas"));
        let answer = self.http.get(url).send().await.unwrap();
        if answer.status() == 404 {
            return None;
        }
        Some(answer.error_for_status().unwrap().bytes().await.unwrap().to_vec())
    }

    /// The blob of the `nic`-th NIC of this test.
    pub fn blob(&self, nic: u32) -> FlowLogBlob {
        let config = self.config();
        let mac = format!("6045BD{:03X}{nic:03X}", self.number);
        crate::support::blobs::fresh_blob_of(&config.sources[0].blob_service, &mac)
    }

    /// Calls the control API.
    pub async fn call(&self, method: &str, path: &str, body: Option<Value>) -> Value {
        let url = format!("{}{path}", self.endpoint("control"));
        let mut request = self.http.request(method.parse().unwrap(), url);
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body.to_string());
        }
        let answer = request.send().await.unwrap();
        let status = answer.status();
        let text = answer.text().await.unwrap();
        assert!(status.is_success(), "{method} {path}: {status} {text}");
        serde_json::from_str(&text).unwrap_or(Value::Null)
    }

    /// Adds a fault to the hub of this test; see rig/README.md.
    pub async fn hub_fault(&self, mut fault: Value) {
        fault["hub"] = self.hub().into();
        self.call("POST", "/hub/faults", Some(fault)).await;
    }

    /// Ends the faults of the hub of this test, and answers what they held.
    pub async fn end_hub_faults(&self) {
        self.call("DELETE", &format!("/hub/faults?hub={}", self.hub()), None).await;
    }

    /// Changes a setting of the hub of this test.
    pub async fn set_hub(&self, mut setting: Value) {
        setting["hub"] = self.hub().into();
        self.call("POST", "/hub/settings", Some(setting)).await;
    }

    pub async fn hub_stats(&self) -> Value {
        self.call("GET", &format!("/hub/{}/stats", self.hub()), None).await
    }

    /// The messages that the hub of this test accepted, in order.
    pub async fn hub_events(&self) -> Vec<Value> {
        self.call("GET", &format!("/hub/{}/events", self.hub()), None).await.as_array().unwrap().clone()
    }

    /// Waits until a statistic of the hub of this test reaches `least`.
    pub async fn until_hub(&self, statistic: &str, least: u64) {
        self.until(&format!("/hub/{}/stats", self.hub()), statistic, least).await;
    }

    /// Waits until this field of the control API's answer reaches `least`.
    pub async fn until(&self, path: &str, field: &str, least: u64) {
        let poll = async {
            while self.call("GET", path, None).await[field].as_u64().unwrap() < least {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let limit = format!("{path}: {field} reaches {least} within {PATIENCE:?}");
        tokio::time::timeout(PATIENCE, poll).await.expect(&limit);
    }

    /// Commits `content` to `blob` without blocks, and returns its `ETag`.
    pub async fn put_blob(&self, blob: &FlowLogBlob, content: &[u8]) -> String {
        let request = self.http.put(self.signed(blob)).header("x-ms-blob-type", "BlockBlob");
        let answer = request.body(content.to_vec()).send().await.unwrap().error_for_status().unwrap();
        answer.headers()["etag"].to_str().unwrap().trim_matches('"').to_owned()
    }

    /// Commits `blocks`, in order, as the content of `blob`, and returns its `ETag`.
    pub async fn put_blocks(&self, blob: &FlowLogBlob, blocks: impl IntoIterator<Item = Bytes>) -> String {
        let url = self.signed(blob);
        let mut list = String::from("<BlockList>");
        for (number, block) in blocks.into_iter().enumerate() {
            // The service requires ids in base64, all of one length.
            let id = STANDARD.encode(format!("{number:012}"));
            list.extend(["<Latest>", &id, "</Latest>"]);
            let request = self.http.put(format!("{url}&comp=block&blockid={id}")).body(block);
            request.send().await.unwrap().error_for_status().unwrap();
        }
        list.push_str("</BlockList>");
        let request = self.http.put(format!("{url}&comp=blocklist")).body(list);
        let answer = request.send().await.unwrap().error_for_status().unwrap();
        answer.headers()["etag"].to_str().unwrap().trim_matches('"').to_owned()
    }

    pub async fn delete_blob(&self, blob: &FlowLogBlob) {
        self.http.delete(self.signed(blob)).send().await.unwrap().error_for_status().unwrap();
    }

    fn signed(&self, blob: &FlowLogBlob) -> String {
        format!("{blob}{}", self.endpoint("storageSas"))
    }
}
