//! What bodies cost the real process.

use crate::e2e::server_process::Running;
use crate::support::http;
use std::net::SocketAddr;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

/// How much memory the process may gain over what it began with, bytes: the bodies and events that are held
/// at once (8 MiB), what one body's text takes while it is read, and buffers of connections.
const GAIN: u64 = 24 << 20;

/// Begins to post a body of `length` bytes, and sends all of it but the last byte, as far as it is taken.
async fn post_unfinished(address: SocketAddr, length: usize) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let mut request = http::post_head(&format!("Content-Length: {length}"));
    request.resize(request.len() + length - 1, b' ');
    // Refused, with an answer, where there is no room.
    let _ = stream.write_all(&request).await;
    stream
}

#[tokio::test]
async fn bodies_cost_the_process_little_memory_whatever_they_hold() {
    let running = Running::start().await;
    let address = running.address;
    http::post(address, b"{}").await;
    let before = running.peak_memory();

    for unit in [r#"{"":0},"#, r#"{"a":{}},"#, "0,", "[],", "[[[[[[[[", r#""",""#, r#"{"data":{"url":"x"}},"#]
    {
        let body = format!("{{\"Data\":{{\"e\":[{}", unit.repeat((1 << 20) / unit.len() - 8));
        assert_eq!(http::post(address, body.as_bytes()).await.status, 200);
        let in_text = format!("{{\"Data\":{{\"e\":{}", serde_json::Value::from(&body[14..body.len() / 2]));
        assert_eq!(http::post(address, in_text.as_bytes()).await.status, 200);
    }

    let posts =
        (0..100).map(|number| post_unfinished(address, if number % 2 == 0 { 8 << 20 } else { 1_000_000 }));
    let unfinished = futures_util::future::join_all(posts).await;
    assert_eq!(http::get(address, "/").await.status, 200, "it answers meanwhile");
    let gained = running.peak_memory() - before;
    assert!(gained <= GAIN, "gained {gained} bytes");
    drop(unfinished);
}
