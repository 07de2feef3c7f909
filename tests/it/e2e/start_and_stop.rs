//! How the binary starts and ends.

use crate::support::http;
use crate::support::process::{Answer, LOCAL, Launch};
use crate::support::scene::Scene;
use flowlog_forwarder::ports::checkpoints::CheckpointStore as _;
use serde_json::{Value, json};
use std::net::Ipv4Addr;
use std::process::Output;
use tokio::net::TcpListener;

fn stderr(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).unwrap()
}

#[tokio::test]
async fn wrong_settings_end_the_process_with_64_and_name_them_all() {
    let wrong = [
        ("MAX_MESSAGE_BYTES", "few"),
        ("FLOWLOG_SWEEP_SCHEDULE", "*/5 * * * *"),
        ("RUST_LOG", "verbose"),
        ("FLOWLOG_STORAGE_blobServiceUri", "https://contoso.blob.core.windows.net"),
    ];
    let output = Launch::with(wrong).output().await;
    assert_eq!(output.status.code(), Some(64));
    for name in [
        "FLOWLOG_STORAGE",
        "CHECKPOINT_STORAGE",
        "EVENT_HUB_CONNECTION",
        "EVENT_HUB_NAME",
        "MAX_MESSAGE_BYTES",
        "FLOWLOG_SWEEP_SCHEDULE",
        "RUST_LOG",
        "FLOWLOG_STORAGE_blobServiceUri is not the name of a setting: did you mean FLOWLOG_STORAGE__blobServiceUri?",
    ] {
        assert!(stderr(&output).contains(name), "{}", stderr(&output));
    }
}

#[tokio::test]
async fn a_port_in_use_ends_the_process_with_1_and_is_named() {
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let output = Launch::with(LOCAL).set("FUNCTIONS_CUSTOMHANDLER_PORT", &port).output().await;
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains(&port), "{}", stderr(&output));
}

#[tokio::test]
async fn a_signal_stops_it_with_0() {
    for signal in ["TERM", "INT"] {
        let process = Launch::with(LOCAL).start().await;
        assert_eq!(http::get(process.address, "/").await.status, 200);
        process.signal(signal).await;
        let (status, last) = process.ended().await;
        assert_eq!(status, Some(0), "after SIG{signal}");
        assert!(last.last().unwrap().contains("stopped"), "{last:?}");
    }
}

#[tokio::test]
async fn log_lines_carry_the_invocation_and_probes_leave_none() {
    let mut process = Launch::with(LOCAL).start().await;
    process.lines_until("listening").await;
    for _ in 0..3 {
        assert_eq!(http::get(process.address, "/").await.status, 200);
    }
    assert_eq!(http::post(process.address, b"garbage").await.status, 200);
    let line: Value = serde_json::from_str(&process.line().await).unwrap();
    assert_eq!(line["invocation"], "7f1c2f5e-0d2b-4b4e-9a58-7f4cd9b1a001", "{line}");
    assert_eq!(line["level"], "ERROR", "{line}");
    assert!(line["message"].as_str().unwrap().contains("expected the Functions host's"), "{line}");
    assert_eq!(http::get(process.address, "/").await.status, 200, "it goes on");
}

#[tokio::test]
async fn a_missing_schedule_of_the_sweep_is_a_warning() {
    let warned =
        |lines: &[String]| lines.iter().any(|line| line.contains("FLOWLOG_SWEEP_SCHEDULE is not set"));
    for (schedule, expected) in [(None, true), (Some("0 */5 * * * *"), false)] {
        let settings = LOCAL.into_iter().chain(schedule.map(|schedule| ("FLOWLOG_SWEEP_SCHEDULE", schedule)));
        let lines = Launch::with(settings).start().await.lines_until("listening").await;
        assert_eq!(warned(&lines), expected, "{lines:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_in_the_middle_of_a_run_saves_and_releases() {
    let scene = Scene::start().await;
    let first = scene.handler().await;
    let mut hour = scene.hour(1).await;
    let mut event = scene.commit(&mut hour, 100, 40).await;
    // More than three windows; the third never arrives.
    while event["data"]["contentLength"].as_u64().unwrap() < 16 << 20 {
        event = scene.commit(&mut hour, 1_000, 40).await;
    }
    scene.storage_fault(&hour, json!({"action": "hold", "kind": "blob read", "skip": 2})).await;
    let (answer, ()) = tokio::join!(first.deliver(&event), async {
        scene.until_held(&hour).await;
        scene.rig.until_hub("accepted", 1).await;
        first.signal("TERM").await;
    });
    let (status, log) = first.ended().await;
    assert_eq!((answer, status), (Answer::Failed, Some(0)), "{}", log.join("\n"));
    let (row, _) = scene.rig.table().load(&hour.blob.checkpoint_key()).await.unwrap().expect("a row");
    assert!(row.claim.is_none() && row.progress.offset > 0, "{row:?}");
    scene.release(&hour).await;

    let second = scene.handler().await;
    assert_eq!(second.deliver(&event).await, Answer::Done, "{}", second.last_lines());
    scene.assert_at_rest(&[&hour]).await;
    let verdict = scene.verdict(&[&hour]).await;
    assert!(verdict.is_kept() && verdict.repeated == 0, "{verdict:?}");
}
