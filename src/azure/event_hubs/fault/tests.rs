//! Conditions and outcomes of the service.

use super::*;
use fe2o3_amqp::types::messaging::{Accepted, Modified, Rejected, Released};

const THROTTLED: &str = "The request was terminated because the entity is being throttled. \
    Error code : 50002. Please wait 4 seconds and try again. To know more visit https://aka.ms/x";

#[test]
fn a_throttling_answer_names_its_wait() {
    let busy = |text: &str| match Fault::of_condition("com.microsoft:server-busy", text) {
        Fault::Busy { wait, .. } => wait,
        other => panic!("{other:?}"),
    };
    assert_eq!(busy(THROTTLED), Some(Duration::from_secs(4)));
    assert_eq!(busy("Please wait 10 seconds and try again."), Some(Duration::from_secs(10)));
    assert_eq!(busy("Please wait 4000000000 seconds"), Some(Duration::from_mins(10)), "bounded");
    assert_eq!(busy(&format!("{} wait 7 seconds", "x".repeat(900))), Some(Duration::from_secs(7)));
    for text in ["", "wait", "wait a second", "wait -1 seconds", "wait 99999999999 seconds", "wait 5 apples"]
    {
        assert_eq!(busy(text), None, "{text}");
    }
}

#[test]
fn the_services_text_becomes_one_short_line() {
    for condition in
        ["amqp:internal-error", "amqp:unauthorized-access", "com.microsoft:server-busy", "odd\nERROR"]
    {
        let reason = Fault::of_condition(condition, &"long\r\nERROR forged ".repeat(999)).reason();
        assert!(reason.chars().count() < 700 && !reason.contains(['\r', '\n']), "{reason}");
    }
}

#[test]
fn only_accepted_is_success() {
    let modified = Modified { delivery_failed: None, undeliverable_here: None, message_annotations: None };
    assert_eq!(Fault::of_outcome(Outcome::Accepted(Accepted {})), Ok(()));
    assert!(matches!(Fault::of_outcome(Outcome::Released(Released {})), Err(Fault::Transient(_))));
    assert!(matches!(Fault::of_outcome(Outcome::Modified(modified)), Err(Fault::Transient(_))));
    let rejected = Outcome::Rejected(Rejected { error: None });
    assert!(matches!(Fault::of_outcome(rejected), Err(Fault::Refused { .. })));
}

#[test]
fn an_unknown_condition_is_a_refusal() {
    let refused = Fault::of_condition("com.microsoft:argument-out-of-range", "partition 7");
    let error = refused.error("ns/flow", 0, 0, Duration::ZERO);
    assert_eq!(
        error.to_string(),
        "event hub ns/flow refused the batch: com.microsoft:argument-out-of-range: partition 7"
    );
}
