//! The two halves of catching up, each alone and as this program does it: `read URL LENGTH` and
//! `send PORT KEY_NAME KEY HUB LENGTH`. Each prints the seconds that it took. `make bench` runs them
//! beside the whole; without arguments there is nothing to do.

use anyhow::{Context as _, Result, anyhow, ensure};
use bytes::Bytes;
use flowlog_forwarder::azure::event_hubs::{EventHub, HubAccess, HubAddress, HubOptions};
use flowlog_forwarder::flow_log::rope::Rope;
use flowlog_forwarder::forward::plan::{self, AHEAD, WINDOW};
use flowlog_forwarder::message::{Batch, Message, Origin};
use flowlog_forwarder::ports::hub::Hub as _;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use std::io::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What a run has under way: as many batches of this size fit its window.
const UNDER_WAY: usize = 8;
/// A message that fills a batch of the Standard tier, its properties included.
const MESSAGE: u64 = 1_047_000;
const PATIENCE: Duration = Duration::from_mins(5);

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
            let access = HubAccess::Key { name: name.to_owned(), key: key.to_owned().into() };
            send(EventHub::new(address, access, HubOptions::default()), length.parse()?).await?
        }
        _ => return Err(anyhow!("read URL LENGTH, or send PORT KEY_NAME KEY HUB LENGTH")),
    };
    writeln!(std::io::stdout(), "{}", took.as_secs_f64())?;
    Ok(())
}

/// Ranged GETs of one window each, as many at once as a run has; the bytes are dropped.
async fn read(url: &str, length: u64) -> Result<Duration> {
    // What TLS there is comes from the program itself; this is plain HTTP on loopback.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let http = reqwest::Client::new();
    let started = Instant::now();
    let reads = plan::windows(0, length, WINDOW).map(|range| {
        let request = http.get(url).header("x-ms-range", format!("bytes={}-{}", range.start, range.end - 1));
        async move {
            let mut answer = request.send().await?.error_for_status()?;
            let mut came = 0;
            while let Some(chunk) = answer.chunk().await? {
                came += chunk.len() as u64;
            }
            ensure!(came == range.end - range.start, "{came} bytes came of {range:?}");
            Ok(())
        }
    });
    stream::iter(reads).buffered(AHEAD).try_for_each(|()| async { Ok(()) }).await?;
    Ok(started.elapsed())
}

/// Full batches of one message each, as many at once as a run has.
async fn send(hub: EventHub, length: u64) -> Result<Duration> {
    let origin = Arc::new(Origin {
        source: "http://127.0.0.1/benchmark".to_owned(),
        etag: "0x0".to_owned(),
        partition_key: None,
        id_prefix: "benchmark".to_owned(),
    });
    let body = Bytes::from(vec![b' '; usize::try_from(MESSAGE)?]);
    let started = Instant::now();
    let deadline = started + PATIENCE;
    let starts = (0..length).step_by(usize::try_from(MESSAGE)?);
    let sends = starts.map(|start| {
        let end = (start + MESSAGE).min(length);
        let part = usize::try_from(end - start).unwrap_or(body.len());
        let message = Message { body: Rope::from(body.slice(..part)), range: start..end, records: 1 };
        hub.send(Batch { origin: Arc::clone(&origin), messages: vec![message] }, deadline)
    });
    let mut sends = stream::iter(sends).buffered(UNDER_WAY);
    while let Some(sent) = sends.next().await {
        sent.context("a batch was not accepted")?;
    }
    Ok(started.elapsed())
}
