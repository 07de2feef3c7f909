#![allow(clippy::unwrap_used)]

use super::*;
use proptest::prelude::*;
use std::path::Path;

const NAME: &str = "flowLogResourceID=/AAAA0A0A-BB1B-CC2C-DD3D-EEEEEE4E4E4E_NETWORKWATCHERRG/NETWORKWATCHER_EASTUS2EUAP_VNETFLOWLOG/y=2026/m=05/d=09/h=13/m=00/macAddress=112233445566/PT1H.json";

fn fixture(name: &str) -> Result<Vec<Event>, NotAnEnvelope> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/events");
    parse(&std::fs::read(folder.join(name).with_extension("json")).unwrap())
}

fn commits(name: &str) -> Vec<Commit> {
    let commit = |event| match event {
        Event::Commit(commit) => commit,
        Event::Ignored(reason) => panic!("{name}: {reason}"),
    };
    fixture(name).unwrap().into_iter().map(commit).collect()
}

fn ignored(name: &str) -> Ignored {
    match fixture(name).unwrap().as_slice() {
        [Event::Ignored(reason)] => reason.clone(),
        other => panic!("{name}: {other:?}"),
    }
}

fn expected() -> Commit {
    Commit {
        id: "831e1650-001e-001b-66ab-eeb76e069631".to_owned(),
        url: format!("https://contoso.blob.core.windows.net/insights-logs-flowlogflowevent/{NAME}"),
        etag: Some("0x8DEAF1B2C3D4E5F".to_owned()),
        length: Some(5242),
        api: Some("PutBlockList".to_owned()),
        time: fields::time("2026-05-09T13:07:02.5625085Z"),
    }
}

#[test]
fn one_event_is_read_the_same_in_every_form() {
    for name in [
        "event_grid_object",
        "event_grid_object_in_text",
        "event_grid_object_in_text_twice",
        "event_grid_data_in_text",
        "cloud_event_object",
        "another_binding_name",
        "quoted_etag",
        "length_as_text",
    ] {
        assert_eq!(commits(name), [expected()], "{name}");
    }
    assert!(expected().time.is_some());
}

#[test]
fn several_events_are_read_in_order_in_every_form() {
    for name in [
        "event_grid_array",
        "event_grid_array_in_text",
        "event_grid_array_of_texts",
        "cloud_event_array_in_text",
    ] {
        let commits = commits(name);
        let ids: Vec<_> = commits.iter().map(|commit| &commit.id[..8]).collect();
        assert_eq!(ids, ["11111111", "22222222"], "{name}");
        assert!(commits[1].url.contains("macAddress=AABBCCDDEEFF"), "{name}");
    }
    assert_eq!(commits("event_grid_array")[1].etag.as_deref(), Some("0x8DEAF1B2C3D4E60"));
}

#[test]
fn urls_are_kept_unchanged() {
    assert!(commits("percent_encoded_url")[0].url.contains("flowLogResourceID%3D/"));
    assert!(commits("flush_with_close")[0].url.starts_with("https://contoso.dfs.core.windows.net/"));
}

#[test]
fn a_type_and_a_url_are_enough() {
    let commit = commits("bare_minimum").remove(0);
    let empty = Commit { id: String::new(), etag: None, length: None, api: None, time: None, ..expected() };
    assert_eq!(commit, empty);
}

#[test]
fn events_without_content_are_ignored_with_the_reason() {
    assert_eq!(ignored("blob_deleted"), Ignored::OtherType("Microsoft.Storage.BlobDeleted".to_owned()));
    let validation = "Microsoft.EventGrid.SubscriptionValidationEvent".to_owned();
    assert_eq!(ignored("subscription_validation"), Ignored::OtherType(validation));
    assert_eq!(ignored("create_file_without_content"), Ignored::NoContent("CreateFile".to_owned()));
    assert_eq!(ignored("without_url"), Ignored::NoUrl);
    assert_eq!(fixture("no_events"), Ok(vec![]));
}

#[test]
fn one_invalid_event_does_not_affect_the_others() {
    let events = fixture("mixed_batch").unwrap();
    let kinds: Vec<_> = events.iter().map(|event| matches!(event, Event::Commit(_))).collect();
    assert_eq!(kinds, [true, false, false, false, true]);
    assert!(matches!(&events[2], Event::Ignored(Ignored::NotAnEvent(_))));
}

#[test]
fn the_error_for_another_shape_shows_the_expected_one() {
    for body in ["", "{", "\u{0}", "[1,2", "{\"Data\":"] {
        let error = parse(body.as_bytes()).unwrap_err();
        assert!(matches!(error, NotAnEnvelope::NotJson(_)), "{body}: {error}");
        assert!(error.to_string().contains("expected the Functions host's"), "{error}");
    }
    for body in
        ["{}", "[]", "null", "7", "{\"Data\":{}}", "{\"Data\":[]}", "{\"Data\":null}", "{\"data\":{\"x\":1}}"]
    {
        assert_eq!(parse(body.as_bytes()), Err(NotAnEnvelope::NoData), "{body}");
    }
    assert_eq!(fixture("without_data"), Err(NotAnEnvelope::NoData));
    assert_eq!(fixture("event_without_envelope"), Err(NotAnEnvelope::NoData));
}

#[test]
fn each_value_that_is_not_an_event_is_reported() {
    for value in
        ["null", "7", "true", "\"\"", "\"\\\"\\\"\"", "\"x\"", "{\"id\":[]}", "{\"type\":{},\"data\":1}"]
    {
        let events = parse(format!("{{\"Data\":{{\"e\":{value}}}}}").as_bytes()).unwrap();
        assert!(matches!(&events[..], [Event::Ignored(Ignored::NotAnEvent(_))]), "{value}: {events:?}");
    }
}

#[test]
fn deliveries_beyond_event_grids_limit_are_rejected() {
    let body = |count: usize| format!("{{\"Data\":{{\"e\":[{}1]}}}}", "1,".repeat(count - 1));
    assert_eq!(parse(body(MAX_EVENTS).as_bytes()).unwrap().len(), MAX_EVENTS);
    assert_eq!(parse(body(MAX_EVENTS + 1).as_bytes()), Err(NotAnEnvelope::TooMany));
}

#[test]
fn untrusted_texts_are_shortened_to_one_line() {
    let event = format!("{{\"type\":\"{}\\n\"}}", "x\\n".repeat(1000));
    let events = parse(format!("{{\"Data\":{{\"e\":{event}}}}}").as_bytes()).unwrap();
    let [Event::Ignored(reason)] = &events[..] else { panic!("{events:?}") };
    let reason = reason.to_string();
    assert!(reason.len() < 400 && !reason.contains('\n'), "{reason}");
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in any::<Vec<u8>>(), text in any::<String>()) {
        let _ = parse(&bytes);
        let text = serde_json::Value::String(text);
        let _ = parse(format!("{{\"Data\":{{\"e\":{text}}}}}").as_bytes());
        let _ = parse(format!("{{\"Data\":{{\"e\":{{\"type\":\"Microsoft.Storage.BlobCreated\",\"data\":{text}}}}}}}").as_bytes());
    }
}
