//! The release binary under a limit of its address space.

use std::collections::VecDeque;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};

/// Address space of the smallest instance on the Flex Consumption plan, KiB.
const ADDRESS_SPACE: u32 = 512 << 10;
/// How many of its last lines are kept.
const LINES: usize = 4;

/// One process of the release binary.
pub(super) struct Limited {
    child: Child,
    pub(super) url: String,
    log: Arc<Mutex<VecDeque<String>>>,
}

impl Limited {
    /// Starts it with these settings and none of the machine's, and waits until it answers.
    pub(super) async fn start(binary: &Path, settings: &[(&'static str, String)]) -> Self {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap().local_addr().unwrap().port();
        let mut child = Command::new("/bin/sh")
            .args(["-c", &format!("ulimit -v {ADDRESS_SPACE} && exec \"$0\"")])
            .arg(binary)
            .env_clear()
            .envs(settings.iter().map(|(name, value)| (name, value)))
            .env("FUNCTIONS_CUSTOMHANDLER_PORT", port.to_string())
            .env("RUST_LOG", "warn")
            .env("LOG_FORMAT", "text")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let log = Arc::new(Mutex::new(VecDeque::new()));
        keep(child.stdout.take().unwrap(), &log);
        keep(child.stderr.take().unwrap(), &log);
        let mut process = Self { child, url: format!("http://127.0.0.1:{port}"), log };
        let http = reqwest::Client::new();
        while http.get(&process.url).send().await.is_err() {
            assert!(process.end().is_none(), "the release binary ended:\n{}", process.last_lines());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        process
    }

    /// How it ended, if it has.
    pub(super) fn end(&mut self) -> Option<String> {
        self.child.try_wait().unwrap().map(|status| status.to_string())
    }

    /// The most memory that it ever had, bytes; unknown when it has ended.
    pub(super) fn peak(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()?)).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
        Some(line.trim().trim_end_matches(" kB").parse::<u64>().ok()? << 10)
    }

    /// The last lines of its log.
    pub(super) fn last_lines(&self) -> String {
        let log = self.log.lock().unwrap();
        log.iter().map(|line| line.chars().take(300).collect::<String>()).collect::<Vec<_>>().join("\n")
    }
}

fn keep(stream: impl AsyncRead + Unpin + Send + 'static, log: &Arc<Mutex<VecDeque<String>>>) {
    let (mut lines, log) = (BufReader::new(stream).lines(), Arc::clone(log));
    tokio::spawn(async move {
        while let Ok(Some(line)) = lines.next_line().await {
            let mut log = log.lock().unwrap();
            log.push_back(line);
            if log.len() > LINES {
                log.pop_front();
            }
        }
    });
}

/// The release binary, or another build of it when the environment names one.
#[expect(clippy::disallowed_methods, reason = "a setting of the tests, not of the program")]
pub(super) fn release_binary() -> PathBuf {
    if let Ok(named) = std::env::var("FLOWLOG_FORWARDER_BIN") {
        return named.into();
    }
    let built = Path::new(env!("CARGO_BIN_EXE_flowlog-forwarder"));
    let release = built.parent().unwrap().with_file_name("release").join(built.file_name().unwrap());
    let how = "run `cargo build --release --locked` first, or `make test`, which does";
    let Ok(built) = std::fs::metadata(&release) else { panic!("{} is missing: {how}", release.display()) };
    let newest = newest(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
    assert!(built.modified().unwrap() >= newest, "{} is older than src/: {how}", release.display());
    release
}

/// When a file in `folder` was changed last.
fn newest(folder: &Path) -> SystemTime {
    let entries = std::fs::read_dir(folder).unwrap().map(Result::unwrap);
    let times = entries.map(|entry| {
        let metadata = entry.metadata().unwrap();
        if metadata.is_dir() { newest(&entry.path()) } else { metadata.modified().unwrap() }
    });
    times.max().unwrap_or(SystemTime::UNIX_EPOCH)
}
