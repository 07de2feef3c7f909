//! The memory that request bodies take in the real process.

use crate::support::http;
use crate::support::process::{LOCAL, Launch};
use std::net::SocketAddr;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

/// How much memory the process may gain, bytes: the bodies and events held at once (8 MiB), the text of one
/// body while it is parsed, and buffers of connections.
const GAIN: u64 = 24 << 20;

/// Posts all but the last byte of a body of `length` bytes, as far as the process reads it.
async fn post_unfinished(address: SocketAddr, length: usize) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let mut request = http::post_head(&format!("Content-Length: {length}"));
    request.resize(request.len() + length - 1, b' ');
    // The process refuses bodies that it has no memory for.
    let _ = stream.write_all(&request).await;
    stream
}

#[tokio::test]
async fn bodies_take_little_memory_whatever_they_hold() {
    let process = Launch::with(LOCAL).start().await;
    let address = process.address;
    http::post(address, b"{}").await;
    let before = process.peak_memory().unwrap();

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
    let gained = process.peak_memory().unwrap() - before;
    assert!(gained <= GAIN, "gained {gained} bytes");
    drop(unfinished);
}
