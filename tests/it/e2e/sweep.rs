//! The sweep of the real process, without events.

use crate::support::http;
use crate::support::process::{Launch, Process};
use crate::support::records::records_of;
use crate::support::rig::Rig;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flowlog_forwarder::flow_log::FlowLogBlob;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

const TIMER: &[u8] = br#"{"Data":{"timer":{"Schedule":{"AdjustForDST":true},"ScheduleStatus":{"Last":"2026-11-22T09:00:00+00:00"},"IsPastDue":false}},"Metadata":{"sys":{"MethodName":"FlowLogSweep"}}}"#;

fn decoded(text: &Value) -> Vec<u8> {
    STANDARD.decode(text.as_str().unwrap()).unwrap()
}

/// A blob that the simulator made.
struct Made {
    /// Its id in the simulator.
    id: String,
    blob: FlowLogBlob,
}

/// Commits `commits` blocks of two records to a new blob of the hour `ago` before now.
async fn commit(rig: &Rig, mac: &str, ago: Duration, commits: u32, style: &str) -> Made {
    let hour = (OffsetDateTime::now_utc() - ago).format(&Rfc3339).unwrap();
    let made = rig.call("POST", "/watcher/blobs", Some(json!({"mac": mac, "hour": hour}))).await;
    for _ in 0..commits {
        let append = json!({"blob": made["blob"], "records": 2, "style": style, "separator": "crlf"});
        rig.call("POST", "/watcher/append", Some(append)).await;
    }
    let text = |name: &str| made[name].as_str().unwrap();
    let blob = FlowLogBlob::new(&rig.config().sources[0].blob_service, text("container"), text("name"));
    Made { id: text("blob").to_owned(), blob: blob.unwrap() }
}

/// Sweeps, and returns the line of the report.
async fn sweep(process: &Process) -> String {
    let answer = http::post_to("/FlowLogSweep", process.address, TIMER).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let [line] = <[String; 1]>::try_from(answer.logs()).unwrap();
    line
}

/// The records in the hub, by blob, in order of arrival.
async fn arrived(rig: &Rig) -> BTreeMap<String, Vec<String>> {
    let events = rig.call("GET", &format!("/hub/{}/events", rig.hub()), None).await;
    let mut arrived = BTreeMap::<String, Vec<String>>::new();
    for event in events.as_array().unwrap() {
        let source = event["applicationProperties"]["source"].as_str().unwrap().to_owned();
        arrived.entry(source).or_default().extend(records_of(&decoded(&event["body"])));
    }
    arrived
}

#[tokio::test]
async fn without_events_every_record_arrives_once_and_unchanged() {
    let rig = Rig::own(&["--storage-proxy", "--partitions", "1"]).await;
    let (now, half) = (Duration::ZERO, Duration::from_mins(30));
    let made = [
        commit(&rig, "6045BD000001", now, 5, "usual").await,
        commit(&rig, "6045BD000002", half, 3, "escapes").await,
        commit(&rig, "6045BD000003", now, 2, "spaced").await,
        commit(&rig, "6045BD000004", Duration::from_hours(30), 4, "usual").await,
    ];
    let process = Launch::with(rig.settings()).start().await;
    let line = sweep(&process).await;
    assert!(line.contains("of 1 flow log: 3 blobs, 3 behind, 3 caught up, 0 failed, 0 broken"), "{line}");
    assert!(line.contains("; 20 records forwarded in 3 messages; newest commit "), "{line}");
    assert!(line.ends_with("(0 min ago), oldest not forwarded: none"), "{line}");

    let (mut expected, mut hours) = (BTreeMap::new(), BTreeSet::new());
    for Made { id, blob } in &made[..3] {
        let records = rig.call("GET", &format!("/watcher/records?blob={id}"), None).await;
        let records = records.as_array().unwrap().iter();
        let records = records.map(|record| String::from_utf8(decoded(record)).unwrap());
        expected.insert(blob.url(), records.collect::<Vec<_>>());
        hours.insert(blob.hour());
    }
    assert!(arrived(&rig).await == expected, "records differ, or are older than the installation");

    rig.call("DELETE", "/storage/requests", None).await;
    let line = sweep(&process).await;
    assert!(line.contains("0 behind"), "{line}");
    assert!(arrived(&rig).await == expected, "a record came twice");
    let requests = rig.call("GET", "/storage/requests", None).await;
    let kinds: BTreeMap<&str, u64> = requests["byKind"]
        .as_object()
        .unwrap()
        .iter()
        .map(|(kind, counts)| (kind.as_str(), counts["requests"].as_u64().unwrap()))
        .collect();
    // Lists: three folders above the flow log, and its two hours. Queries: the sweep's own rows, one for each hour
    // with blobs, and one for old rows.
    let queries = 1 + hours.len() as u64 + 1;
    assert_eq!(kinds, [("list blobs", 3 + 2), ("table query", queries)].into());
    process.signal("TERM").await;
    let (status, _) = process.ended().await;
    assert_eq!(status, Some(0));
}

#[tokio::test]
async fn a_deleted_table_is_reported_and_the_second_copy_used() {
    let rig = Rig::own(&["--partitions", "1"]).await;
    let made = commit(&rig, "6045BD000001", Duration::from_mins(30), 3, "usual").await;
    let process = Launch::with(rig.settings()).start().await;
    let line = sweep(&process).await;
    assert!(line.contains("1 behind, 1 caught up"), "{line}");
    let (tables, sas) = (rig.endpoint("hostTable"), rig.endpoint("hostSas"));
    let delete = reqwest::Client::new().delete(format!("{tables}/Tables('flowlogcheckpoints'){sas}"));
    delete.header("accept", "application/json").send().await.unwrap().error_for_status().unwrap();
    let line = sweep(&process).await;
    assert!(line.contains("the checkpoint table lost its rows: going on from "), "{line}");
    let line = sweep(&process).await;
    assert!(line.contains("0 behind") && !line.contains("first failure"), "{line}");
    assert_eq!(arrived(&rig).await[&made.blob.url()].len(), 2 * 6, "records without a row are sent again");
}

#[tokio::test]
async fn a_sweep_without_storage_fails_and_the_next_one_succeeds() {
    let rig = Rig::own(&["--storage-proxy"]).await;
    commit(&rig, "6045BD000001", Duration::ZERO, 1, "usual").await;
    let process = Launch::with(rig.settings()).start().await;
    let fault = json!({"action": "status", "status": 403, "code": "AuthorizationFailure", "kind": "list blobs", "count": 99});
    rig.call("POST", "/storage/faults", Some(fault)).await;
    let answer = http::post_to("/FlowLogSweep", process.address, TIMER).await;
    assert_eq!(answer.status, 500);
    assert!(answer.logs()[0].contains("HTTP 403: AuthorizationFailure"), "{answer:?}");
    assert!(!answer.body.contains("sig="), "{answer:?}");
    rig.call("DELETE", "/storage/faults", None).await;
    let line = sweep(&process).await;
    assert!(line.contains("2 records forwarded"), "{line}");
}
