//! Links and connections that end: nothing is lost, and repeats have the same id.

use super::all_arrived;
use crate::support::hub::{OnRig, batch, batches, quick, soon, within};
use crate::support::rig::Rig;
use flowlog_forwarder::azure::event_hubs::HubOptions;
use flowlog_forwarder::message::Batch;
use flowlog_forwarder::ports::hub::{Hub as _, HubError};
use serde_json::{Value, json};
use std::time::Duration;

#[tokio::test]
async fn a_detached_link_is_replaced_and_nothing_is_lost() {
    for (fault, repeats) in [
        (json!({"action": "detach", "skip": 3}), 0),
        (json!({"action": "detach", "skip": 3, "closed": false}), 0),
        (json!({"action": "detach", "skip": 3, "count": 3, "condition": "com.microsoft:timeout"}), 0),
        (json!({"action": "detach", "skip": 3, "condition": "com.microsoft:server-busy"}), 0),
        (json!({"action": "detach", "skip": 3, "store": true}), 1),
    ] {
        let it = OnRig::start().await;
        it.fault(fault.clone()).await;
        let batches = batches(20);
        let results = it.send_all(batches.clone()).await;
        assert_eq!(all_arrived(&it, &batches, &results).await, repeats, "{fault}");
    }
}

#[tokio::test]
async fn a_dropped_socket_is_noticed_and_nothing_is_lost() {
    for store in [false, true] {
        let it = OnRig::start().await;
        it.fault(json!({"action": "drop", "skip": 5, "store": store})).await;
        it.fault(json!({"action": "drop", "skip": 17, "store": store})).await;
        let batches = batches(30);
        let results = it.send_all(batches.clone()).await;
        all_arrived(&it, &batches, &results).await;
        assert!(it.stats().await["attaches"].as_u64() >= Some(2), "store: {store}");
    }
}

#[tokio::test]
async fn a_send_succeeds_whatever_ended_the_idle_link() {
    let it = OnRig::with(Rig::own(&[]).await, quick());
    let mut sent = Vec::new();
    for (at, action) in
        ["none", "detach-links", "close-connections", "drop-connections"].into_iter().enumerate()
    {
        if at > 0 {
            it.rig.call("POST", "/hub/faults", Some(json!({"action": action}))).await;
            // Until then, a connection that no longer answers could store a batch.
            it.until_disconnected().await;
        }
        let batch = batch(at as u64 * 300);
        it.hub.send(batch.clone(), soon()).await.unwrap();
        sent.push(batch);
    }
    assert_eq!(all_arrived(&it, &sent, &[]).await, 0);
    assert_eq!(it.stats().await["attaches"], 4);
}

#[tokio::test]
async fn one_new_connection_serves_all_waiting_sends() {
    let it = OnRig::with(Rig::own(&[]).await, quick());
    it.fault(json!({"action": "drop", "skip": 4})).await;
    let batches = batches(100);
    let results = it.send_all(batches.clone()).await;
    all_arrived(&it, &batches, &results).await;
    let stats = it.stats().await;
    assert_eq!(
        (&stats["connections"], &stats["attaches"], &stats["putTokens"]),
        (&json!(2), &json!(2), &json!(2))
    );
}

#[tokio::test]
async fn sends_wait_for_a_hub_that_is_away_for_a_while() {
    let it = OnRig::with(Rig::own(&[]).await, quick());
    it.hub.send(batch(0), soon()).await.unwrap();
    it.rig.call("POST", "/hub/faults", Some(json!({"action": "gone"}))).await;
    let error = it.hub.send(batch(300), within(300)).await.unwrap_err();
    let HubError::Unreachable { hub, reason } = &error else { panic!("{error}") };
    assert!(reason.starts_with("127.0.0.1:") && reason.contains(", stage TCP: "), "{reason}");
    assert_eq!(hub, &format!("127.0.0.1/{}", it.rig.hub()));
    let comes_back = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        it.rig.call("DELETE", "/hub/faults", None).await;
    };
    let batches: Vec<Batch> = (2..12).map(|number| batch(number * 300)).collect();
    let (results, ()) = tokio::join!(it.send_all(batches.clone()), comes_back);
    assert!(results.iter().all(Result::is_ok), "{results:?}");
    assert_eq!(it.received().await.len(), 11);
}

#[tokio::test]
async fn a_send_without_a_settlement_fails_at_its_deadline_as_unsettled() {
    let it = OnRig::start().await;
    it.fault(json!({"action": "swallow", "store": true})).await;
    let error = it.hub.send(batch(0), within(200)).await.unwrap_err();
    assert!(matches!(error, HubError::Unsettled { .. }), "{error}");
    it.hub.send(batch(300), soon()).await.unwrap();
    assert_eq!(it.received().await.len(), 2);
}

#[tokio::test]
async fn a_stalled_link_is_replaced_and_its_batches_are_sent_again() {
    let it =
        OnRig::with(Rig::start().await, HubOptions { stall_timeout: Duration::from_millis(300), ..quick() });
    it.fault(json!({"action": "swallow", "skip": 2, "count": 6})).await;
    let batches = batches(8);
    let results = it.send_all(batches.clone()).await;
    assert_eq!(all_arrived(&it, &batches, &results).await, 0);
    assert_eq!(it.stats().await["attaches"], 2);
}

/// Random numbers that are the same in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

#[tokio::test]
async fn random_faults_lose_no_acknowledged_batch() {
    for seed in 0..12 {
        let mut dice = Dice(seed);
        let it = OnRig::with(
            Rig::start().await,
            HubOptions { stall_timeout: Duration::from_millis(200), ..quick() },
        );
        for _ in 0..6 {
            let action =
                ["reject", "release", "modify", "detach", "drop", "swallow", "delay", "refuse-attach"]
                    [usize::try_from(dice.roll(8)).unwrap()];
            let mut fault =
                json!({"action": action, "skip": dice.roll(60), "store": dice.roll(2) == 0, "ms": 10});
            if action == "refuse-attach" {
                fault["skip"] = json!(1 + dice.roll(2));
                fault["condition"] = json!("amqp:internal-error");
            }
            it.fault(fault).await;
        }
        let batches = batches(60);
        let results = it.send_all(batches.clone()).await;
        let repeats = all_arrived(&it, &batches, &results).await;
        let stats: Value = it.stats().await;
        assert!(repeats <= 16 * 6, "seed {seed}: {stats}");
    }
}
