//! The binary itself: how it begins, and how it ends.

use crate::http;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Output, Stdio};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};

const LOCAL: [(&str, &str); 4] = [
    ("AzureWebJobsStorage", "UseDevelopmentStorage=true"),
    ("FLOWLOG_STORAGE", "UseDevelopmentStorage=true"),
    (
        "EVENT_HUB_CONNECTION",
        "Endpoint=sb://localhost;SharedAccessKeyName=n;SharedAccessKey=hidden;UseDevelopmentEmulator=true;",
    ),
    ("EVENT_HUB_NAME", "eh1"),
];

fn binary() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_flowlog-forwarder"));
    command.env_clear().stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command
}

fn stderr(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).unwrap()
}

/// A port that was free a moment ago.
async fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap().local_addr().unwrap().port()
}

/// Starts the binary and waits until it says that it listens.
async fn start() -> (Child, SocketAddr) {
    let port = free_port().await;
    let mut child =
        binary().envs(LOCAL).env("FUNCTIONS_CUSTOMHANDLER_PORT", port.to_string()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    while let Some(line) = lines.next_line().await.unwrap() {
        let json: serde_json::Value = serde_json::from_str(&line).expect("under the host, lines are JSON");
        if json["message"] == "listening" {
            // Keep reading: a full pipe would stop the process.
            tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
            return (child, SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
        }
    }
    panic!("it ended without listening: {:?}", child.wait_with_output().await)
}

#[tokio::test]
async fn wrong_settings_end_the_process_with_64_and_are_all_named() {
    let output = binary().env("MAX_MESSAGE_BYTES", "few").output().await.unwrap();
    assert_eq!(output.status.code(), Some(64));
    for name in [
        "FLOWLOG_STORAGE",
        "CHECKPOINT_STORAGE",
        "EVENT_HUB_CONNECTION",
        "EVENT_HUB_NAME",
        "MAX_MESSAGE_BYTES",
    ] {
        assert!(stderr(&output).contains(name), "{}", stderr(&output));
    }
}

#[tokio::test]
async fn a_taken_port_ends_the_process_with_1_and_is_named() {
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let output = binary().envs(LOCAL).env("FUNCTIONS_CUSTOMHANDLER_PORT", &port).output().await.unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains(&port), "{}", stderr(&output));
}

#[tokio::test]
async fn a_signal_stops_it_with_0_after_it_has_answered_the_probe() {
    for name in ["TERM", "INT"] {
        let (mut child, address) = start().await;
        assert_eq!(http::get(address, "/").await.status, 200);
        let pid = child.id().unwrap().to_string();
        let sent = Command::new("kill").args(["-s", name, &pid]).status().await.unwrap();
        assert!(sent.success());
        assert_eq!(child.wait().await.unwrap().code(), Some(0), "after SIG{name}");
    }
}

#[tokio::test]
async fn an_event_that_is_not_understood_ends_nothing() {
    let (mut child, address) = start().await;
    assert_eq!(http::post(address, b"garbage").await.status, 200);
    assert_eq!(http::get(address, "/").await.status, 200);
    child.kill().await.unwrap();
}
