//! One scenario end to end: blobs that grow in the rig, its faults, and what arrives in its hub.

use crate::support::judge::{Verdict, judge};
use crate::support::process::{Answer, Launch, Process};
use crate::support::received::Received;
use crate::support::rig::Rig;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flowlog_forwarder::checkpoint::Claim;
use flowlog_forwarder::flow_log::FlowLogBlob;
use flowlog_forwarder::ports::checkpoints::CheckpointStore as _;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// Pause before another delivery; Event Grid waits longer.
const PAUSE: Duration = Duration::from_millis(250);
/// How often an event is delivered before that counts as a failure.
const ATTEMPTS: usize = 200;

/// A blob that grows, and the records committed to it.
pub struct Hour {
    pub blob: FlowLogBlob,
    id: String,
    records: Vec<String>,
}

/// One scenario in a rig.
pub struct Scene {
    pub rig: Rig,
}

impl Scene {
    /// In the rig that most tests share.
    pub async fn start() -> Self {
        Self { rig: Rig::start().await }
    }

    /// In its own rig.
    pub async fn own(flags: &'static [&'static str]) -> Self {
        Self { rig: Rig::own(flags).await }
    }

    /// Starts the binary with the rig's settings.
    pub async fn handler(&self) -> Process {
        self.handler_with(self.rig.settings()).await
    }

    /// Starts the binary with these settings.
    pub async fn handler_with(&self, settings: Vec<(&'static str, String)>) -> Process {
        Launch::with(settings).set("RUST_LOG", "info,flowlog_forwarder=debug").start().await
    }

    /// A blob without a commit.
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

    /// Adds a fault to the storage of `hour`: its blob and its row.
    pub async fn storage_fault(&self, hour: &Hour, mut fault: Value) {
        fault["path"] = hour.blob.mac().into();
        self.rig.call("POST", "/storage/faults", Some(fault)).await;
    }

    /// Ends the storage faults of `hour`.
    pub async fn end_storage_faults(&self, hour: &Hour) {
        let faults = self.rig.call("GET", "/storage/faults", None).await;
        for fault in faults.as_array().unwrap().iter().filter(|fault| fault["path"] == hour.blob.mac()) {
            self.rig.call("DELETE", &format!("/storage/faults?id={}", fault["id"]), None).await;
        }
    }

    /// How many requests there were to the storage of `hour`.
    pub async fn requests(&self, hour: &Hour) -> u64 {
        let path = format!("/storage/requests?path={}", hour.blob.mac());
        self.rig.call("GET", &path, None).await["requests"].as_u64().unwrap()
    }

    /// Waits until a request to the storage of `hour` is held.
    pub async fn until_held(&self, hour: &Hour) {
        self.rig.until(&format!("/storage/requests?path={}", hour.blob.mac()), "held", 1).await;
    }

    /// Releases the requests to the storage of `hour` that are held.
    pub async fn release(&self, hour: &Hour) {
        self.rig.call("POST", "/storage/release", Some(json!({"path": hour.blob.mac()}))).await;
    }

    /// Lets the claim on `hour` expire.
    pub async fn expire_claim(&self, hour: &Hour) {
        let (table, key) = (self.rig.table(), hour.blob.checkpoint_key());
        while let Some((mut row, version)) = table.load(&key).await.unwrap()
            && let Some(claim) = row.claim.clone().filter(|claim| claim.until > 0)
        {
            row.claim = Some(Claim { until: 0, ..claim });
            // On a conflict the row is loaded again.
            let _ = table.swap(&key, &row, Some(&version)).await;
        }
    }

    /// Delivers until the answer is a success; returns how long that took.
    pub async fn persist(&self, handler: &Process, event: &Value) -> Duration {
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

    /// Judges what arrived of these blobs.
    pub async fn verdict(&self, hours: &[&Hour]) -> Verdict {
        let events = self.rig.hub_events().await;
        let arrivals: Vec<_> = events.iter().map(Received::from_rig).collect();
        let mut sum = Verdict::default();
        for hour in hours {
            let url = hour.blob.url();
            let arrivals: Vec<_> = arrivals.iter().filter(|event| event.source == url).cloned().collect();
            sum += judge(&hour.records, &arrivals);
        }
        sum
    }

    /// Fails when one of these blobs is claimed or not forwarded whole.
    pub async fn assert_at_rest(&self, hours: &[&Hour]) {
        for hour in hours {
            let (row, _) = self.rig.table().load(&hour.blob.checkpoint_key()).await.unwrap().expect("a row");
            assert!(row.progress.etag.is_some() && row.claim.is_none() && row.in_flight.is_none(), "{row:?}");
        }
    }
}
