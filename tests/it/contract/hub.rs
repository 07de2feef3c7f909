//! What every hub must do: played on the hub in memory, and on the real producer with the stand-in.

use crate::support::memory_hub::{Failure, MemoryHub};
use crate::support::rig::Rig;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use flowlog_forwarder::azure::event_hubs::{EventHub, HubOptions};
use flowlog_forwarder::flow_log::rope::Rope;
use flowlog_forwarder::message::{Batch, Message, Origin};
use flowlog_forwarder::ports::hub::{Hub, HubError};
use futures_util::StreamExt as _;
use futures_util::future::join_all;
use futures_util::stream::FuturesUnordered;
use serde_json::{Value, json};
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// One event as a consumer sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    pub id: String,
    pub source: String,
    pub etag: String,
    pub range: Range<u64>,
    pub partition_key: Option<String>,
    pub body: Vec<u8>,
}

/// A hub, and a way to read it back.
pub trait Readable {
    type Hub: Hub;
    fn hub(&self) -> &Self::Hub;
    /// Everything accepted so far, in order of acceptance.
    async fn received(&self) -> Vec<Received>;
    /// The sizes of the bodies accepted so far.
    async fn body_sizes(&self) -> Vec<usize>;
    /// Lets the send number `number`, counted from 0, be refused when the next one has been accepted.
    async fn refuse_behind_the_next(&self, number: usize);
}

/// A producer on a hub of its own in the rig.
pub struct OnRig {
    pub rig: Rig,
    pub hub: Arc<EventHub>,
}

/// Waits that suit tests.
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

    pub async fn events(&self) -> Vec<Value> {
        let path = format!("/hub/{}/events", self.rig.hub());
        self.rig.call("GET", &path, None).await.as_array().unwrap().clone()
    }

    pub async fn stats(&self) -> Value {
        self.rig.call("GET", &format!("/hub/{}/stats", self.rig.hub()), None).await
    }

    /// Adds a fault to this test's hub.
    pub async fn fault(&self, mut fault: Value) {
        fault["hub"] = self.rig.hub().into();
        self.rig.call("POST", "/hub/faults", Some(fault)).await;
    }

    /// Sets something of this test's hub.
    pub async fn set(&self, mut setting: Value) {
        setting["hub"] = self.rig.hub().into();
        self.rig.call("POST", "/hub/settings", Some(setting)).await;
    }

    /// Waits until a statistic of this hub reaches `least`.
    pub async fn until(&self, statistic: &str, least: u64) {
        while self.stats().await[statistic].as_u64().unwrap() < least {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

impl Readable for OnRig {
    type Hub = EventHub;

    fn hub(&self) -> &EventHub {
        &self.hub
    }

    async fn received(&self) -> Vec<Received> {
        self.events().await.iter().map(received).collect()
    }

    async fn body_sizes(&self) -> Vec<usize> {
        let events = self.events().await;
        events.iter().map(|event| usize::try_from(event["bodyBytes"].as_u64().unwrap()).unwrap()).collect()
    }

    async fn refuse_behind_the_next(&self, number: usize) {
        let condition = "com.microsoft:argument-error";
        self.fault(json!({"action": "refuse-late", "skip": number, "condition": condition})).await;
    }
}

/// An event as the rig's control API tells it.
pub fn received(event: &Value) -> Received {
    let properties = &event["applicationProperties"];
    assert_eq!(event["contentType"], "application/json");
    Received {
        id: event["messageId"].as_str().unwrap().to_owned(),
        source: properties["source"].as_str().unwrap().to_owned(),
        etag: properties["etag"].as_str().unwrap().to_owned(),
        range: properties["offset-start"].as_u64().unwrap()..properties["offset-end"].as_u64().unwrap(),
        partition_key: event["partitionKey"].as_str().map(ToOwned::to_owned),
        body: STANDARD.decode(event["body"].as_str().unwrap()).unwrap(),
    }
}

impl Readable for MemoryHub {
    type Hub = Self;

    fn hub(&self) -> &Self {
        self
    }

    async fn received(&self) -> Vec<Received> {
        MemoryHub::received(self)
    }

    async fn body_sizes(&self) -> Vec<usize> {
        self.bodies().iter().map(Vec::len).collect()
    }

    async fn refuse_behind_the_next(&self, number: usize) {
        self.fail(number, Failure::Before(refused()));
        self.settle_after(number, number + 1);
    }
}

/// What a hub says that will not take a batch, however often it is sent.
fn refused() -> HubError {
    HubError::Refused { hub: "memory".into(), condition: "told to".into(), description: String::new() }
}

/// Where the test batches say that they come from.
pub fn origin() -> Origin {
    Origin {
        source: "https://logs.blob.core.windows.net/insights-logs-flowlogflowevent/a=/b/PT1H.json".to_owned(),
        etag: "0x8DD000000000000000000000000000".to_owned(),
        partition_key: None,
        id_prefix: "9f86d081884c7d65-0".to_owned(),
    }
}

/// The body that the test message at `start` has: two pieces, and `size` bytes.
pub fn body(start: u64, size: usize) -> Rope {
    let text = format!("{{\"records\":[{{\"at\":{start},\"x\":\"");
    let filling = size - text.len() - 4;
    [Bytes::from(text), Bytes::from("é".repeat(filling / 2) + &"y".repeat(filling % 2) + "\"}]}")]
        .into_iter()
        .collect()
}

/// A batch of `count` messages of `size` bytes each, the first of them at `start`.
pub fn batch_of(origin: &Arc<Origin>, start: u64, count: u64, size: usize) -> Batch {
    let length = size as u64;
    let messages = (0..count).map(|number| {
        let start = start + number * length;
        Message { body: body(start, size), range: start..start + length, records: 1 }
    });
    Batch { origin: Arc::clone(origin), messages: messages.collect() }
}

pub fn batch(start: u64) -> Batch {
    batch_of(&Arc::new(origin()), start, 1, 300)
}

/// What a consumer is to see of `batch`.
pub fn expected(batch: &Batch) -> Vec<Received> {
    let origin = &batch.origin;
    let messages = batch.messages.iter();
    let received = messages.map(|message| Received {
        id: format!("{}-{}-{}", origin.id_prefix, message.range.start, message.range.end),
        source: origin.source.clone(),
        etag: origin.etag.clone(),
        range: message.range.clone(),
        partition_key: origin.partition_key.clone(),
        body: message.body.to_bytes().to_vec(),
    });
    received.collect()
}

/// Far enough for anything that goes well.
pub fn soon() -> Instant {
    Instant::now() + Duration::from_secs(30)
}

async fn arrives_byte_for_byte_with_its_properties<R: Readable>(it: R) {
    let keyed = Origin { partition_key: Some("6045BDAA0001".to_owned()), ..origin() };
    for (origin, start) in [(origin(), 12), (keyed, u64::from(u32::MAX) * 2)] {
        let batch = batch_of(&Arc::new(origin), start, 3, 1000);
        it.hub().send(batch.clone(), soon()).await.unwrap();
        let all = it.received().await;
        assert_eq!(all[all.len() - 3..], expected(&batch));
    }
}

async fn goes_out_in_the_order_of_the_first_polls<R: Readable>(it: R) {
    let batches: Vec<Batch> = (0..60).map(|number| batch(number * 300)).collect();
    // `join_all` polls in order; what lies behind is answered in any order.
    let sends = batches.iter().map(|batch| it.hub().send(batch.clone(), soon()));
    assert!(join_all(sends).await.iter().all(Result::is_ok));
    assert_eq!(it.received().await, batches.iter().flat_map(expected).collect::<Vec<_>>());
}

async fn takes_a_batch_that_just_fits_and_refuses_one_byte_more<R: Readable>(it: R) {
    let origin = Arc::new(origin());
    let limits = it.hub().limits(&origin, soon()).await.unwrap();
    let room = limits.transfer - limits.envelope - limits.message_overhead;
    // The largest offset has the longest id, and the ETag is as long as is provided for: there the
    // arithmetic leaves no byte over.
    let of_size = |size: usize| {
        let body = body(0, size);
        Batch {
            origin: Arc::clone(&origin),
            messages: vec![Message { body, range: u64::MAX - 1..u64::MAX, records: 1 }],
        }
    };
    let error = it.hub().send(of_size(room + 1), soon()).await.unwrap_err();
    let HubError::TooLarge { size, limit, .. } = error else { panic!("{error}") };
    assert_eq!((size, limit), (limits.transfer + 1, limits.transfer));
    it.hub().send(of_size(room), soon()).await.unwrap();
    assert_eq!(it.body_sizes().await, [room]);
}

async fn a_batch_refused_behind_the_next_one_fails_alone<R: Readable>(it: R) {
    it.refuse_behind_the_next(1).await;
    let batches: Vec<Batch> = (0..4).map(|number| batch(number * 300)).collect();
    let sends = join_all(batches.iter().map(|batch| it.hub().send(batch.clone(), soon()))).await;
    let failed: Vec<bool> = sends.iter().map(Result::is_err).collect();
    assert_eq!(failed, [false, true, false, false]);
    assert!(matches!(sends[1], Err(HubError::Refused { .. })), "{:?}", sends[1]);
    let kept = [&batches[0], &batches[2], &batches[3]];
    assert_eq!(it.received().await, kept.into_iter().flat_map(expected).collect::<Vec<_>>());
}

/// One test for each rule and each hub.
macro_rules! contract {
    ($($rule:ident),+ $(,)?) => {
        mod in_memory {
            $(#[tokio::test]
            async fn $rule() {
                super::$rule(crate::support::memory_hub::MemoryHub::default()).await;
            })+
        }
        mod on_the_stand_in {
            $(#[tokio::test]
            async fn $rule() {
                super::$rule(super::OnRig::start().await).await;
            })+
        }
    };
}

contract! {
    arrives_byte_for_byte_with_its_properties,
    goes_out_in_the_order_of_the_first_polls,
    takes_a_batch_that_just_fits_and_refuses_one_byte_more,
    a_batch_refused_behind_the_next_one_fails_alone,
}

#[tokio::test]
async fn the_hub_in_memory_settles_in_the_order_that_it_was_told_to() {
    let hub = MemoryHub::default();
    hub.settle_after(0, 2);
    hub.settle_after(2, 3);
    let sends = (0..4).map(|number| {
        let sent = hub.send(batch(number * 300), soon());
        async move { sent.await.map(|()| number) }
    });
    let settled: Vec<_> = sends.collect::<FuturesUnordered<_>>().map(Result::unwrap).collect().await;
    assert_eq!(settled, [1, 3, 2, 0]);
    let starts: Vec<u64> = hub.received().iter().map(|received| received.range.start).collect();
    assert_eq!(starts, [0, 300, 600, 900]);
}

#[tokio::test(start_paused = true)]
async fn a_send_whose_turn_never_comes_is_settled_at_its_deadline() {
    let hub = MemoryHub::default();
    hub.settle_after(0, 1);
    hub.send(batch(0), soon()).await.unwrap();
    assert_eq!(hub.received().len(), 1);
}

#[tokio::test]
async fn the_hub_in_memory_fails_the_send_that_it_was_told_to() {
    let hub = MemoryHub::default();
    let error = HubError::Unsettled { hub: "memory".into(), reason: "told to".into() };
    hub.fail(1, Failure::Before(error.clone()));
    hub.fail(2, Failure::After(error));
    hub.fail(3, Failure::Hang);
    let mut failed = Vec::new();
    for number in 0..5 {
        let deadline = Instant::now() + Duration::from_millis(20);
        failed.push(hub.send(batch(number * 300), deadline).await.is_err());
    }
    assert_eq!(failed, [false, true, true, true, false]);
    let starts: Vec<u64> = hub.received().iter().map(|received| received.range.start).collect();
    assert_eq!((starts, hub.sends()), (vec![0, 600, 1200], 5));
}
