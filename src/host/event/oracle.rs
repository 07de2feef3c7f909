//! The envelope read the simple way, as a tree of values, to compare the stream with.

use super::*;
use crate::flow_log::LONGEST_URL;
use crate::fuzzing;
use proptest::prelude::*;
use serde_json::{Value, json};

/// The URLs of the commits in `value`, in order; none for an element that is no commit.
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

/// Values that may stand where text is expected.
fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        8 => ".{0,12}".prop_map(Value::from),
        1 => Just(Value::Null),
        1 => any::<i64>().prop_map(Value::from),
        1 => Just(json!([{"id": 1}])),
        1 => Just(json!({"": {"url": "x"}})),
    ]
}

/// A value, or text that holds it.
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

/// What a binding may hold: events, arrays and texts in one another.
fn element() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![5 => event(), 1 => scalar()];
    leaf.prop_recursive(4, 24, 4, |inner| {
        in_text(proptest::collection::vec(inner, 0..4).prop_map(Value::from))
    })
}

fn envelope() -> impl Strategy<Value = Value> {
    (element(), scalar()).prop_map(|(element, other)| json!({"Data": {"e": element}, "Metadata": other}))
}

proptest! {
    #[test]
    fn the_stream_finds_what_the_tree_holds(envelope in envelope()) {
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

    #[test]
    fn any_body_is_read_without_a_panic_and_keeps_little(
        envelope in envelope(), cut in any::<proptest::sample::Index>(), at in any::<proptest::sample::Index>(), byte: u8,
    ) {
        let body = envelope.to_string().into_bytes();
        fuzzing::envelope(&body[..cut.index(body.len())]);
        let mut altered = body;
        let at = at.index(altered.len());
        altered[at] = byte;
        fuzzing::envelope(&altered);
    }

    #[test]
    fn a_body_of_one_thing_repeated_keeps_little(
        unit in prop_oneof![
            Just(r#"{"":0}"#), Just("0"), Just("[]"), Just(r#""""#), Just(r#""\u0000""#), Just(r#"{"data":"{}"}"#),
            Just(r#"{"type":"Microsoft.Storage.BlobCreated","data":{"url":"x","eTag":"x"}}"#),
        ],
        count in 1usize..=MOST_EVENTS,
    ) {
        fuzzing::envelope(format!("{{\"Data\":{{\"e\":[{}]}}}}", vec![unit; count].join(",")).as_bytes());
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
fn events_are_counted_before_anything_behind_them_is_read() {
    let body = format!("{{\"Data\":{{\"e\":[{}no JSON", "0,".repeat(MOST_EVENTS + 1));
    assert_eq!(parse(body.as_bytes()), Err(NotAnEnvelope::TooMany));
    let in_text = json!({"Data": {"e": format!("[{}no JSON", "0,".repeat(MOST_EVENTS + 1))}});
    assert_eq!(parse(in_text.to_string().as_bytes()), Err(NotAnEnvelope::TooMany));
}

#[test]
fn deep_nesting_is_refused_with_the_reason_and_skipped_where_nobody_reads() {
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
