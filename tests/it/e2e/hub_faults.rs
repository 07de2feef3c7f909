//! Everything that a hub and a network do to a producer. Whatever happens, what was acknowledged has arrived,
//! and what arrives twice was in doubt and carries the same id.

use crate::contract::hub::{OnRig, Readable as _, Received, batch, expected, quick, soon};
use crate::support::rig::Rig;
use flowlog_forwarder::azure::event_hubs::{EventHub, HubAddress, HubOptions};
use flowlog_forwarder::message::Batch;
use flowlog_forwarder::ports::hub::{Hub as _, HubError};
use futures_util::future::join_all;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::net::{TcpListener, TcpStream};

fn within(milliseconds: u64) -> Instant {
    Instant::now() + Duration::from_millis(milliseconds)
}

fn batches(count: u64) -> Vec<Batch> {
    (0..count).map(|number| batch(number * 300)).collect()
}

async fn send_all(it: &OnRig, batches: &[Batch]) -> Vec<Result<(), HubError>> {
    join_all(batches.iter().map(|batch| it.hub.send(batch.clone(), soon()))).await
}

/// All batches were accepted; all arrived, in order but for repeats; returns how many repeats there were.
async fn all_arrived(it: &OnRig, batches: &[Batch], results: &[Result<(), HubError>]) -> usize {
    assert!(results.iter().all(Result::is_ok), "{results:?}");
    let received = it.received().await;
    let mut distinct: BTreeMap<u64, &Received> = BTreeMap::new();
    for one in &received {
        // A repeat is the same message in every respect.
        assert_eq!(*distinct.entry(one.range.start).or_insert(one), one);
    }
    let expected: Vec<Received> = batches.iter().flat_map(expected).collect();
    assert_eq!(distinct.into_values().cloned().collect::<Vec<_>>(), expected);
    received.len() - expected.len()
}

#[tokio::test]
async fn a_rejection_that_passes_is_tried_again() {
    for condition in [
        "com.microsoft:server-busy",
        "com.microsoft:timeout",
        "com.microsoft:operation-cancelled",
        "com.microsoft:entity-updated",
        "com.microsoft:entity-disabled",
        "amqp:resource-limit-exceeded",
        "amqp:internal-error",
    ] {
        let it = OnRig::start().await;
        it.fault(json!({"action": "reject", "skip": 2, "count": 2, "condition": condition})).await;
        let batches = batches(8);
        let results = send_all(&it, &batches).await;
        assert_eq!(all_arrived(&it, &batches, &results).await, 0, "{condition}");
        let stats = it.stats().await;
        assert_eq!((&stats["rejected"], &stats["attaches"]), (&json!(2), &json!(1)), "{condition}");
    }
}

#[tokio::test]
async fn released_and_modified_are_no_success_and_are_tried_again() {
    for fault in [
        json!({"action": "release", "skip": 1, "count": 2}),
        json!({"action": "modify", "skip": 1, "count": 2}),
        json!({"action": "modify", "skip": 1, "count": 2, "deliveryFailed": false, "undeliverableHere": true}),
    ] {
        let it = OnRig::start().await;
        it.fault(fault.clone()).await;
        let batches = batches(6);
        let results = send_all(&it, &batches).await;
        assert_eq!(all_arrived(&it, &batches, &results).await, 0, "{fault}");
        assert_eq!(it.stats().await["transfers"], 8, "{fault}");
    }
}

#[tokio::test]
async fn a_rejection_that_does_not_pass_is_an_error_at_once_and_only_for_its_batch() {
    let it = OnRig::start().await;
    let condition = "com.microsoft:argument-out-of-range";
    it.fault(json!({"action": "reject", "skip": 1, "condition": condition, "description": "no"})).await;
    let results = send_all(&it, &batches(3)).await;
    assert!(results[0].is_ok() && results[2].is_ok());
    let Err(HubError::Refused { condition: told, description, .. }) = &results[1] else {
        panic!("{results:?}")
    };
    assert_eq!((told.as_str(), description.as_str()), (condition, "no"));
    assert_eq!(it.stats().await["transfers"], 3);
}

#[tokio::test]
async fn whoever_has_less_time_than_a_throttling_hub_asks_for_is_told_at_once_and_how_long_to_wait() {
    let it = OnRig::start().await;
    it.fault(json!({
        "action": "reject",
        "description": "The request was terminated because the entity is being throttled. Error code : 50002. \
            Please wait 600 seconds and try again.",
    }))
    .await;
    // The answer comes though this deadline is minutes away: no test waits that long.
    let patient = Instant::now() + Duration::from_mins(5);
    let error = it.hub.send(batch(0), patient).await.unwrap_err();
    let HubError::Busy { retry_after, reason, .. } = error else { panic!("{error}") };
    assert!(retry_after > Duration::from_secs(500) && reason.contains("50002"), "{retry_after:?} {reason}");
    let error = it.hub.send(batch(300), patient).await.unwrap_err();
    assert!(matches!(error, HubError::Busy { .. }), "{error}");
    assert_eq!(it.stats().await["transfers"], 1, "nothing is sent while the hub wants us to wait");
}

#[tokio::test]
async fn a_throttling_hub_gets_nothing_from_anybody_until_the_wait_is_over() {
    let it = OnRig::with(Rig::start().await, HubOptions { busy_wait: Duration::from_millis(600), ..quick() });
    it.fault(json!({"action": "reject"})).await;
    let first = Box::pin(it.hub.send(batch(0), soon()));
    let others = async {
        it.until("rejected", 1).await;
        tokio::time::sleep(Duration::from_millis(20)).await;
        let begun = Instant::now();
        (send_all(&it, &batches(4)[1..]).await, begun.elapsed())
    };
    let (first, (others, waited)) = tokio::join!(first, others);
    assert!(first.is_ok() && others.iter().all(Result::is_ok));
    // A lower bound, which no slow machine can break.
    assert!(waited > Duration::from_millis(300), "{waited:?}");
    assert_eq!(it.stats().await["transfers"], 5);
}

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
        let results = send_all(&it, &batches).await;
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
        let results = send_all(&it, &batches).await;
        all_arrived(&it, &batches, &results).await;
        assert!(it.stats().await["attaches"].as_u64() >= Some(2), "store: {store}");
    }
}

#[tokio::test]
async fn whatever_ends_an_idle_link_the_next_send_does_not_notice() {
    let it = OnRig::with(Rig::own(&[]).await, quick());
    let mut sent = Vec::new();
    for (at, action) in
        ["none", "detach-links", "close-connections", "drop-connections"].into_iter().enumerate()
    {
        if at > 0 {
            it.rig.call("POST", "/hub/faults", Some(json!({"action": action}))).await;
            // Until that has come through, a batch could be stored by a connection that no longer answers.
            while it.stats().await["openConnections"] != 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
        let batch = batch(at as u64 * 300);
        it.hub.send(batch.clone(), soon()).await.unwrap();
        sent.push(batch);
    }
    assert_eq!(all_arrived(&it, &sent, &[]).await, 0);
    assert_eq!(it.stats().await["attaches"], 4);
}

#[tokio::test]
async fn one_new_connection_serves_all_who_wait() {
    let it = OnRig::with(Rig::own(&[]).await, quick());
    it.fault(json!({"action": "drop", "skip": 4})).await;
    let batches = batches(100);
    let results = send_all(&it, &batches).await;
    all_arrived(&it, &batches, &results).await;
    let stats = it.stats().await;
    assert_eq!(
        (&stats["connections"], &stats["attaches"], &stats["putTokens"]),
        (&json!(2), &json!(2), &json!(2))
    );
}

#[tokio::test]
async fn a_hub_that_is_gone_for_a_while_is_waited_for() {
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
    let (results, ()) = tokio::join!(send_all(&it, &batches), comes_back);
    assert!(results.iter().all(Result::is_ok), "{results:?}");
    assert_eq!(it.received().await.len(), 11);
}

#[tokio::test]
async fn a_hub_that_settles_nothing_costs_the_deadline_and_the_error_says_that_the_batch_may_have_arrived() {
    let it = OnRig::start().await;
    it.fault(json!({"action": "swallow", "store": true})).await;
    let error = it.hub.send(batch(0), within(200)).await.unwrap_err();
    assert!(matches!(error, HubError::Unsettled { .. }), "{error}");
    it.hub.send(batch(300), soon()).await.unwrap();
    assert_eq!(it.received().await.len(), 2);
}

#[tokio::test]
async fn a_link_on_which_nothing_moves_is_given_up_and_its_batches_go_over_a_new_one() {
    let it =
        OnRig::with(Rig::start().await, HubOptions { stall_timeout: Duration::from_millis(300), ..quick() });
    it.fault(json!({"action": "swallow", "skip": 2, "count": 6})).await;
    let batches = batches(8);
    let results = send_all(&it, &batches).await;
    assert_eq!(all_arrived(&it, &batches, &results).await, 0);
    assert_eq!(it.stats().await["attaches"], 2);
}

#[tokio::test]
async fn a_hub_that_does_not_exist_is_refused_at_once_to_all_who_wait() {
    let it = OnRig::start().await;
    it.fault(json!({"action": "refuse-attach", "count": 1, "condition": "amqp:not-found", "description": "no such hub"}))
        .await;
    let results = send_all(&it, &batches(5)).await;
    for result in results {
        let Err(HubError::Refused { condition, .. }) = &result else { panic!("{result:?}") };
        assert_eq!(condition, "amqp:not-found");
    }
    // It was created meanwhile.
    it.hub.send(batch(0), soon()).await.unwrap();
}

#[tokio::test]
async fn an_identity_without_the_role_is_told_so_after_one_fresh_token_and_no_more() {
    let it = OnRig::start().await;
    let forever = json!({"action": "refuse-attach", "count": 1000, "condition": "amqp:unauthorized-access",
        "description": "Unauthorized access. 'Send' claim(s) are required to perform this operation."});
    it.fault(forever).await;
    let results = send_all(&it, &batches(20)).await;
    for result in results {
        let Err(error @ HubError::Unauthorized { .. }) = &result else { panic!("{result:?}") };
        assert!(
            error
                .to_string()
                .contains("refuses the key of policy RootManageSharedAccessKey in EVENT_HUB_CONNECTION: "),
            "{error}"
        );
    }
    assert!(matches!(
        it.hub.limits(&crate::contract::hub::origin(), soon()).await,
        Err(HubError::Unauthorized { .. })
    ));
    assert_eq!(it.stats().await["refusedAttaches"], 4, "two for the sends, two for the limits");
}

#[tokio::test]
async fn a_link_that_loses_its_authority_gets_a_fresh_token() {
    let it = OnRig::start().await;
    it.fault(json!({"action": "detach", "skip": 2, "condition": "amqp:unauthorized-access"})).await;
    let batches = batches(6);
    let results = send_all(&it, &batches).await;
    assert_eq!(all_arrived(&it, &batches, &results).await, 0);
}

#[tokio::test]
async fn a_batch_for_which_the_hub_ends_the_link_as_too_large_fails_alone() {
    let it = OnRig::start().await;
    it.fault(json!({"action": "detach", "skip": 2, "condition": "amqp:link:message-size-exceeded"})).await;
    let mut batches = batches(6);
    batches[2] = crate::contract::hub::batch_of(&batches[2].origin.clone(), 600, 1, 5000);
    let mut results = send_all(&it, &batches).await;
    let (failed, _) = (results.remove(2), batches.remove(2));
    assert!(matches!(failed, Err(HubError::TooLarge { .. })), "{failed:?}");
    assert_eq!(all_arrived(&it, &batches, &results).await, 0);
}

#[tokio::test]
async fn a_server_that_says_nothing_costs_the_time_to_connect_and_no_more() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let address = HubAddress { host: "127.0.0.1".into(), port, tls: false, hub: "flow".into() };
    let (_, access) = Rig::start().await.hub_access();
    let options = HubOptions { connect_timeout: Duration::from_millis(100), ..quick() };
    let hub = EventHub::new(address, access, options);
    let error = hub.send(batch(0), within(1000)).await.unwrap_err();
    let HubError::Unreachable { reason, .. } = &error else { panic!("{error}") };
    assert!(reason.contains("100ms"), "{reason}");
    // More than one attempt was made, and each one ended with its socket.
    for _ in 0..2 {
        let (stream, _) = listener.accept().await.unwrap();
        let mut bytes = Vec::new();
        let mut stream = stream;
        tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut bytes).await.unwrap();
    }
}

/// Carries bytes between the producer and the stand-in; frozen, it keeps the sockets and moves nothing more,
/// as a network does that has lost its way. Connections made after that are carried again.
async fn freezer(port: u16) -> (u16, Arc<AtomicBool>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let own = listener.local_addr().unwrap().port();
    let freeze = Arc::new(AtomicBool::new(false));
    let shared = Arc::clone(&freeze);
    tokio::spawn(async move {
        loop {
            let (client, _) = listener.accept().await.unwrap();
            shared.store(false, Ordering::SeqCst);
            let server = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
            let frozen = Arc::new(AtomicBool::new(false));
            let (from_client, to_client) = client.into_split();
            let (from_server, to_server) = server.into_split();
            tokio::spawn(carry(from_client, to_server, Arc::clone(&shared), Arc::clone(&frozen)));
            tokio::spawn(carry(from_server, to_client, Arc::clone(&shared), frozen));
        }
    });
    (own, freeze)
}

async fn carry(
    mut from: tokio::net::tcp::OwnedReadHalf,
    mut to: tokio::net::tcp::OwnedWriteHalf,
    freeze: Arc<AtomicBool>,
    frozen: Arc<AtomicBool>,
) {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let mut buffer = vec![0; 65_536];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        if freeze.load(Ordering::SeqCst) {
            frozen.store(true, Ordering::SeqCst);
        }
        if frozen.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        if to.write_all(&buffer[..read]).await.is_err() {
            return;
        }
    }
}

#[tokio::test]
async fn a_network_that_goes_silent_is_left_for_a_new_connection() {
    let mut it = OnRig::start().await;
    let (mut address, access) = it.rig.hub_access();
    let (port, freeze) = freezer(address.port).await;
    address.port = port;
    it.hub = Arc::new(EventHub::new(
        address,
        access,
        HubOptions { stall_timeout: Duration::from_millis(300), ..quick() },
    ));
    it.hub.send(batch(0), soon()).await.unwrap();
    freeze.store(true, Ordering::SeqCst);
    // Far more than the sockets' buffers hold: the connection's task is stuck in a write, too.
    let origin = Arc::new(crate::contract::hub::origin());
    let batches: Vec<Batch> = (1..9)
        .map(|number| crate::contract::hub::batch_of(&origin, number * 1_000_000, 1, 1_000_000))
        .collect();
    let results = send_all(&it, &batches).await;
    assert!(results.iter().all(Result::is_ok), "{results:?}");
    assert_eq!(it.body_sizes().await.len(), 9);
}

#[tokio::test]
async fn a_quiet_connection_is_kept_alive_and_one_that_went_silent_is_noticed_before_the_next_send() {
    let mut it = OnRig::with(Rig::own(&[]).await, quick());
    let (mut address, access) = it.rig.hub_access();
    let (port, freeze) = freezer(address.port).await;
    address.port = port;
    // Only the idle timeout can help here: a stall would be noticed after the deadline.
    let options = HubOptions {
        idle_timeout: Duration::from_secs(2),
        stall_timeout: Duration::from_mins(10),
        ..quick()
    };
    it.hub = Arc::new(EventHub::new(address, access, options));
    it.hub.send(batch(0), soon()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(4500)).await;
    it.hub.send(batch(300), soon()).await.unwrap();
    assert_eq!(it.stats().await["attaches"], 1, "the service's empty frames keep it alive");
    freeze.store(true, Ordering::SeqCst);
    tokio::time::sleep(Duration::from_millis(4500)).await;
    it.hub.send(batch(600), soon()).await.unwrap();
    assert_eq!((it.received().await.len(), it.stats().await["attaches"].as_u64()), (3, Some(2)));
}

/// Numbers that look random and are the same in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

#[tokio::test]
async fn under_faults_of_every_kind_nothing_that_was_acknowledged_is_lost() {
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
        let results = send_all(&it, &batches).await;
        let repeats = all_arrived(&it, &batches, &results).await;
        let stats: Value = it.stats().await;
        assert!(repeats <= 16 * 6, "seed {seed}: {stats}");
    }
}
