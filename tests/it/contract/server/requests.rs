//! Requests and their bodies.

use super::{LONG, Server, invocation};
use crate::support::http;
use std::path::PathBuf;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

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

#[tokio::test]
async fn every_form_of_an_event_is_handled_and_answered() {
    let fixtures = fixtures();
    assert!(fixtures.len() > 20);
    for (name, body) in fixtures {
        let server = Server::start(LONG).await;
        let plain = http::post(server.address, &body).await;
        let commits = server.seen();
        // In single bytes, in chunks that split tokens, and whole.
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
        assert_eq!(plain.status, 200, "{name}: a retry would change nothing");
        assert_eq!(plain.logs().is_empty(), name == "no_events", "{name}");
    }
}

#[tokio::test]
async fn a_body_that_is_no_invocation_is_answered_with_200_and_a_reason() {
    let server = Server::start(LONG).await;
    for body in [&b"not json"[..], b"", b"{}", b"{\"Data\":{\"x\":", b"\xff\xfe\x00", b"[]"] {
        let answer = http::post(server.address, body).await;
        assert_eq!(answer.status, 200, "{body:?}");
        assert!(answer.logs()[0].contains("expected the Functions host's"), "{answer:?}");
    }
    assert!(server.seen().is_empty());
}

#[tokio::test]
async fn a_body_over_the_limit_is_answered_and_not_kept() {
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
async fn a_body_of_too_many_events_is_refused_at_the_first_over_the_limit() {
    let server = Server::start(LONG).await;
    // The bytes after the events are not JSON, and are not read.
    let mut body = format!("{{\"Data\":{{\"e\":[{}", r#"{"":0},"#.repeat(5_001)).into_bytes();
    body.resize(1 << 20, b'?');
    let answer = http::post(server.address, &body).await;
    assert_eq!(answer.status, 200);
    assert!(answer.logs()[0].contains("more than 5000 events"), "{answer:?}");
}

#[tokio::test]
async fn an_answer_stays_small_whatever_the_events_hold() {
    let server = Server::start(LONG).await;
    let answer = http::post(server.address, &invocation(&["https://contoso/x"; 150])).await;
    assert_eq!(answer.logs().len(), 101);
    assert_eq!(answer.logs()[100], "… and 50 more");
    let url = format!("https://contoso/{}", "x".repeat(100_000));
    let answer = http::post(server.address, &invocation(&[&url])).await;
    assert_eq!(answer.logs(), ["event ignored: its data.url is longer than that of any blob"]);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_does_not_arrive_ends_its_connection() {
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
async fn a_hundred_unfinished_bodies_do_not_block_other_requests() {
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
async fn the_content_type_does_not_matter() {
    let server = Server::start(LONG).await;
    let body = invocation(&["https://contoso/x"]);
    let head = http::post_head(&format!("Content-Length: {}", body.len()));
    let head = String::from_utf8(head).unwrap().replace("application/json; charset=utf-8", "text/plain");
    let answer = http::raw(server.address, &[head.as_bytes(), &body].concat()).await;
    assert_eq!((answer.status, answer.logs()), (200, vec!["event id: forwarded: 3 records".to_owned()]));
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
    // The connection closes in the middle of the body.
    let mut request = http::post_head("Content-Length: 1000");
    request.extend_from_slice(b"{\"Data\"");
    drop(TcpStream::connect(server.address).await.map(|stream| stream.try_write(&request)));
    let many = format!("GET / HTTP/1.1\r\n{}\r\n", "X-Header: 1\r\n".repeat(500));
    assert_eq!(http::raw(server.address, many.as_bytes()).await.status, 431);
    assert_eq!(http::get(server.address, "/").await.status, 200);
    assert!(server.seen().is_empty());
}
