//! A simple reader of envelopes, with a tree of values, to check the stream against.
#![allow(clippy::unwrap_used)]

use super::fields::{BLOB_CREATED, NO_CONTENT};
use super::*;
use crate::flow_log::LONGEST_URL;
use proptest::prelude::*;
use serde_json::{Value, json};

/// The URLs of the commits in `value`, in order; `None` for an element that is not a commit.
fn naive(value: &Value, texts: usize) -> Vec<Option<String>> {
    match value {
        Value::Array(elements) => elements.iter().flat_map(|element| naive(element, texts)).collect(),
        Value::String(text) if texts < 3 => match serde_json::from_str(text) {
            Ok(inner) => naive(&inner, texts + 1),
            Err(_) => vec![None],
        },
        Value::Object(_) => vec![naive_url(value)],
        _ => vec![None],
    }
}

fn naive_url(event: &Value) -> Option<String> {
    let is_text = |value: &Value| value.is_null() || value.is_string();
    let data = match &event["data"] {
        Value::String(text) => serde_json::from_str(text).unwrap_or_default(),
        data => data.clone(),
    };
    let texts = [&event["id"], &event["eventTime"], &data["api"], &data["url"], &data["eTag"]];
    let is_commit = texts.into_iter().all(is_text)
        && event["eventType"] == BLOB_CREATED
        && !data["api"].as_str().is_some_and(|api| NO_CONTENT.contains(&api));
    let url = data["url"].as_str().filter(|url| is_commit && !url.is_empty())?;
    Some(url.to_owned())
}

/// Values where a string is expected.
fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        8 => ".{0,12}".prop_map(Value::from),
        1 => Just(Value::Null),
        1 => any::<i64>().prop_map(Value::from),
        1 => Just(json!([{"id": 1}])),
        1 => Just(json!({"": {"url": "x"}})),
    ]
}

/// A value, or a string with it.
fn in_text(values: impl Strategy<Value = Value>) -> impl Strategy<Value = Value> {
    (values, 0usize..=4).prop_map(|(value, times)| {
        let texts = times.saturating_sub(1);
        (0..texts).fold(value, |value, _| Value::from(value.to_string()))
    })
}

fn event() -> impl Strategy<Value = Value> {
    let data = (scalar(), scalar(), scalar(), scalar(), scalar()).prop_map(|(url, api, etag, length, other)| {
        json!({"url": url, "api": api, "eTag": etag, "contentLength": length, "other": other})
    });
    let data = prop_oneof![6 => in_text(data), 1 => scalar()];
    let kind = prop_oneof![9 => Just(Value::from(BLOB_CREATED)), 1 => scalar()];
    (scalar(), kind, data, scalar(), scalar()).prop_map(|(id, kind, data, time, other)| {
        json!({"id": id, "eventType": kind, "data": data, "eventTime": time, "subject": other})
    })
}

/// The value of a binding: nested events, arrays and strings.
fn element() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![5 => event(), 1 => scalar()];
    leaf.prop_recursive(4, 24, 4, |inner| {
        in_text(proptest::collection::vec(inner, 0..4).prop_map(Value::from))
    })
}

/// A body as the host posts it.
pub(crate) fn envelope() -> impl Strategy<Value = Value> {
    (element(), scalar()).prop_map(|(element, other)| json!({"Data": {"e": element}, "Metadata": other}))
}

proptest! {
    #[test]
    fn the_stream_finds_the_events_of_the_tree(envelope in envelope()) {
        let urls: Vec<Option<String>> = parse(envelope.to_string().as_bytes())
            .unwrap()
            .into_iter()
            .map(|event| match event {
                Event::Commit(commit) => Some(commit.url),
                Event::Ignored(_) => None,
            })
            .collect();
        prop_assert_eq!(urls, naive(&envelope["Data"]["e"], 0));
    }
}

#[test]
fn long_members_are_not_kept() {
    let event = |url: usize, etag: usize, id: usize| {
        let data = json!({"url": "u".repeat(url), "eTag": "e".repeat(etag), "api": "a".repeat(id)});
        let event = json!({"id": "i".repeat(id), "eventType": BLOB_CREATED, "data": data});
        parse(json!({"Data": {"e": event}}).to_string().as_bytes()).unwrap().remove(0)
    };
    let Event::Commit(commit) = event(LONGEST_URL, LONGEST_ETAG, 9_000) else { panic!() };
    assert_eq!(
        (commit.url.len(), commit.etag.unwrap().len(), commit.id.len()),
        (LONGEST_URL, LONGEST_ETAG, 256)
    );
    assert_eq!(event(LONGEST_URL + 1, 1, 1), Event::Ignored(Ignored::LongUrl));
    let Event::Commit(commit) = event(1, LONGEST_ETAG + 1, 1) else { panic!() };
    assert_eq!(commit.etag, None);
}

#[test]
fn too_many_events_are_rejected_before_the_rest_is_read() {
    let body = format!("{{\"Data\":{{\"e\":[{}no JSON", "0,".repeat(MAX_EVENTS + 1));
    assert_eq!(parse(body.as_bytes()), Err(NotAnEnvelope::TooMany));
    let in_text = json!({"Data": {"e": format!("[{}no JSON", "0,".repeat(MAX_EVENTS + 1))}});
    assert_eq!(parse(in_text.to_string().as_bytes()), Err(NotAnEnvelope::TooMany));
}

#[test]
fn deep_nesting_is_rejected_in_events_and_skipped_elsewhere() {
    for (depth, expected) in
        [(16, Ok(vec![])), (17, Err(NotAnEnvelope::TooDeep)), (500_000, Err(NotAnEnvelope::TooDeep))]
    {
        let lists = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert_eq!(parse(format!("{{\"Data\":{{\"e\":{lists}}}}}").as_bytes()), expected, "{depth}");
        let beside = format!(
            "{{\"Data\":{{\"e\":{{\"id\":\"i\",\"subject\":{lists},\"data\":{{\"x\":{lists}}}}}}},\"Metadata\":{lists}}}"
        );
        assert_eq!(
            parse(beside.as_bytes()),
            Ok(vec![Event::Ignored(Ignored::OtherType(String::new()))]),
            "{depth}"
        );
    }
}
