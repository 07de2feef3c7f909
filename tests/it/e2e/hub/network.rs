//! Networks and servers that go silent.

use crate::support::hub::{OnRig, batch, batch_of, origin, quick, soon, within};
use crate::support::rig::Rig;
use flowlog_forwarder::azure::event_hubs::{EventHub, HubAddress, HubOptions};
use flowlog_forwarder::message::Batch;
use flowlog_forwarder::ports::hub::{Hub as _, HubError};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};

#[tokio::test]
async fn a_silent_server_costs_only_the_connect_timeout() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let address = HubAddress { host: "127.0.0.1".into(), port, tls: false, hub: "flow".into() };
    let (_, access) = Rig::start().await.hub_access();
    let options = HubOptions { connect_timeout: Duration::from_millis(100), ..quick() };
    let hub = EventHub::new(address, access, options);
    let error = hub.send(batch(0), within(1000)).await.unwrap_err();
    let HubError::Unreachable { reason, .. } = &error else { panic!("{error}") };
    assert!(reason.contains("100ms"), "{reason}");
    // There were several attempts, and each closed its socket.
    for _ in 0..2 {
        let (stream, _) = listener.accept().await.unwrap();
        let mut bytes = Vec::new();
        let mut stream = stream;
        tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut bytes).await.unwrap();
    }
}

/// A proxy between the producer and the stand-in. Frozen, it keeps the sockets open but moves no more bytes, as
/// when a route is lost; later connections work again.
async fn freezer(port: u16) -> (u16, Arc<AtomicBool>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let own = listener.local_addr().unwrap().port();
    let freeze = Arc::new(AtomicBool::new(false));
    let shared = Arc::clone(&freeze);
    tokio::spawn(async move {
        loop {
            let (client, _) = listener.accept().await.unwrap();
            shared.store(false, Ordering::SeqCst);
            let server = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
            let frozen = Arc::new(AtomicBool::new(false));
            let (from_client, to_client) = client.into_split();
            let (from_server, to_server) = server.into_split();
            tokio::spawn(carry(from_client, to_server, Arc::clone(&shared), Arc::clone(&frozen)));
            tokio::spawn(carry(from_server, to_client, Arc::clone(&shared), frozen));
        }
    });
    (own, freeze)
}

async fn carry(
    mut from: tokio::net::tcp::OwnedReadHalf,
    mut to: tokio::net::tcp::OwnedWriteHalf,
    freeze: Arc<AtomicBool>,
    frozen: Arc<AtomicBool>,
) {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let mut buffer = vec![0; 65_536];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        if freeze.load(Ordering::SeqCst) {
            frozen.store(true, Ordering::SeqCst);
        }
        if frozen.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        if to.write_all(&buffer[..read]).await.is_err() {
            return;
        }
    }
}

#[tokio::test]
async fn a_silent_network_is_replaced_by_a_new_connection() {
    let mut it = OnRig::start().await;
    let (mut address, access) = it.rig.hub_access();
    let (port, freeze) = freezer(address.port).await;
    address.port = port;
    it.hub = Arc::new(EventHub::new(
        address,
        access,
        HubOptions { stall_timeout: Duration::from_millis(300), ..quick() },
    ));
    it.hub.send(batch(0), soon()).await.unwrap();
    freeze.store(true, Ordering::SeqCst);
    // Far more than the buffers of the sockets hold: writes block, too.
    let origin = Arc::new(origin());
    let batches: Vec<Batch> =
        (1..9).map(|number| batch_of(&origin, number * 1_000_000, 1, 1_000_000)).collect();
    let results = it.send_all(batches.clone()).await;
    assert!(results.iter().all(Result::is_ok), "{results:?}");
    assert_eq!(it.body_sizes().await.len(), 9);
}

#[tokio::test]
async fn an_idle_connection_stays_and_a_silent_one_is_replaced_before_a_send() {
    let mut it = OnRig::with(Rig::own(&[]).await, quick());
    let (mut address, access) = it.rig.hub_access();
    let (port, freeze) = freezer(address.port).await;
    address.port = port;
    // Only the idle timeout can help here: a stall would be noticed after the deadline.
    let options = HubOptions {
        idle_timeout: Duration::from_secs(2),
        stall_timeout: Duration::from_mins(10),
        ..quick()
    };
    it.hub = Arc::new(EventHub::new(address, access, options));
    it.hub.send(batch(0), soon()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(4500)).await;
    it.hub.send(batch(300), soon()).await.unwrap();
    assert_eq!(it.stats().await["attaches"], 1, "the service's empty frames keep it alive");
    freeze.store(true, Ordering::SeqCst);
    tokio::time::sleep(Duration::from_millis(4500)).await;
    it.hub.send(batch(600), soon()).await.unwrap();
    assert_eq!((it.received().await.len(), it.stats().await["attaches"].as_u64()), (3, Some(2)));
}
