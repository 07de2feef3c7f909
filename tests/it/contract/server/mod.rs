//! The contract with the Functions host, over a real socket, with functions that only record their calls.

mod invocations;
mod requests;
mod stopping;

use flowlog_forwarder::host::event::Commit;
use flowlog_forwarder::host::{self, Functions, Handled, Stopped, SweepLine};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, Semaphore, oneshot};
use tokio::task::JoinHandle;

/// Longer than any test takes.
const LONG: Duration = Duration::from_mins(10);

/// Records commits, and does what a word in their URL says.
struct Recorder {
    seen: Mutex<Vec<Commit>>,
    /// One permit for each commit or sweep that has begun.
    begun: Semaphore,
    /// Releases sweeps, and commits with `wait` in their URL.
    go: Notify,
    /// The result of a sweep; without one it panics.
    sweep: Option<Result<SweepLine, String>>,
    /// How often it was asked to stop.
    stopped: AtomicU32,
}

impl Functions for Recorder {
    async fn handle(&self, commit: Commit) -> Handled {
        let url = commit.url.clone();
        self.seen.lock().unwrap().push(commit);
        self.begun.add_permits(1);
        if url.contains("wait") {
            self.go.notified().await;
        }
        match () {
            () if url.contains("panic") => panic!("as asked"),
            () if url.contains("fail") => Handled::Failed("the hub is down".to_owned()),
            () if url.contains("contoso") => Handled::Forwarded("3 records".to_owned()),
            () => Handled::Nothing("not ours".to_owned()),
        }
    }

    async fn sweep(&self) -> Result<SweepLine, String> {
        self.begun.add_permits(1);
        self.go.notified().await;
        self.sweep.clone().expect("as asked")
    }

    fn metrics(&self) -> String {
        "flowlog_records_total 7\n".to_owned()
    }

    fn stop(&self) {
        self.stopped.fetch_add(1, Ordering::Relaxed);
    }
}

struct Server {
    address: SocketAddr,
    handler: Arc<Recorder>,
    stop: oneshot::Sender<()>,
    task: JoinHandle<Stopped>,
}

impl Server {
    async fn start(drain: Duration) -> Self {
        Self::sweeping(drain, None).await
    }

    async fn sweeping(drain: Duration, sweep: Option<Result<SweepLine, String>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let handler = Arc::new(Recorder {
            seen: Mutex::default(),
            begun: Semaphore::new(0),
            go: Notify::new(),
            sweep,
            stopped: AtomicU32::new(0),
        });
        let (stop, stopped) = oneshot::channel::<()>();
        let serve = host::serve(listener, Arc::clone(&handler), async { stopped.await.unwrap() }, drain);
        Self { address, handler, stop, task: tokio::spawn(serve) }
    }

    /// Waits until so many commits or sweeps have begun.
    async fn begun(&self, count: u32) {
        self.handler.begun.acquire_many(count).await.unwrap().forget();
    }

    fn seen(&self) -> Vec<Commit> {
        self.handler.seen.lock().unwrap().clone()
    }
}

/// Waits until a server accepts no more connections.
async fn until_closed(address: SocketAddr) {
    while TcpStream::connect(address).await.is_ok() {
        tokio::task::yield_now().await;
    }
}

/// An invocation with one event for each of `urls`.
fn invocation(urls: &[&str]) -> Vec<u8> {
    let event = |url: &&str| serde_json::json!({"eventType": "Microsoft.Storage.BlobCreated", "id": "id", "data": {"url": url}});
    let events: Vec<_> = urls.iter().map(event).collect();
    serde_json::json!({"Data": {"eventGridEvent": events}, "Metadata": {}}).to_string().into_bytes()
}

fn nine_blobs() -> SweepLine {
    SweepLine { text: "9 blobs".to_owned(), is_worrying: true }
}
