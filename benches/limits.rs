//! The two halves of catching up, each alone: `read URL LENGTH` and `send PORT KEY_NAME KEY HUB LENGTH`.
//! Each works as the program does and prints the seconds that it took. `make bench` runs them next to the
//! whole program; without arguments this does nothing.

use anyhow::{Context as _, Result, anyhow, ensure};
use bytes::Bytes;
use flowlog_forwarder::azure::event_hubs::{EventHub, HubAddress, HubCredential, HubOptions};
use flowlog_forwarder::flow_log::rope::Rope;
use flowlog_forwarder::forward::plan::{self, AHEAD, WINDOW};
use flowlog_forwarder::message::{Batch, Message, Origin};
use flowlog_forwarder::ports::hub::Hub as _;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use std::io::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How many batches a run has in flight: as many of this size fit its window.
const IN_FLIGHT: usize = 8;
/// The body of a message that fills a batch of the Standard tier together with its properties, bytes.
const MESSAGE: u64 = 1_047_000;
const TIMEOUT: Duration = Duration::from_mins(5);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let took = match arguments[..] {
        [] => return Ok(()),
        ["read", url, length] => read(url, length.parse()?).await?,
        ["send", port, name, key, hub, length] => {
            let address = HubAddress {
                host: "127.0.0.1".to_owned(),
                port: port.parse()?,
                tls: false,
                hub: hub.to_owned(),
            };
            let access = HubCredential::Key { name: name.to_owned(), key: key.to_owned().into() };
            send(EventHub::new(address, access, HubOptions::default()), length.parse()?).await?
        }
        _ => return Err(anyhow!("read URL LENGTH, or send PORT KEY_NAME KEY HUB LENGTH")),
    };
    writeln!(std::io::stdout(), "{}", took.as_secs_f64())?;
    Ok(())
}

/// Reads ranges of one window each, as many at once as a run does, and drops the bytes.
async fn read(url: &str, length: u64) -> Result<Duration> {
    // The client needs a TLS provider even for plain HTTP.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let http = reqwest::Client::new();
    let started = Instant::now();
    let reads = plan::windows(0, length, WINDOW).map(|range| {
        let request = http.get(url).header("x-ms-range", format!("bytes={}-{}", range.start, range.end - 1));
        async move {
            let mut answer = request.send().await?.error_for_status()?;
            let mut received = 0;
            while let Some(chunk) = answer.chunk().await? {
                received += chunk.len() as u64;
            }
            ensure!(received == range.end - range.start, "received {received} bytes of {range:?}");
            Ok(())
        }
    });
    stream::iter(reads).buffered(AHEAD).try_for_each(|()| async { Ok(()) }).await?;
    Ok(started.elapsed())
}

/// Sends full batches of one message each, as many at once as a run does.
async fn send(hub: EventHub, length: u64) -> Result<Duration> {
    let origin = Arc::new(Origin {
        source: "http://127.0.0.1/benchmark".to_owned(),
        etag: "0x0".to_owned(),
        partition_key: None,
        id_prefix: "benchmark".to_owned(),
    });
    let body = Bytes::from(vec![b' '; usize::try_from(MESSAGE)?]);
    let started = Instant::now();
    let deadline = started + TIMEOUT;
    let starts = (0..length).step_by(usize::try_from(MESSAGE)?);
    let sends = starts.map(|start| {
        let end = (start + MESSAGE).min(length);
        let part = usize::try_from(end - start).unwrap_or(body.len());
        let message = Message { body: Rope::from(body.slice(..part)), range: start..end, records: 1 };
        hub.send(Batch { origin: Arc::clone(&origin), messages: vec![message] }, deadline)
    });
    let mut sends = stream::iter(sends).buffered(IN_FLIGHT);
    while let Some(sent) = sends.next().await {
        sent.context("a batch was not accepted")?;
    }
    Ok(started.elapsed())
}
