//! How the server stops.

use super::{LONG, Server, invocation, nine_blobs, until_closed};
use crate::support::http;
use flowlog_forwarder::host::Stopped;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

#[tokio::test]
async fn a_stop_reaches_the_functions_and_new_work_is_refused() {
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
    // The server has read all earlier requests when it answers this one.
    assert_eq!(http::get(address, "/").await.status, 200);
    assert_eq!(server.handler.stopped.load(Ordering::Relaxed), 0);
    server.stop.send(()).unwrap();
    until_closed(address).await;
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
async fn a_stop_lets_work_in_progress_finish_and_answers_it() {
    let server = Server::start(LONG).await;
    let address = server.address;
    let post = tokio::spawn(async move { http::post(address, &invocation(&["https://contoso/wait"])).await });
    server.begun(1).await;
    server.stop.send(()).unwrap();
    until_closed(address).await;
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
    until_closed(address).await;
    assert!(!server.task.is_finished(), "the work continues");
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

#[tokio::test]
async fn a_sweep_blocks_no_events_and_a_stop_waits_for_it() {
    let server = Server::sweeping(LONG, Some(Ok(nine_blobs()))).await;
    let address = server.address;
    let sweep = tokio::spawn(async move { http::post_to("/FlowLogSweep", address, b"{}").await });
    server.begun(1).await;
    assert_eq!(http::post(address, &invocation(&["https://contoso/a"])).await.status, 200);
    server.stop.send(()).unwrap();
    until_closed(address).await;
    assert!(!server.task.is_finished());
    server.handler.go.notify_one();
    assert_eq!(sweep.await.unwrap().status, 200);
    assert_eq!(server.task.await.unwrap(), Stopped::Drained);
}
