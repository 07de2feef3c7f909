//! The custom handler contract, over a real socket, with a forwarder that only remembers.

use crate::support::http;
use flowlog_forwarder::host::event::Commit;
use flowlog_forwarder::host::{self, Functions, Handled, Stopped, SweepLine};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, Semaphore, oneshot};
use tokio::task::JoinHandle;

/// Never reached where a test passes.
const LONG: Duration = Duration::from_mins(10);

/// Remembers commits, and does what a word in their url says.
struct Remembers {
    seen: Mutex<Vec<Commit>>,
    /// A permit for every commit that has begun.
    begun: Semaphore,
    /// What commits with `wait` in their url wait for, and sweeps.
    go: Notify,
    /// What becomes of the sweep; a panic when there is nothing.
    sweep: Option<Result<SweepLine, String>>,
    /// How often it was asked to stop.
    stopped: AtomicU32,
}

impl Functions for Remembers {
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
    handler: Arc<Remembers>,
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
        let handler = Arc::new(Remembers {
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

    async fn begun(&self, count: u32) {
        self.handler.begun.acquire_many(count).await.unwrap().forget();
    }

    fn seen(&self) -> Vec<Commit> {
        self.handler.seen.lock().unwrap().clone()
    }
}

fn fixtures() -> Vec<(String, Vec<u8>)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/events");
    let mut fixtures: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.file_stem().unwrap().to_str().unwrap().to_owned(), std::fs::read(path).unwrap()))
        .collect();
    fixtures.sort();
    fixtures
}

/// An invocation with one event for each of `urls`.
fn invocation(urls: &[&str]) -> Vec<u8> {
    let event = |url: &&str| serde_json::json!({"eventType": "Microsoft.Storage.BlobCreated", "id": "id", "data": {"url": url}});
    let events: Vec<_> = urls.iter().map(event).collect();
    serde_json::json!({"Data": {"eventGridEvent": events}, "Metadata": {}}).to_string().into_bytes()
}

#[tokio::test]
async fn the_metrics_are_there_to_be_read() {
    let server = Server::start(Duration::ZERO).await;
    let answer = http::get(server.address, "/metrics").await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.body, "flowlog_records_total 7\n");
    assert!(answer.head.contains("application/openmetrics-text"), "{answer:?}");
}

#[tokio::test]
async fn the_hosts_probe_is_answered() {
    let server = Server::start(LONG).await;
    let answer = http::get(server.address, "/").await;
    assert_eq!(answer.status, 200);
    assert!(answer.logs().is_empty());
}

#[tokio::test]
async fn every_form_of_an_event_reaches_the_forwarder_and_is_answered_in_the_hosts_shape() {
    let fixtures = fixtures();
    assert!(fixtures.len() > 20);
    for (name, body) in fixtures {
        let server = Server::start(LONG).await;
        let plain = http::post(server.address, &body).await;
        let commits = server.seen();
        // Whole, in single bytes, and with a length that no boundary of JSON respects.
        for size in [1, 7, usize::MAX] {
            let chunked = http::post_chunked(server.address, &body, size).await;
            assert_eq!(
                (chunked.status, chunked.logs()),
                (plain.status, plain.logs()),
                "{name} in chunks of {size}"
            );
        }
        assert_eq!(server.seen().len(), 4 * commits.len(), "{name}");
        let expected = match name.as_str() {
            "event_grid_array"
            | "event_grid_array_in_text"
            | "event_grid_array_of_texts"
            | "cloud_event_array_in_text"
            | "mixed_batch" => 2,
            "blob_deleted"
            | "create_file_without_content"
            | "subscription_validation"
            | "without_url"
            | "no_events"
            | "without_data"
            | "event_without_envelope" => 0,
            _ => 1,
        };
        assert_eq!(commits.len(), expected, "{name}");
        assert_eq!(plain.status, 200, "{name}: nothing here is mended by a retry");
        assert_eq!(plain.logs().is_empty(), name == "no_events", "{name}");
    }
}

#[tokio::test]
async fn what_can_never_be_understood_is_answered_with_200_and_the_reason() {
    let server = Server::start(LONG).await;
    for body in [&b"not json"[..], b"", b"{}", b"{\"Data\":{\"x\":", b"\xff\xfe\x00", b"[]"] {
        let answer = http::post(server.address, body).await;
        assert_eq!(answer.status, 200, "{body:?}");
        assert!(answer.logs()[0].contains("expected the Functions host's"), "{answer:?}");
    }
    assert!(server.seen().is_empty());
}

#[tokio::test]
async fn a_body_larger_than_any_is_answered_and_not_kept() {
    let server = Server::start(LONG).await;
    let body = vec![b' '; (1 << 20) + 1];
    for answer in
        [http::post(server.address, &body).await, http::post_chunked(server.address, &body, 65_536).await]
    {
        assert_eq!(answer.status, 200);
        assert!(answer.logs()[0].contains("larger than"), "{answer:?}");
    }
    let mut fits = invocation(&["https://contoso/x"]);
    fits.resize(1 << 20, b' ');
    http::post(server.address, &fits).await;
    assert_eq!(server.seen().len(), 1, "1 MiB is read");
}

#[tokio::test]
async fn a_body_of_countless_small_values_is_refused_at_the_first_too_many() {
    let server = Server::start(LONG).await;
    // What follows the events is no JSON, and is not looked at.
    let mut body = format!("{{\"Data\":{{\"e\":[{}", r#"{"":0},"#.repeat(5_001)).into_bytes();
    body.resize(1 << 20, b'?');
    let answer = http::post(server.address, &body).await;
    assert_eq!(answer.status, 200);
    assert!(answer.logs()[0].contains("more than 5000 events"), "{answer:?}");
}

#[tokio::test]
async fn an_answer_stays_small_whatever_the_events_held() {
    let server = Server::start(LONG).await;
    let answer = http::post(server.address, &invocation(&["https://contoso/x"; 150])).await;
    assert_eq!(answer.logs().len(), 101);
    assert_eq!(answer.logs()[100], "… and 50 more");
    let url = format!("https://contoso/{}", "x".repeat(100_000));
    let answer = http::post(server.address, &invocation(&[&url])).await;
    assert_eq!(answer.logs(), ["event ignored: its data.url is longer than that of any blob"]);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_does_not_arrive_is_answered_and_its_connection_closed() {
    let server = Server::start(LONG).await;
    for path in ["/FlowLogBlobCreated", "/FlowLogSweep"] {
        server.handler.go.notify_one();
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        let head = format!("POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{{\"Data\"");
        stream.write_all(head.as_bytes()).await.unwrap();
        let answer = http::receive(&mut stream).await;
        assert_eq!(answer.status, 500, "{answer:?}");
        assert_eq!(stream.read(&mut [0; 9]).await.unwrap_or(0), 0, "closed");
    }
    assert!(server.seen().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_hundred_unfinished_bodies_keep_nobody_else_from_being_answered() {
    let server = Server::start(LONG).await;
    let mut unfinished = Vec::new();
    for _ in 0..100 {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        let mut request = http::post_head("Content-Length: 1000000");
        request.resize(500_000, b' ');
        stream.write_all(&request).await.unwrap();
        unfinished.push(stream);
    }
    assert_eq!(http::get(server.address, "/").await.status, 200);
    assert_eq!(http::get(server.address, "/metrics").await.status, 200);
    for mut stream in unfinished {
        let answer = http::receive(&mut stream).await;
        assert_eq!(answer.status, 500);
        let line = &answer.logs()[0];
        assert!(line.contains("did not arrive within 10 s") || line.contains("none became free"), "{line}");
    }
    assert_eq!(http::post(server.address, &invocation(&["https://contoso/a"])).await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_sends_no_request_is_closed() {
    let server = Server::start(LONG).await;
    for begun in ["", "POST /FlowLogBlobCreated HTTP/1.1\r\nHost: x\r\n"] {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(begun.as_bytes()).await.unwrap();
        let mut rest = Vec::new();
        // Ends when the other side closes.
        let _ = stream.read_to_end(&mut rest).await;
    }
    assert_eq!(http::get(server.address, "/").await.status, 200);
}

#[tokio::test]
async fn a_stop_is_passed_on_at_once_and_new_work_is_refused() {
    let server = Server::start(LONG).await;
    let address = server.address;
    let running =
        tokio::spawn(async move { http::post(address, &invocation(&["https://contoso/wait"])).await });
    server.begun(1).await;
    let mut halves = Vec::new();
    for path in ["/FlowLogBlobCreated", "/FlowLogSweep"] {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let head = format!("POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{{");
        stream.write_all(head.as_bytes()).await.unwrap();
        halves.push(stream);
    }
    // All that came before this answer has been read by then.
    assert_eq!(http::get(address, "/").await.status, 200);
    assert_eq!(server.handler.stopped.load(Ordering::Relaxed), 0);
    server.stop.send(()).unwrap();
    while TcpStream::connect(address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    assert_eq!(server.handler.stopped.load(Ordering::Relaxed), 1);
    for mut stream in halves {
        stream.write_all(b"}").await.unwrap();
        let answer = http::receive(&mut stream).await;
        assert_eq!(
            (answer.status, answer.logs()),
            (500, vec!["not started, because the process is stopping".to_owned()])
        );
    }
    server.handler.go.notify_one();
    assert_eq!(running.await.unwrap().status, 200);
    assert_eq!(server.task.await.unwrap(), Stopped::Drained);
}

#[tokio::test]
async fn the_content_type_does_not_matter() {
    let server = Server::start(LONG).await;
    let body = invocation(&["https://contoso/x"]);
    let head = http::post_head(&format!("Content-Length: {}", body.len()));
    let head = String::from_utf8(head).unwrap().replace("application/json; charset=utf-8", "text/plain");
    let answer = http::raw(server.address, &[head.as_bytes(), &body].concat()).await;
    assert_eq!((answer.status, answer.logs()), (200, vec!["event id: forwarded: 3 records".to_owned()]));
}

#[tokio::test]
async fn one_failure_among_several_events_fails_the_invocation_after_all_were_tried() {
    let server = Server::start(LONG).await;
    let body =
        invocation(&["https://contoso/a", "https://contoso/fail", "https://other/b", "https://contoso/c"]);
    let answer = http::post(server.address, &body).await;
    assert_eq!(answer.status, 500);
    assert_eq!(
        answer.logs(),
        [
            "event id: forwarded: 3 records",
            "event id: failed: the hub is down",
            "event id: nothing to forward: not ours",
            "event id: forwarded: 3 records"
        ]
    );
    assert_eq!(server.seen().len(), 4);
}

#[tokio::test]
async fn a_panic_fails_its_event_and_nothing_else() {
    let server = Server::start(LONG).await;
    let answer =
        http::post(server.address, &invocation(&["https://contoso/panic", "https://contoso/a"])).await;
    assert_eq!(answer.status, 500);
    assert!(answer.logs()[0].contains("a defect in the forwarder"), "{answer:?}");
    assert!(answer.logs()[1].contains("forwarded"), "{answer:?}");
    assert_eq!(http::post(server.address, &invocation(&["https://contoso/a"])).await.status, 200);
}

#[tokio::test]
async fn the_events_of_one_invocation_are_worked_on_at_once_but_not_without_bound() {
    let server = Server::start(LONG).await;
    let urls: Vec<_> = (0..40).map(|_| "https://contoso/wait").collect();
    let address = server.address;
    let answer = tokio::spawn(async move { http::post(address, &invocation(&urls)).await });
    server.begun(16).await;
    tokio::task::yield_now().await;
    assert_eq!(server.seen().len(), 16, "the others wait for their turn");
    for _ in 0..40 {
        server.handler.go.notify_one();
        tokio::task::yield_now().await;
    }
    // A permit is kept for whoever comes next, so those that had not begun go on one by one.
    server.begun(1).await;
    while !answer.is_finished() {
        server.handler.go.notify_one();
        tokio::task::yield_now().await;
    }
    assert_eq!(answer.await.unwrap().logs().len(), 40);
}

#[tokio::test]
async fn invocations_run_side_by_side() {
    let server = Server::start(LONG).await;
    let address = server.address;
    let posts: Vec<_> = (0..50)
        .map(|_| {
            tokio::spawn(async move { http::post(address, &invocation(&["https://contoso/wait"])).await })
        })
        .collect();
    server.begun(50).await;
    server.handler.go.notify_waiters();
    for post in posts {
        assert_eq!(post.await.unwrap().status, 200);
    }
}

#[tokio::test]
async fn other_paths_and_methods_are_answered_with_a_hint() {
    let server = Server::start(LONG).await;
    let put =
        b"PUT /FlowLogBlobCreated HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    for answer in [
        http::get(server.address, "/api/FlowLogBlobCreated").await,
        http::get(server.address, "/FlowLogBlobCreated").await,
        http::get(server.address, "/FlowLogSweep").await,
        http::raw(server.address, put).await,
    ] {
        assert_eq!(answer.status, 404);
        assert!(answer.logs()[0].contains("/FlowLogBlobCreated and /FlowLogSweep"), "{answer:?}");
    }
}

#[tokio::test]
async fn broken_http_does_not_stop_the_server() {
    let server = Server::start(LONG).await;
    let garbage = http::raw(server.address, b"\x16\x03\x01\x00\xa5 this is not http\r\n\r\n").await;
    assert_eq!(garbage.status, 400);
    // A body that breaks off: the connection is simply gone.
    let mut request = http::post_head("Content-Length: 1000");
    request.extend_from_slice(b"{\"Data\"");
    drop(TcpStream::connect(server.address).await.map(|stream| stream.try_write(&request)));
    let many = format!("GET / HTTP/1.1\r\n{}\r\n", "X-Header: 1\r\n".repeat(500));
    assert_eq!(http::raw(server.address, many.as_bytes()).await.status, 431);
    assert_eq!(http::get(server.address, "/").await.status, 200);
    assert!(server.seen().is_empty());
}

#[tokio::test]
async fn a_stop_lets_work_in_progress_end_and_answers_for_it() {
    let server = Server::start(LONG).await;
    let address = server.address;
    let post = tokio::spawn(async move { http::post(address, &invocation(&["https://contoso/wait"])).await });
    server.begun(1).await;
    server.stop.send(()).unwrap();
    while TcpStream::connect(address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    assert!(!server.task.is_finished());
    server.handler.go.notify_one();
    assert_eq!(post.await.unwrap().status, 200);
    assert_eq!(server.task.await.unwrap(), Stopped::Drained);
}

#[tokio::test]
async fn a_stop_waits_for_work_whose_caller_has_hung_up() {
    let server = Server::start(LONG).await;
    let address = server.address;
    let post = tokio::spawn(async move { http::post(address, &invocation(&["https://contoso/wait"])).await });
    server.begun(1).await;
    post.abort();
    assert!(post.await.is_err());
    server.stop.send(()).unwrap();
    while TcpStream::connect(address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    assert!(!server.task.is_finished(), "the work goes on");
    server.handler.go.notify_one();
    assert_eq!(server.task.await.unwrap(), Stopped::Drained);
}

#[tokio::test]
async fn a_stop_does_not_wait_for_ever() {
    let server = Server::start(Duration::ZERO).await;
    let address = server.address;
    let post = tokio::spawn(async move { http::post(address, &invocation(&["https://contoso/wait"])).await });
    server.begun(1).await;
    server.stop.send(()).unwrap();
    assert_eq!(server.task.await.unwrap(), Stopped::TimedOut);
    post.abort();
}

fn nine_blobs() -> SweepLine {
    SweepLine { text: "9 blobs".to_owned(), is_worrying: true }
}

#[tokio::test]
async fn a_sweep_is_answered_with_what_it_did_whatever_the_timer_says() {
    let timer = br#"{"Data":{"timer":{"Schedule":{"AdjustForDST":true},"IsPastDue":true}},"Metadata":{}}"#;
    for (swept, status) in [(Ok(nine_blobs()), 200), (Err("no storage".to_owned()), 500)] {
        let line = swept.clone().map_or_else(|line| line, |swept| swept.text);
        let server = Server::sweeping(LONG, Some(swept)).await;
        for body in [&timer[..], b"", b"not json"] {
            server.handler.go.notify_one();
            let answer = http::post_to("/FlowLogSweep", server.address, body).await;
            assert_eq!((answer.status, answer.logs()), (status, vec![line.clone()]));
        }
        assert!(server.seen().is_empty());
    }
}

#[tokio::test]
async fn a_panic_in_a_sweep_is_answered_and_the_server_goes_on() {
    let server = Server::start(LONG).await;
    for _ in 0..2 {
        server.handler.go.notify_one();
        let answer = http::post_to("/FlowLogSweep", server.address, b"{}").await;
        assert_eq!(answer.status, 500);
        assert!(answer.logs()[0].contains("invocation failed"), "{answer:?}");
    }
}

#[tokio::test]
async fn events_are_answered_while_a_sweep_is_under_way_and_a_stop_waits_for_it() {
    let server = Server::sweeping(LONG, Some(Ok(nine_blobs()))).await;
    let address = server.address;
    let sweep = tokio::spawn(async move { http::post_to("/FlowLogSweep", address, b"{}").await });
    server.begun(1).await;
    assert_eq!(http::post(address, &invocation(&["https://contoso/a"])).await.status, 200);
    server.stop.send(()).unwrap();
    while TcpStream::connect(address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    assert!(!server.task.is_finished());
    server.handler.go.notify_one();
    assert_eq!(sweep.await.unwrap().status, 200);
    assert_eq!(server.task.await.unwrap(), Stopped::Drained);
}
