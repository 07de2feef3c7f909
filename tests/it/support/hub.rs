//! A producer on the Event Hubs stand-in, and batches to send.

use crate::support::received::Received;
use crate::support::rig::Rig;
use bytes::Bytes;
use flowlog_forwarder::azure::event_hubs::{EventHub, HubOptions};
use flowlog_forwarder::flow_log::rope::Rope;
use flowlog_forwarder::message::{Batch, Message, Origin};
use flowlog_forwarder::ports::hub::{Hub as _, HubError};
use futures_util::future::join_all;
use serde_json::Value;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A producer on a hub of its own in the rig.
pub struct OnRig {
    pub rig: Rig,
    pub hub: Arc<EventHub>,
}

/// Short waits.
pub fn quick() -> HubOptions {
    HubOptions {
        busy_wait: Duration::from_millis(50),
        first_back_off: Duration::from_millis(20),
        max_back_off: Duration::from_millis(200),
        ..HubOptions::default()
    }
}

impl OnRig {
    pub async fn start() -> Self {
        Self::with(Rig::start().await, quick())
    }

    /// A producer with a shared access key, over plain AMQP.
    pub fn with(rig: Rig, options: HubOptions) -> Self {
        let (address, access) = rig.hub_access();
        Self { hub: Arc::new(EventHub::new(address, access, options)), rig }
    }

    /// Everything accepted so far, in order.
    pub async fn received(&self) -> Vec<Received> {
        self.rig.hub_events().await.iter().map(Received::from_rig).collect()
    }

    /// The sizes of the bodies accepted so far.
    pub async fn body_sizes(&self) -> Vec<usize> {
        let events = self.rig.hub_events().await;
        events.iter().map(|event| usize::try_from(event["bodyBytes"].as_u64().unwrap()).unwrap()).collect()
    }

    pub async fn stats(&self) -> Value {
        self.rig.hub_stats().await
    }

    pub async fn fault(&self, fault: Value) {
        self.rig.hub_fault(fault).await;
    }

    /// Waits until a statistic of the hub reaches `least`.
    pub async fn until(&self, statistic: &str, least: u64) {
        self.rig.until_hub(statistic, least).await;
    }

    /// Waits until the hub has no open connection.
    pub async fn until_disconnected(&self) {
        while self.stats().await["openConnections"] != 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Sends all batches at once; the results come in the order of the batches.
    pub async fn send_all(&self, batches: impl IntoIterator<Item = Batch>) -> Vec<Result<(), HubError>> {
        join_all(batches.into_iter().map(|batch| self.hub.send(batch, soon()))).await
    }
}

/// The origin of the test batches.
pub fn origin() -> Origin {
    Origin {
        source: "https://logs.blob.core.windows.net/insights-logs-flowlogflowevent/a=/b/PT1H.json".to_owned(),
        etag: "0x8DD000000000000000000000000000".to_owned(),
        partition_key: None,
        id_prefix: "9f86d081884c7d65-0".to_owned(),
    }
}

/// The body of the test message at `start`: two pieces, `size` bytes.
pub fn body(start: u64, size: usize) -> Rope {
    let text = format!("{{\"records\":[{{\"at\":{start},\"x\":\"");
    let filling = size - text.len() - 4;
    [Bytes::from(text), Bytes::from("é".repeat(filling / 2) + &"y".repeat(filling % 2) + "\"}]}")]
        .into_iter()
        .collect()
}

/// A batch of `count` messages of `size` bytes each; the first begins at `start`.
pub fn batch_of(origin: &Arc<Origin>, start: u64, count: u64, size: usize) -> Batch {
    let length = size as u64;
    let messages = (0..count).map(|number| {
        let start = start + number * length;
        Message { body: body(start, size), range: start..start + length, records: 1 }
    });
    Batch { origin: Arc::clone(origin), messages: messages.collect() }
}

/// A batch of one message of 300 bytes.
pub fn batch(start: u64) -> Batch {
    batch_of(&Arc::new(origin()), start, 1, 300)
}

/// `count` batches of one small message each.
pub fn batches(count: u64) -> Vec<Batch> {
    (0..count).map(|number| batch(number * 300)).collect()
}

/// A deadline that no test reaches when all goes well.
pub fn soon() -> Instant {
    within(30_000)
}

/// A deadline after this many milliseconds.
pub fn within(milliseconds: u64) -> Instant {
    Instant::now() + Duration::from_millis(milliseconds)
}
