//! The producer without faults: batches in flight, bytes on the wire, connections.

use crate::support::hub::{OnRig, batch, batch_of, batches, body, origin, quick, soon};
use crate::support::received::received;
use crate::support::rig::Rig;
use flowlog_forwarder::azure::event_hubs::HubOptions;
use flowlog_forwarder::message::{Batch, Message, Origin};
use flowlog_forwarder::ports::hub::{Hub as _, HubError};
use futures_util::FutureExt as _;
use serde_json::{Value, json};
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

#[tokio::test]
async fn the_window_limits_the_batches_in_flight() {
    let it = OnRig::with(Rig::start().await, HubOptions { window_batches: 5, ..quick() });
    it.fault(json!({"action": "delay", "ms": 30, "count": 40})).await;
    let results = it.send_all(batches(40)).await;
    assert!(results.iter().all(Result::is_ok));
    let stats = it.stats().await;
    assert_eq!((&stats["mostUnansweredAtOnce"], &stats["transfers"]), (&json!(5), &json!(40)));
}

#[tokio::test]
async fn the_window_limits_the_bytes_in_flight() {
    let it = OnRig::with(Rig::start().await, HubOptions { window_bytes: 20_000, ..quick() });
    it.fault(json!({"action": "delay", "ms": 20, "count": 24})).await;
    // Three batches of 6,000 bytes fit.
    let origin = Arc::new(origin());
    let results = it.send_all((0..12).map(|number| batch_of(&origin, number * 6000, 1, 6000))).await;
    assert!(results.iter().all(Result::is_ok));
    assert_eq!(it.stats().await["mostUnansweredAtOnce"], 3);
    it.rig.call("DELETE", &format!("/hub/{}", it.rig.hub()), None).await;
    let results = it.send_all((0..4).map(|number| batch_of(&origin, number * 50_000, 1, 50_000))).await;
    assert!(results.iter().all(Result::is_ok));
    assert_eq!(it.stats().await["mostUnansweredAtOnce"], 1);
}

#[tokio::test]
async fn each_batch_is_answered_by_its_own_settlement() {
    let it = OnRig::start().await;
    it.fault(json!({"action": "hold", "skip": 1})).await;
    let mut sends = [0, 300, 600].map(|start| Box::pin(it.hub.send(batch(start), soon())));
    assert!(sends.iter_mut().all(|send| send.now_or_never().is_none()));
    let [first, mut second, third] = sends;
    first.await.unwrap();
    third.await.unwrap();
    assert!((&mut second).now_or_never().is_none(), "answered without a settlement");
    it.rig.call("POST", "/hub/release", None).await;
    second.await.unwrap();
}

#[tokio::test]
async fn a_queued_batch_whose_caller_gave_up_is_not_sent() {
    let it = OnRig::with(Rig::start().await, HubOptions { window_batches: 1, ..quick() });
    it.fault(json!({"action": "hold"})).await;
    let mut first = Box::pin(it.hub.send(batch(0), soon()));
    let mut given_up = Box::pin(it.hub.send(batch(300), soon()));
    let mut third = Box::pin(it.hub.send(batch(600), soon()));
    tokio::select! {
        biased;
        _ = &mut first => panic!("the first is held"),
        _ = &mut given_up => panic!("it waits behind the first"),
        _ = &mut third => panic!("it waits behind the first"),
        () = it.until("unansweredNow", 1) => {}
    }
    drop(given_up);
    it.rig.call("POST", "/hub/release", None).await;
    let (first, third) = tokio::join!(first, third);
    assert!(first.is_ok() && third.is_ok());
    let starts: Vec<u64> = it.received().await.iter().map(|received| received.range.start).collect();
    assert_eq!(starts, [0, 600]);
}

#[tokio::test]
async fn the_computed_size_is_the_size_on_the_wire() {
    let it = OnRig::start().await;
    let long = |length: usize| "n".repeat(length);
    let keys = [None, Some("6045BDAA0001".to_owned()), Some(long(240)), Some(long(260))];
    for (at, partition_key) in keys.into_iter().enumerate() {
        let source = format!("https://a/{}", long(280 * (at % 2)));
        let origin = Arc::new(Origin { partition_key, source, ..origin() });
        let limits = it.hub.limits(&origin, soon()).await.unwrap();
        let largest = Message { body: body(0, 700), range: u64::MAX - 1..u64::MAX, records: 1 };
        let batch = Batch { origin, messages: vec![largest; at + 1] };
        it.hub.send(batch, soon()).await.unwrap();
        let last = it.rig.hub_events().await.pop().unwrap();
        assert_eq!(
            last["transferBytes"],
            limits.envelope + (at + 1) * (limits.message_overhead + 700),
            "{last}"
        );
    }
}

#[tokio::test]
async fn the_limit_is_that_of_the_link_or_one_mebibyte() {
    for (stated, expected) in [(40_000, 40_000), (0, 1 << 20)] {
        let it = OnRig::start().await;
        it.rig.set_hub(json!({"maxMessageSize": stated})).await;
        assert_eq!(it.hub.limits(&origin(), soon()).await.unwrap().transfer, expected);
        it.hub.limits(&origin(), soon()).await.unwrap();
        assert_eq!(it.stats().await["attaches"], 1);
    }
}

#[tokio::test]
async fn a_batch_too_large_for_the_link_is_never_sent() {
    let it = OnRig::start().await;
    it.rig.set_hub(json!({"maxMessageSize": 2000})).await;
    let large = batch_of(&Arc::new(origin()), 0, 1, 4000);
    let (refused, fine) = tokio::join!(it.hub.send(large, soon()), it.hub.send(batch(0), soon()));
    assert!(matches!(refused, Err(HubError::TooLarge { limit: 2000, .. })), "{refused:?}");
    fine.unwrap();
    let stats = it.stats().await;
    assert_eq!((&stats["transfers"], &stats["attaches"]), (&json!(1), &json!(1)));
}

#[tokio::test]
async fn the_first_use_connects_and_close_drains_and_disconnects() {
    let it = OnRig::with(Rig::own(&[]).await, quick());
    assert_eq!(it.stats().await["connections"], 0);
    it.fault(json!({"action": "delay", "ms": 50, "count": 20})).await;
    let mut sends = Box::pin(it.send_all(batches(20)));
    assert!((&mut sends).now_or_never().is_none());
    let (results, ()) = tokio::join!(sends, it.hub.close(soon()));
    assert!(results.iter().all(Result::is_ok), "{results:?}");
    assert_eq!(it.received().await.len(), 20);
    it.until_disconnected().await;
    let late = it.hub.send(batch(0), soon()).await.unwrap_err();
    assert!(matches!(late, HubError::Unreachable { .. }), "{late}");
    it.hub.close(soon()).await;
}

#[tokio::test]
async fn an_unused_producer_closes_and_a_dropped_one_disconnects() {
    let it = OnRig::with(Rig::own(&[]).await, quick());
    it.hub.close(soon()).await;
    let mut it = OnRig::with(it.rig, quick());
    it.hub.send(batch(0), soon()).await.unwrap();
    assert_eq!(it.stats().await["openConnections"], 1);
    it.hub = OnRig::with(Rig::start().await, quick()).hub;
    it.until_disconnected().await;
}

#[tokio::test]
async fn a_deadline_in_the_past_is_an_error_at_once() {
    let it = OnRig::start().await;
    let error = it.hub.send(batch(0), Instant::now()).await.unwrap_err();
    assert!(matches!(error, HubError::Unreachable { .. }), "{error}");
}

#[tokio::test]
async fn megabytes_arrive_whole_in_frames_of_64_kib() {
    let it = OnRig::start().await;
    let origin = Arc::new(origin());
    let limits = it.hub.limits(&origin, soon()).await.unwrap();
    let size = limits.transfer - limits.envelope - limits.message_overhead;
    let batches: Vec<Batch> =
        (0..24).map(|number| batch_of(&origin, number * size as u64, 1, size)).collect();
    assert!(it.send_all(batches.clone()).await.iter().all(Result::is_ok));
    assert_eq!(it.received().await, batches.iter().flat_map(received).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn microsofts_client_reads_what_was_sent() {
    let it = OnRig::start().await;
    let keyed = Arc::new(Origin { partition_key: Some("6045BDAA0001".to_owned()), ..origin() });
    it.hub.send(batch_of(&keyed, 12, 3, 400), soon()).await.unwrap();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/e2e/read_back.mjs");
    let read =
        Command::new("node").args([script, it.rig.endpoint("hubConnection"), &it.rig.hub(), "3"]).output();
    let read = read.unwrap();
    let events: Vec<Value> = serde_json::from_slice(&read.stdout)
        .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&read.stderr)));
    let expected: Vec<Value> = [12, 412, 812]
        .into_iter()
        .map(|start| {
            json!({
                "records": serde_json::from_slice::<Value>(&body(start, 400).to_bytes()).unwrap()["records"],
                "messageId": format!("9f86d081884c7d65-0-{start}-{}", start + 400),
                "contentType": "application/json",
                "partitionKey": "6045BDAA0001",
                "properties": {
                    "source": keyed.source, "etag": "0x8DD000000000000000000000000000", "offset-start": start, "offset-end": start + 400,
                },
            })
        })
        .collect();
    assert_eq!(events, expected);
}
