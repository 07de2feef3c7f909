//! A storage or identity endpoint with endless answers.

use crate::support::blobs::blob_of;
use flowlog_forwarder::azure::storage::{AzureBlobs, AzureTable, http_client};
use flowlog_forwarder::config::Config;
use flowlog_forwarder::flow_log::FlowLogBlob;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// The length of an "endless" answer, bytes.
const ENDLESS: usize = 96 << 20;
/// How much may be sent beyond what is read, bytes: buffers of sockets and of the HTTP client.
const BUFFERED: usize = 24 << 20;

/// An endpoint that answers with a head, a beginning, and `filling` until the client stops reading.
pub struct EndlessEndpoint {
    pub port: u16,
    sent: Arc<AtomicUsize>,
}

impl EndlessEndpoint {
    pub async fn start(head: &'static str, beginning: &'static str, filling: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let sent = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&sent);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer(stream, head, beginning, filling, Arc::clone(&counter)));
            }
        });
        Self { port, sent }
    }

    fn config(&self) -> Config {
        let account = |name: &str| {
            format!(
                "DefaultEndpointsProtocol=http;AccountName={name};AccountKey=c2VjcmV0;BlobEndpoint=http://127.0.0.1:{port}/{name};\
                 TableEndpoint=http://127.0.0.1:{port}/{name}",
                port = self.port
            )
        };
        Config::from_lookup(|setting| match setting {
            "FLOWLOG_STORAGE" => Some(account("logs")),
            "CHECKPOINT_STORAGE" => Some(account("host")),
            "EVENT_HUB_CONNECTION" => Some(
                "Endpoint=sb://127.0.0.1:1;SharedAccessKeyName=k;SharedAccessKey=a;UseDevelopmentEmulator=true;".into(),
            ),
            "EVENT_HUB_NAME" => Some("flow".into()),
            _ => None,
        })
        .unwrap()
    }

    pub fn blobs(&self) -> (AzureBlobs, FlowLogBlob) {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let sources = self.config().sources;
        let blob = blob_of(&sources[0].blob_service, "6045BDAA0001");
        (AzureBlobs::new(&sources, &http_client().unwrap()).unwrap(), blob)
    }

    pub fn table(&self) -> AzureTable {
        let _ = rustls::crypto::ring::default_provider().install_default();
        AzureTable::new(&self.config().checkpoints, &http_client().unwrap()).unwrap()
    }

    pub fn assert_cut_off(&self) {
        let sent = self.sent.load(Ordering::Relaxed);
        assert!(sent < BUFFERED, "{sent} bytes were read");
    }
}

async fn answer(
    mut stream: TcpStream,
    head: &str,
    beginning: &str,
    filling: &str,
    sent: Arc<AtomicUsize>,
) -> std::io::Result<()> {
    let mut request = Vec::new();
    while !request.windows(4).any(|four| four == b"\r\n\r\n") {
        if stream.read_buf(&mut request).await? == 0 {
            return Ok(());
        }
    }
    stream.write_all(format!("HTTP/1.1 {head}\r\nConnection: close\r\n\r\n{beginning}").as_bytes()).await?;
    let filling = filling.repeat((64 << 10) / filling.len().max(1));
    for _ in 0..if filling.is_empty() { 0 } else { ENDLESS / filling.len() } {
        stream.write_all(filling.as_bytes()).await?;
        sent.fetch_add(filling.len(), Ordering::Relaxed);
    }
    Ok(())
}
