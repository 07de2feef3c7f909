//! Processes of the real binary.

use serde_json::{Value, json};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// How long Event Grid waits for an answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// How many lines of its log a failed test shows, and how many characters of each.
const LINES: usize = 20;
const CHARACTERS: usize = 300;

/// Settings that let the binary start, though it can reach nothing.
pub const LOCAL: [(&str, &str); 4] = [
    ("AzureWebJobsStorage", "UseDevelopmentStorage=true"),
    ("FLOWLOG_STORAGE", "UseDevelopmentStorage=true"),
    (
        "EVENT_HUB_CONNECTION",
        "Endpoint=sb://localhost;SharedAccessKeyName=n;SharedAccessKey=hidden;UseDevelopmentEmulator=true;",
    ),
    ("EVENT_HUB_NAME", "eh1"),
];

/// How to start the binary: with these settings only, and no other environment.
pub struct Launch {
    binary: PathBuf,
    settings: Vec<(String, String)>,
    /// The limit of its address space, KiB.
    address_space: Option<u32>,
}

impl Launch {
    pub fn with<N: Into<String>, V: Into<String>>(settings: impl IntoIterator<Item = (N, V)>) -> Self {
        let binary = other_build().unwrap_or_else(|| env!("CARGO_BIN_EXE_flowlog-forwarder").into());
        let settings = settings.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        Self { binary, settings, address_space: None }
    }

    /// With one more setting.
    pub fn set(mut self, name: &str, value: &str) -> Self {
        self.settings.push((name.to_owned(), value.to_owned()));
        self
    }

    /// With another binary, in an address space of this many KiB.
    pub fn limited(self, binary: &Path, address_space: u32) -> Self {
        Self { binary: binary.to_owned(), address_space: Some(address_space), ..self }
    }

    fn command(&self) -> Command {
        let mut command = match self.address_space {
            None => Command::new(&self.binary),
            Some(limit) => {
                let mut shell = Command::new("/bin/sh");
                shell.args(["-c", &format!("ulimit -v {limit} && exec \"$0\"")]).arg(&self.binary);
                shell
            }
        };
        command.env_clear().envs(self.settings.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        command
    }

    /// Runs the binary to its end.
    pub async fn output(self) -> Output {
        self.command().output().await.unwrap()
    }

    /// Starts the binary on a free port and waits until it answers.
    pub async fn start(self) -> Process {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        let mut command = self.command();
        let mut child =
            command.env("FUNCTIONS_CUSTOMHANDLER_PORT", address.port().to_string()).spawn().unwrap();
        let log = Log::default();
        let readers = vec![log.keep(child.stdout.take().unwrap()), log.keep(child.stderr.take().unwrap())];
        let http = reqwest::Client::builder().timeout(PATIENCE).build().unwrap();
        let mut process = Process { child, address, http, log, read: 0, readers };
        while process.http.get(process.url()).send().await.is_err() {
            assert!(process.end().is_none(), "the binary ended:\n{}", process.last_lines());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        process
    }
}

/// The lines that a process wrote.
#[derive(Clone, Default)]
struct Log {
    lines: Arc<Mutex<Vec<String>>>,
    count: watch::Sender<usize>,
}

impl Log {
    /// Keeps the lines of `stream`.
    fn keep(&self, stream: impl AsyncRead + Unpin + Send + 'static) -> JoinHandle<()> {
        let (mut lines, log) = (BufReader::new(stream).lines(), self.clone());
        tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                log.lines.lock().unwrap().push(line);
                log.count.send_modify(|count| *count += 1);
            }
        })
    }
}

/// The result of one delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Success: Event Grid does not deliver again.
    Done,
    /// Failure: Event Grid delivers again.
    Failed,
    /// No answer: the process has ended.
    Gone,
    /// No answer in time.
    Silent,
}

/// One process of the binary.
pub struct Process {
    child: Child,
    pub address: SocketAddr,
    http: reqwest::Client,
    log: Log,
    /// How many lines of its log [`Process::line`] has returned.
    read: usize,
    readers: Vec<JoinHandle<()>>,
}

impl Process {
    /// Its root, without a slash at the end.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Delivers an event, as the host does.
    pub async fn deliver(&self, event: &Value) -> Answer {
        let envelope = json!({"Data": {"eventGridEvent": event}, "Metadata": {}}).to_string();
        let url = format!("{}/FlowLogBlobCreated", self.url());
        let request = self.http.post(url).header("content-type", "application/json").body(envelope);
        match request.send().await {
            Ok(answer) if answer.status().is_success() => Answer::Done,
            Ok(_) => Answer::Failed,
            Err(error) if error.is_timeout() => Answer::Silent,
            Err(_) => Answer::Gone,
        }
    }

    /// Kills it, as a crash would.
    pub async fn kill(&mut self) {
        self.child.kill().await.unwrap();
    }

    /// Sends it a signal.
    pub async fn signal(&self, name: &str) {
        let pid = self.child.id().unwrap().to_string();
        assert!(Command::new("kill").args(["-s", name, &pid]).status().await.unwrap().success());
    }

    /// Its status and all lines of its log, once it has ended.
    pub async fn ended(mut self) -> (Option<i32>, Vec<String>) {
        let status = self.child.wait().await.unwrap().code();
        for reader in self.readers {
            reader.await.unwrap();
        }
        (status, std::mem::take(&mut self.log.lines.lock().unwrap()))
    }

    /// How it ended, if it has.
    pub fn end(&mut self) -> Option<String> {
        self.child.try_wait().unwrap().map(|status| status.to_string())
    }

    /// The most memory that it ever had, bytes; none when it has ended.
    pub fn peak_memory(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()?)).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
        Some(line.trim().trim_end_matches(" kB").parse::<u64>().ok()? << 10)
    }

    /// The next line of its log.
    pub async fn line(&mut self) -> String {
        let mut count = self.log.count.subscribe();
        let next = count.wait_for(|count| *count > self.read);
        tokio::time::timeout(PATIENCE, next).await.expect("another line of the log").unwrap();
        self.read += 1;
        self.log.lines.lock().unwrap()[self.read - 1].clone()
    }

    /// The lines of its log up to the next one that contains `text`.
    pub async fn lines_until(&mut self, text: &str) -> Vec<String> {
        let mut lines = Vec::new();
        while lines.last().is_none_or(|line: &String| !line.contains(text)) {
            lines.push(self.line().await);
        }
        lines
    }

    /// The records and messages that its log says were forwarded.
    pub fn forwarded(&self) -> (u64, u64) {
        let log = self.log.lines.lock().unwrap();
        let counts = log.iter().filter_map(|line| {
            let (records, rest) = line.split_once("forwarded: ")?.1.split_once(" records in ")?;
            let (messages, _) = rest.split_once(" messages ")?;
            Some((records.parse::<u64>().ok()?, messages.parse::<u64>().ok()?))
        });
        counts.fold((0, 0), |sum, counts| (sum.0 + counts.0, sum.1 + counts.1))
    }

    /// The last lines of its log.
    pub fn last_lines(&self) -> String {
        let log = self.log.lines.lock().unwrap();
        let last = log[log.len().saturating_sub(LINES)..].iter();
        last.map(|line| line.chars().take(CHARACTERS).collect::<String>()).collect::<Vec<_>>().join("\n")
    }
}

/// The build of the binary that the environment names.
#[expect(clippy::disallowed_methods, reason = "a setting of the tests, not of the program")]
fn other_build() -> Option<PathBuf> {
    std::env::var("FLOWLOG_FORWARDER_BIN").ok().map(PathBuf::from)
}

/// The release binary, which must be newer than its sources.
pub fn release_binary() -> PathBuf {
    if let Some(other) = other_build() {
        return other;
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
