//! A small HTTP client that sends exactly the given bytes.

use serde_json::Value;
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// The path of the function of events.
const EVENTS: &str = "/FlowLogBlobCreated";

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    /// The body, which must be `application/json`.
    pub(crate) fn json(&self) -> Value {
        assert!(self.head.to_lowercase().contains("content-type: application/json"), "{self:?}");
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The lines of `Logs`; the rest must have the form that the host expects.
    pub(crate) fn logs(&self) -> Vec<String> {
        let json = self.json();
        assert_eq!(json["Outputs"], serde_json::json!({}), "{json}");
        assert!(
            json.as_object().unwrap().contains_key("ReturnValue") && json["ReturnValue"].is_null(),
            "{json}"
        );
        json["Logs"].as_array().unwrap().iter().map(|line| line.as_str().unwrap().to_owned()).collect()
    }
}

/// Sends `request` and reads the answer to its end.
pub(crate) async fn raw(address: SocketAddr, request: &[u8]) -> Answer {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request).await.unwrap();
    receive(&mut stream).await
}

pub(crate) async fn receive(stream: &mut TcpStream) -> Answer {
    let mut received = Vec::new();
    let (head, length) = loop {
        if let Some(end) = received.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8(received[..end].to_vec()).unwrap();
            let length = head.to_lowercase().lines().find_map(|line| {
                line.strip_prefix("content-length:").map(|value| value.trim().parse::<usize>().unwrap())
            });
            received.drain(..end + 4);
            break (head, length.expect("the answer has a length"));
        }
        assert_ne!(
            stream.read_buf(&mut received).await.unwrap(),
            0,
            "the connection closed without an answer"
        );
    };
    while received.len() < length {
        assert_ne!(stream.read_buf(&mut received).await.unwrap(), 0, "the answer is cut off");
    }
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Answer { status, head, body: String::from_utf8(received).unwrap() }
}

pub(crate) async fn get(address: SocketAddr, path: &str) -> Answer {
    raw(address, format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").as_bytes())
        .await
}

/// Posts `body` to the function of events, as the Functions host does.
pub(crate) async fn post(address: SocketAddr, body: &[u8]) -> Answer {
    post_to(EVENTS, address, body).await
}

/// The same, to `path`.
pub(crate) async fn post_to(path: &str, address: SocketAddr, body: &[u8]) -> Answer {
    let mut request = head_to(path, &format!("Content-Length: {}", body.len()));
    request.extend_from_slice(body);
    raw(address, &request).await
}

/// Posts `body` in chunks of `size` bytes, as the host does when it does not know the length.
pub(crate) async fn post_chunked(address: SocketAddr, body: &[u8], size: usize) -> Answer {
    let mut request = post_head("Transfer-Encoding: chunked");
    for chunk in body.chunks(size) {
        request.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        request.extend_from_slice(chunk);
        request.extend_from_slice(b"\r\n");
    }
    request.extend_from_slice(b"0\r\n\r\n");
    raw(address, &request).await
}

pub(crate) fn post_head(length: &str) -> Vec<u8> {
    head_to(EVENTS, length)
}

fn head_to(path: &str, length: &str) -> Vec<u8> {
    format!(
        "POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\
         Content-Type: application/json; charset=utf-8\r\nX-Azure-Functions-HostVersion: 4.1037.0.0\r\n\
         X-Azure-Functions-InvocationId: 7f1c2f5e-0d2b-4b4e-9a58-7f4cd9b1a001\r\n\
         User-Agent: Azure-Functions-Host/4.1037.0.0\r\nConnection: close\r\n{length}\r\n\r\n"
    )
    .into_bytes()
}
