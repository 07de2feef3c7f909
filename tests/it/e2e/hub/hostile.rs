//! A hub that sends invalid or malicious AMQP: each such frame costs only its connection.

use crate::support::hub::{OnRig, batch, quick, soon};
use crate::support::received::received;
use crate::support::rig::Rig;
use async_trait::async_trait;
use azure_core::credentials::{AccessToken, TokenCredential, TokenRequestOptions};
use azure_core::error::{Error, ErrorKind};
use flowlog_forwarder::azure::auth::TokenCache;
use flowlog_forwarder::azure::event_hubs::{EventHub, HUB_SCOPE, HubAddress, HubCredential};
use flowlog_forwarder::metrics::Metrics;
use flowlog_forwarder::ports::hub::{Hub as _, HubError};
use serde_json::json;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};

/// Changes a frame that the hub in the rig sends.
type Change = fn(&[u8]) -> Vec<u8>;

/// How many frames and protocol headers pass before the change.
#[derive(Clone, Copy)]
struct After(usize);

/// Before `open`, the hub sends two protocol headers, `sasl-mechanisms` and `sasl-outcome`.
const OPEN: After = After(4);

/// A proxy before the hub of the rig. It changes frames on its first `bad_connections` connections only.
async fn peer(
    rig: &Rig,
    bad_connections: usize,
    when: impl Fn(usize, &[u8]) -> bool + Copy + Send + 'static,
    change: Change,
) -> u16 {
    let hub = rig.hub_access().0.port;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let mut connections = 0;
        while let Ok((client, _)) = listener.accept().await {
            connections += 1;
            let is_bad = connections <= bad_connections;
            let server = TcpStream::connect(("127.0.0.1", hub)).await.unwrap();
            let (from_client, to_client) = client.into_split();
            let (from_server, to_server) = server.into_split();
            tokio::spawn(pass_on(from_client, to_server));
            tokio::spawn(pass_frames(
                from_server,
                to_client,
                move |number, frame: &[u8]| is_bad && when(number, frame),
                change,
            ));
        }
    });
    port
}

async fn pass_on(mut from: OwnedReadHalf, mut to: OwnedWriteHalf) {
    let _ = tokio::io::copy(&mut from, &mut to).await;
}

async fn pass_frames(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    when: impl Fn(usize, &[u8]) -> bool,
    change: Change,
) -> std::io::Result<()> {
    for number in 0.. {
        let mut frame = vec![0; 8];
        from.read_exact(&mut frame).await?;
        if !frame.starts_with(b"AMQP") {
            let length = u32::from_be_bytes(*frame.first_chunk().unwrap()) as usize;
            frame.resize(length, 0);
            from.read_exact(&mut frame[8..]).await?;
        }
        let sent = if when(number, &frame) { change(&frame) } else { frame };
        to.write_all(&sent).await?;
    }
    Ok(())
}

fn frame(body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 8).unwrap().to_be_bytes();
    [&length[..], &[2, 0, 0, 0], body].concat()
}

/// Lists nested `depth` deep.
fn nested(depth: usize) -> Vec<u8> {
    let mut value = Vec::new();
    for inner in (0..depth).rev() {
        value.push(0xD0);
        value.extend_from_slice(&u32::try_from(9 * inner + 5).unwrap().to_be_bytes());
        value.extend_from_slice(&[0, 0, 0, 1]);
    }
    value.push(0x45);
    value
}

/// Whether `frame` is a transfer, in rhea's encoding.
fn is_transfer(frame: &[u8]) -> bool {
    frame.len() > 11 && frame[8..11] == [0x00, 0x53, 0x14]
}

/// The transfer `frame` with another message, whose body is nested `depth` deep.
fn answer_nested(frame: &[u8], depth: usize) -> Vec<u8> {
    let end = match frame[11] {
        0xC0 => 13 + usize::from(frame[12]),
        _ => 16 + u32::from_be_bytes(*frame[12..].first_chunk().unwrap()) as usize,
    };
    let performative = &frame[8..end];
    self::frame(&[performative, &[0x00, 0x53, 0x77], &nested(depth)].concat())
}

fn to(port: u16, rig: &Rig) -> EventHub {
    let (address, access) = rig.hub_access();
    EventHub::new(HubAddress { port, ..address }, access, quick())
}

/// Sends through a peer that is always hostile, then through one that is on its first two connections.
async fn survives(when: impl Fn(usize, &[u8]) -> bool + Copy + Send + 'static, change: Change, reason: &str) {
    let it = OnRig::start().await;
    let port = peer(&it.rig, usize::MAX, when, change).await;
    let hub = to(port, &it.rig);
    let error = hub.send(batch(0), Instant::now() + Duration::from_secs(3)).await.unwrap_err();
    assert!(error.to_string().contains(reason), "{error}");
    let port = peer(&it.rig, 2, when, change).await;
    let hub = to(port, &it.rig);
    hub.send(batch(300), soon()).await.unwrap();
    assert_eq!(hub.link().failures.get(), 2);
    assert_eq!(it.received().await, received(&batch(300)));
}

#[tokio::test]
async fn a_frame_too_short_for_its_header_costs_one_connection() {
    for length in 4..8 {
        let changes: [Change; 4] = [
            |_| vec![0, 0, 0, 4],
            |_| vec![0, 0, 0, 5, 2],
            |_| vec![0, 0, 0, 6, 2, 0],
            |_| vec![0, 0, 0, 7, 2, 0, 0],
        ];
        let reason = format!("the peer sent a frame of {length} bytes");
        // During SASL, and on an open connection.
        survives(|number, _| number == 1, changes[length - 4], &reason).await;
        survives(|number, _| number > OPEN.0, changes[length - 4], &reason).await;
    }
}

#[tokio::test]
async fn a_put_token_answer_nested_without_end_costs_one_connection() {
    survives(|_, frame| is_transfer(frame), |frame| answer_nested(frame, 1_000), "nested more than 32 deep")
        .await;
    survives(|_, frame| is_transfer(frame), |frame| answer_nested(frame, 20_000), "the peer sent a frame of")
        .await;
}

#[tokio::test]
async fn an_open_frame_with_nested_properties_costs_one_connection() {
    let change: Change = |_| {
        let properties = [&[0xA3, 1, b'p'][..], &nested(35)].concat();
        let size = u32::try_from(properties.len() + 4).unwrap().to_be_bytes();
        let map = [&[0xD1], &size[..], &[0, 0, 0, 2], &properties].concat();
        let fields = [&[0xA1, 1, b'c'][..], &[0x40; 8], &map].concat();
        let size = u32::try_from(fields.len() + 4).unwrap().to_be_bytes();
        frame(&[&[0x00, 0x53, 0x10, 0xD0], &size[..], &[0, 0, 0, 10], &fields].concat())
    };
    survives(|number, _| number == OPEN.0, change, "nested more than 32 deep").await;
}

#[tokio::test]
async fn a_missing_hub_is_named_with_the_stage_and_counted() {
    let it = OnRig::start().await;
    let metrics = Metrics::default();
    metrics.show_hub_link(it.hub.link());
    it.fault(json!({"action": "refuse-attach", "condition": "amqp:not-found"})).await;
    let error = it.hub.send(batch(0), soon()).await.unwrap_err();
    let HubError::Refused { condition, description, .. } = &error else { panic!("{error}") };
    let port = it.rig.hub_access().0.port;
    let expected = format!("127.0.0.1:{port}, stage attach: this namespace has no hub {}: ", it.rig.hub());
    assert!(condition == "amqp:not-found" && description.starts_with(&expected), "{error}");
    let shows = |line: &str| metrics.text().lines().any(|found| found == line);
    assert!(
        shows("flowlog_hub_link_failures_total 1") && shows("flowlog_hub_connected 0"),
        "{}",
        metrics.text()
    );
    it.hub.send(batch(0), soon()).await.unwrap();
    assert!(
        shows("flowlog_hub_link_failures_total 1") && shows("flowlog_hub_connected 1"),
        "{}",
        metrics.text()
    );
    it.hub.close(soon()).await;
    assert!(shows("flowlog_hub_connected 0"), "{}", metrics.text());
}

#[tokio::test]
async fn a_silent_peer_is_named_with_the_stage() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let rig = Rig::start().await;
    let (address, access) = rig.hub_access();
    let options = flowlog_forwarder::azure::event_hubs::HubOptions {
        connect_timeout: Duration::from_millis(50),
        ..quick()
    };
    let hub = EventHub::new(HubAddress { port, ..address }, access, options);
    let error =
        hub.send(batch(0), Instant::now() + Duration::from_millis(300)).await.unwrap_err().to_string();
    assert!(error.contains(&format!("127.0.0.1:{port}, stage AMQP: not done within 50ms")), "{error}");
}

/// A credential whose endpoint fails.
#[derive(Debug)]
struct FailingCredential;

#[async_trait]
impl TokenCredential for FailingCredential {
    async fn get_token(
        &self,
        _: &[&str],
        _: Option<TokenRequestOptions<'_>>,
    ) -> azure_core::Result<AccessToken> {
        Err(Error::with_message(ErrorKind::Credential, "none"))
    }
}

#[tokio::test]
async fn an_identity_outage_is_named_in_the_hubs_error() {
    let rig = Rig::start().await;
    let tokens = TokenCache::new(HUB_SCOPE, "127.0.0.1:41999".into(), || Ok(Arc::new(FailingCredential)));
    let access = HubCredential::Identity { tokens: Arc::new(tokens), client_id: None };
    let hub = EventHub::new(rig.hub_access().0, access, quick());
    let error = hub.send(batch(0), Instant::now() + Duration::from_secs(11)).await.unwrap_err().to_string();
    let expected =
        "stage token: gave up after 9 s waiting for a token from the identity endpoint 127.0.0.1:41999";
    assert!(error.contains(expected), "{error}");
}

#[test]
fn a_sender_task_that_ended_is_started_again() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (first, second) = (runtime(), runtime());
    let it = first.block_on(OnRig::start());
    first.block_on(it.hub.send(batch(0), soon())).unwrap();
    // This ends the task.
    drop(first);
    second.block_on(async {
        it.hub.send(batch(300), soon()).await.unwrap();
    });
}
