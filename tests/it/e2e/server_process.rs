//! The binary itself: how it begins, and how it ends.

use crate::support::http;
use serde_json::Value;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Output, Stdio};
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::net::TcpListener;
use tokio::process::{Child, ChildStdout, Command};

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

/// The binary at work, and what it says.
pub(crate) struct Running {
    child: Child,
    pub(crate) address: SocketAddr,
    log: Lines<BufReader<ChildStdout>>,
}

impl Running {
    /// Starts the binary and waits until it says that it listens.
    pub(crate) async fn start() -> Self {
        Self::with(LOCAL.map(|(name, value)| (name, value.to_owned()))).await
    }

    /// The same with these settings.
    pub(crate) async fn with(settings: impl IntoIterator<Item = (&'static str, String)>) -> Self {
        let port = free_port().await;
        let mut command = binary();
        command.envs(settings).env("FUNCTIONS_CUSTOMHANDLER_PORT", port.to_string());
        let mut child = command.spawn().unwrap();
        let log = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut running = Self { child, address: SocketAddr::from((Ipv4Addr::LOCALHOST, port)), log };
        while running.line().await["message"] != "listening" {}
        running
    }

    /// The next line of its log.
    pub(crate) async fn line(&mut self) -> Value {
        let line = self.log.next_line().await.unwrap().expect("it ended without another line");
        serde_json::from_str(&line).expect("under the host, lines are JSON")
    }

    /// The most memory that it ever had, bytes.
    pub(crate) fn peak_memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id().unwrap())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
    }

    /// Sends it a signal, and waits for its status and its last lines.
    pub(crate) async fn stop(mut self, signal: &str) -> (Option<i32>, Vec<String>) {
        let pid = self.child.id().unwrap().to_string();
        assert!(Command::new("kill").args(["-s", signal, &pid]).status().await.unwrap().success());
        let mut last = Vec::new();
        while let Some(line) = self.log.next_line().await.unwrap() {
            last.push(line);
        }
        (self.child.wait().await.unwrap().code(), last)
    }
}

#[tokio::test]
async fn wrong_settings_end_the_process_with_64_and_are_all_named() {
    let wrong = [
        ("MAX_MESSAGE_BYTES", "few"),
        ("FLOWLOG_SWEEP_SCHEDULE", "*/5 * * * *"),
        ("RUST_LOG", "verbose"),
        ("FLOWLOG_STORAGE_blobServiceUri", "https://contoso.blob.core.windows.net"),
    ];
    let output = binary().envs(wrong).output().await.unwrap();
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
async fn a_taken_port_ends_the_process_with_1_and_is_named() {
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let output = binary().envs(LOCAL).env("FUNCTIONS_CUSTOMHANDLER_PORT", &port).output().await.unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains(&port), "{}", stderr(&output));
}

#[tokio::test]
async fn a_signal_stops_it_with_0() {
    for signal in ["TERM", "INT"] {
        let running = Running::start().await;
        assert_eq!(http::get(running.address, "/").await.status, 200);
        let (status, last) = running.stop(signal).await;
        assert_eq!(status, Some(0), "after SIG{signal}");
        assert!(last.last().unwrap().contains("stopped"), "{last:?}");
    }
}

#[tokio::test]
async fn lines_about_an_invocation_carry_its_id_and_the_probe_leaves_none() {
    let mut running = Running::start().await;
    for _ in 0..3 {
        assert_eq!(http::get(running.address, "/").await.status, 200);
    }
    assert_eq!(http::post(running.address, b"garbage").await.status, 200);
    let line = running.line().await;
    assert_eq!(line["invocation"], "7f1c2f5e-0d2b-4b4e-9a58-7f4cd9b1a001", "{line}");
    assert_eq!(line["level"], "ERROR", "{line}");
    assert!(line["message"].as_str().unwrap().contains("expected the Functions host's"), "{line}");
    assert_eq!(http::get(running.address, "/").await.status, 200, "it goes on");
}

#[tokio::test]
async fn a_host_without_a_schedule_for_the_sweep_is_warned_of_in_the_log() {
    let warned =
        |lines: &[String]| lines.iter().any(|line| line.contains("FLOWLOG_SWEEP_SCHEDULE is not set"));
    for (schedule, expected) in [(None, true), (Some("0 */5 * * * *"), false)] {
        let port = free_port().await.to_string();
        let mut command = binary();
        command.envs(LOCAL).env("FUNCTIONS_CUSTOMHANDLER_PORT", port).stderr(Stdio::inherit());
        command.envs(schedule.map(|schedule| ("FLOWLOG_SWEEP_SCHEDULE", schedule)));
        let mut child = command.spawn().unwrap();
        let mut log = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut lines = Vec::new();
        while lines.last().is_none_or(|line: &String| !line.contains("listening")) {
            lines.push(log.next_line().await.unwrap().expect("it listens"));
        }
        assert_eq!(warned(&lines), expected, "{lines:?}");
    }
}
