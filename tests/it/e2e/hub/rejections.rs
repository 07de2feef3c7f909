//! Batches and links that the hub refuses.

use super::all_arrived;
use crate::support::hub::{OnRig, batch, batch_of, batches, origin, quick, soon};
use crate::support::rig::Rig;
use flowlog_forwarder::azure::event_hubs::HubOptions;
use flowlog_forwarder::ports::hub::{Hub as _, HubError};
use serde_json::json;
use std::time::{Duration, Instant};

#[tokio::test]
async fn a_transient_rejection_is_retried() {
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
        let results = it.send_all(batches.clone()).await;
        assert_eq!(all_arrived(&it, &batches, &results).await, 0, "{condition}");
        let stats = it.stats().await;
        assert_eq!((&stats["rejected"], &stats["attaches"]), (&json!(2), &json!(1)), "{condition}");
    }
}

#[tokio::test]
async fn released_and_modified_batches_are_sent_again() {
    for fault in [
        json!({"action": "release", "skip": 1, "count": 2}),
        json!({"action": "modify", "skip": 1, "count": 2}),
        json!({"action": "modify", "skip": 1, "count": 2, "deliveryFailed": false, "undeliverableHere": true}),
    ] {
        let it = OnRig::start().await;
        it.fault(fault.clone()).await;
        let batches = batches(6);
        let results = it.send_all(batches.clone()).await;
        assert_eq!(all_arrived(&it, &batches, &results).await, 0, "{fault}");
        assert_eq!(it.stats().await["transfers"], 8, "{fault}");
    }
}

#[tokio::test]
async fn a_lasting_rejection_fails_only_its_batch_at_once() {
    let it = OnRig::start().await;
    let condition = "com.microsoft:argument-out-of-range";
    it.fault(json!({"action": "reject", "skip": 1, "condition": condition, "description": "no"})).await;
    let results = it.send_all(batches(3)).await;
    assert!(results[0].is_ok() && results[2].is_ok());
    let Err(HubError::Refused { condition: told, description, .. }) = &results[1] else {
        panic!("{results:?}")
    };
    assert_eq!((told.as_str(), description.as_str()), (condition, "no"));
    assert_eq!(it.stats().await["transfers"], 3);
}

#[tokio::test]
async fn a_send_due_before_the_end_of_throttling_fails_at_once() {
    let it = OnRig::start().await;
    it.fault(json!({
        "action": "reject",
        "description": "The request was terminated because the entity is being throttled. Error code : 50002. \
            Please wait 600 seconds and try again.",
    }))
    .await;
    // The answer comes at once, though the deadline is minutes away.
    let patient = Instant::now() + Duration::from_mins(5);
    let error = it.hub.send(batch(0), patient).await.unwrap_err();
    let HubError::Busy { retry_after, reason, .. } = error else { panic!("{error}") };
    assert!(retry_after > Duration::from_secs(500) && reason.contains("50002"), "{retry_after:?} {reason}");
    let error = it.hub.send(batch(300), patient).await.unwrap_err();
    assert!(matches!(error, HubError::Busy { .. }), "{error}");
    assert_eq!(it.stats().await["transfers"], 1, "nothing is sent while the hub throttles");
}

#[tokio::test]
async fn a_throttling_hub_gets_no_batch_until_the_wait_is_over() {
    let it = OnRig::with(Rig::start().await, HubOptions { busy_wait: Duration::from_millis(600), ..quick() });
    it.fault(json!({"action": "reject"})).await;
    let first = Box::pin(it.hub.send(batch(0), soon()));
    let others = async {
        it.until("rejected", 1).await;
        tokio::time::sleep(Duration::from_millis(20)).await;
        let begun = Instant::now();
        (it.send_all(batches(4).split_off(1)).await, begun.elapsed())
    };
    let (first, (others, waited)) = tokio::join!(first, others);
    assert!(first.is_ok() && others.iter().all(Result::is_ok));
    // A lower bound, so a slow machine does not break it.
    assert!(waited > Duration::from_millis(300), "{waited:?}");
    assert_eq!(it.stats().await["transfers"], 5);
}

#[tokio::test]
async fn a_hub_that_does_not_exist_fails_all_waiting_sends_at_once() {
    let it = OnRig::start().await;
    it.fault(json!({"action": "refuse-attach", "count": 1, "condition": "amqp:not-found", "description": "no such hub"}))
        .await;
    let results = it.send_all(batches(5)).await;
    for result in results {
        let Err(HubError::Refused { condition, .. }) = &result else { panic!("{result:?}") };
        assert_eq!(condition, "amqp:not-found");
    }
    // The hub was created meanwhile.
    it.hub.send(batch(0), soon()).await.unwrap();
}

#[tokio::test]
async fn an_identity_without_the_role_fails_after_one_fresh_token() {
    let it = OnRig::start().await;
    let forever = json!({"action": "refuse-attach", "count": 1000, "condition": "amqp:unauthorized-access",
        "description": "Unauthorized access. 'Send' claim(s) are required to perform this operation."});
    it.fault(forever).await;
    let results = it.send_all(batches(20)).await;
    for result in results {
        let Err(error @ HubError::Unauthorized { .. }) = &result else { panic!("{result:?}") };
        assert!(
            error
                .to_string()
                .contains("refuses the key of policy RootManageSharedAccessKey in EVENT_HUB_CONNECTION: "),
            "{error}"
        );
    }
    assert!(matches!(it.hub.limits(&origin(), soon()).await, Err(HubError::Unauthorized { .. })));
    assert_eq!(it.stats().await["refusedAttaches"], 4, "two for the sends, two for the limits");
}

#[tokio::test]
async fn an_unauthorized_link_gets_a_fresh_token() {
    let it = OnRig::start().await;
    it.fault(json!({"action": "detach", "skip": 2, "condition": "amqp:unauthorized-access"})).await;
    let batches = batches(6);
    let results = it.send_all(batches.clone()).await;
    assert_eq!(all_arrived(&it, &batches, &results).await, 0);
}

#[tokio::test]
async fn only_the_batch_that_is_too_large_for_the_link_fails() {
    let it = OnRig::start().await;
    it.fault(json!({"action": "detach", "skip": 2, "condition": "amqp:link:message-size-exceeded"})).await;
    let mut batches = batches(6);
    batches[2] = batch_of(&batches[2].origin.clone(), 600, 1, 5000);
    let mut results = it.send_all(batches.clone()).await;
    let (failed, _) = (results.remove(2), batches.remove(2));
    assert!(matches!(failed, Err(HubError::TooLarge { .. })), "{failed:?}");
    assert_eq!(all_arrived(&it, &batches, &results).await, 0);
}
