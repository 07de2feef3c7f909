//! The real binary as the Functions host runs it, and the blobs and the hub of one scenario around it.

use crate::contract::hub::{Received, received};
use crate::support::judge::{Verdict, judge};
use crate::support::rig::Rig;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flowlog_forwarder::checkpoint::Claim;
use flowlog_forwarder::flow_log::FlowLogBlob;
use flowlog_forwarder::ports::checkpoints::CheckpointStore;
use serde_json::{Value, json};
use std::net::Ipv4Addr;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};

/// How long Event Grid waits for an answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long Event Grid waits before it delivers again, in a hurry.
const PAUSE: Duration = Duration::from_millis(250);
/// How often an event is delivered again before that counts as a failure.
const ATTEMPTS: usize = 200;
/// How many of its last lines are shown of a handler that failed a test.
const LINES: usize = 40;

/// What became of one delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Event Grid is content.
    Done,
    /// The handler asks for another delivery.
    Failed,
    /// The handler hung up: it has ended.
    Gone,
    /// No answer in the time that Event Grid waits: nobody knows what becomes of it.
    Silent,
}

/// One process of the binary.
pub struct Handler {
    child: Child,
    url: String,
    http: reqwest::Client,
    log: Arc<Mutex<Vec<String>>>,
}

impl Handler {
    /// Starts the binary with these settings and none of the machine's, and waits until it answers.
    pub async fn start(settings: &[(&str, String)]) -> Self {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap().local_addr().unwrap().port();
        let mut child = Command::new(binary())
            .env_clear()
            .envs(settings.iter().map(|(name, value)| (name, value)))
            .env("FUNCTIONS_CUSTOMHANDLER_PORT", port.to_string())
            .env("RUST_LOG", "info,flowlog_forwarder=debug")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let log = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&log);
        tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                kept.lock().unwrap().push(line);
            }
        });
        let http = reqwest::Client::builder().timeout(PATIENCE).build().unwrap();
        let url = format!("http://127.0.0.1:{port}/");
        while http.get(&url).send().await.is_err() {
            assert!(child.try_wait().unwrap().is_none(), "the binary ended: {:?}", log.lock().unwrap());
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        Self { child, url, http, log }
    }

    /// Delivers an event, as the host does.
    pub async fn deliver(&self, event: &Value) -> Answer {
        let envelope = json!({"Data": {"eventGridEvent": event}, "Metadata": {}}).to_string();
        let url = format!("{}FlowLogBlobCreated", self.url);
        let request = self.http.post(url).header("content-type", "application/json").body(envelope);
        match request.send().await {
            Ok(answer) if answer.status().is_success() => Answer::Done,
            Ok(_) => Answer::Failed,
            Err(error) if error.is_timeout() => Answer::Silent,
            Err(_) => Answer::Gone,
        }
    }

    /// Ends it at once, as a crash would.
    pub async fn kill(&mut self) {
        self.child.kill().await.unwrap();
    }

    /// Asks it to end, as a container does that stops.
    pub async fn ask_to_stop(&self) {
        let pid = self.child.id().unwrap().to_string();
        assert!(Command::new("kill").args(["-s", "TERM", &pid]).status().await.unwrap().success());
    }

    /// Its status, once it has ended.
    pub async fn status(&mut self) -> Option<i32> {
        self.child.wait().await.unwrap().code()
    }

    /// The most memory that it ever had, bytes.
    pub fn peak_memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id().unwrap())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
    }

    /// The records and messages of which its log says that they were forwarded.
    pub fn forwarded(&self) -> (u64, u64) {
        let log = self.log.lock().unwrap();
        let counts = log.iter().filter_map(|line| {
            let (records, rest) = line.split_once("forwarded: ")?.1.split_once(" records in ")?;
            let (messages, _) = rest.split_once(" messages ")?;
            Some((records.parse::<u64>().ok()?, messages.parse::<u64>().ok()?))
        });
        counts.fold((0, 0), |sum, counts| (sum.0 + counts.0, sum.1 + counts.1))
    }

    /// The last lines of its log.
    pub fn last_lines(&self) -> String {
        let log = self.log.lock().unwrap();
        log[log.len().saturating_sub(LINES)..].join("\n")
    }
}

/// The binary under test: another build of it when the environment names one.
#[expect(clippy::disallowed_methods, reason = "a setting of the tests, not of the program")]
fn binary() -> String {
    std::env::var("FLOWLOG_FORWARDER_BIN").unwrap_or_else(|_| env!("CARGO_BIN_EXE_flowlog-forwarder").into())
}

/// A blob that grows, and what it should bring.
pub struct Hour {
    pub blob: FlowLogBlob,
    id: String,
    records: Vec<String>,
}

/// One scenario's place in a rig.
pub struct Scene {
    pub rig: Rig,
}

impl Scene {
    /// In the rig that most tests share.
    pub async fn start() -> Self {
        Self { rig: Rig::start().await }
    }

    /// In a rig of its own.
    pub async fn own(flags: &'static [&'static str]) -> Self {
        Self { rig: Rig::own(flags).await }
    }

    /// Starts a handler with the rig's settings.
    pub async fn handler(&self) -> Handler {
        Handler::start(&self.rig.settings()).await
    }

    /// A blob of which nothing is committed.
    pub async fn hour(&self, nic: u32) -> Hour {
        let blob = self.rig.blob(nic);
        let body = json!({"container": blob.container(), "name": blob.name()});
        let made = self.rig.call("POST", "/watcher/blobs", Some(body)).await;
        Hour { blob, id: made["blob"].as_str().unwrap().to_owned(), records: Vec::new() }
    }

    /// Commits `count` records of `tuples` tuples each, and returns the event about it.
    pub async fn commit(&self, hour: &mut Hour, count: usize, tuples: usize) -> Value {
        let body = json!({"blob": hour.id, "records": count, "style": "long", "tuples": tuples});
        let done = self.rig.call("POST", "/watcher/append", Some(body)).await;
        let text =
            |record: &Value| String::from_utf8(STANDARD.decode(record.as_str().unwrap()).unwrap()).unwrap();
        hour.records.extend(done["records"].as_array().unwrap().iter().map(text));
        done["event"].clone()
    }

    /// Adds a fault to this scenario's hub.
    pub async fn hub_fault(&self, mut fault: Value) {
        fault["hub"] = self.rig.hub().into();
        self.rig.call("POST", "/hub/faults", Some(fault)).await;
    }

    /// Adds a fault to the storage of `hour`: its blob and its row.
    pub async fn storage_fault(&self, hour: &Hour, mut fault: Value) {
        fault["path"] = hour.blob.mac().into();
        self.rig.call("POST", "/storage/faults", Some(fault)).await;
    }

    /// Ends the faults of the storage of `hour`.
    pub async fn end_storage_faults(&self, hour: &Hour) {
        let faults = self.rig.call("GET", "/storage/faults", None).await;
        for fault in faults.as_array().unwrap().iter().filter(|fault| fault["path"] == hour.blob.mac()) {
            self.rig.call("DELETE", &format!("/storage/faults?id={}", fault["id"]), None).await;
        }
    }

    /// Sets something of this scenario's hub.
    pub async fn set(&self, mut setting: Value) {
        setting["hub"] = self.rig.hub().into();
        self.rig.call("POST", "/hub/settings", Some(setting)).await;
    }

    /// Waits until a statistic of the hub reaches `least`.
    pub async fn until(&self, statistic: &str, least: u64) {
        self.poll(&format!("/hub/{}/stats", self.rig.hub()), statistic, least).await;
    }

    /// How many requests there were to the storage of `hour`.
    pub async fn requests(&self, hour: &Hour) -> u64 {
        let path = format!("/storage/requests?path={}", hour.blob.mac());
        self.rig.call("GET", &path, None).await["requests"].as_u64().unwrap()
    }

    /// Waits until a request to the storage of `hour` is held.
    pub async fn until_held(&self, hour: &Hour) {
        self.poll(&format!("/storage/requests?path={}", hour.blob.mac()), "held", 1).await;
    }

    pub async fn stats(&self) -> Value {
        self.rig.call("GET", &format!("/hub/{}/stats", self.rig.hub()), None).await
    }

    async fn poll(&self, path: &str, field: &str, least: u64) {
        let poll = async {
            while self.rig.call("GET", path, None).await[field].as_u64().unwrap() < least {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let limit = format!("{path}: {field} reaches {least} within {PATIENCE:?}");
        tokio::time::timeout(PATIENCE, poll).await.expect(&limit);
    }

    /// Lets the requests to the storage of `hour` go that are held.
    pub async fn let_go(&self, hour: &Hour) {
        self.rig.call("POST", "/storage/release", Some(json!({"path": hour.blob.mac()}))).await;
    }

    /// Ends the faults of this scenario's hub, and answers what was held.
    pub async fn end_hub_faults(&self) {
        self.rig.call("DELETE", &format!("/hub/faults?hub={}", self.rig.hub()), None).await;
    }

    /// Lets the claim on `hour` run out, as its minute would.
    pub async fn outlive_claim(&self, hour: &Hour) {
        let (table, key) = (self.rig.table(), hour.blob.checkpoint_key());
        while let Some((mut row, version)) = table.load(&key).await.unwrap()
            && let Some(claim) = row.claim.clone().filter(|claim| claim.until > 0)
        {
            row.claim = Some(Claim { until: 0, ..claim });
            // Refused when somebody else was quicker: then there is something else to look at.
            let _ = table.swap(&key, &row, Some(&version)).await;
        }
    }

    /// Delivers, again and again, until the answer is content; says how long that took.
    pub async fn persist(&self, handler: &Handler, event: &Value) -> Duration {
        let began = Instant::now();
        for _ in 0..ATTEMPTS {
            match handler.deliver(event).await {
                Answer::Done => return began.elapsed(),
                Answer::Failed => tokio::time::sleep(PAUSE).await,
                other => panic!("{other:?}\n{}", handler.last_lines()),
            }
        }
        panic!("failed {ATTEMPTS} times\n{}", handler.last_lines());
    }

    /// What became of the records of these blobs.
    pub async fn verdict(&self, hours: &[&Hour]) -> Verdict {
        let path = format!("/hub/{}/events", self.rig.hub());
        let events = self.rig.call("GET", &path, None).await;
        let arrivals: Vec<Received> = events.as_array().unwrap().iter().map(received).collect();
        let mut sum = Verdict::default();
        for hour in hours {
            let url = hour.blob.url();
            let arrivals: Vec<_> = arrivals.iter().filter(|event| event.source == url).cloned().collect();
            sum += judge(&hour.records, &arrivals);
        }
        sum
    }

    /// Makes sure that nobody is at work on these blobs, and nothing is left to do.
    pub async fn assert_at_rest(&self, hours: &[&Hour]) {
        for hour in hours {
            let (row, _) = self.rig.table().load(&hour.blob.checkpoint_key()).await.unwrap().expect("a row");
            assert!(row.progress.etag.is_some() && row.claim.is_none() && row.in_flight.is_none(), "{row:?}");
        }
    }
}
