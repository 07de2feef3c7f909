//! The byte stream of a connection: TCP or TLS, with a check of incoming frames and a way to abort it.

use super::frame_check::{FrameCheck, FrameError};
use crate::azure::event_hubs::address::HubAddress;
use crate::azure::event_hubs::attempt::{LinkAttempt, Stage};
use crate::azure::event_hubs::fault::Fault;
use futures_util::task::AtomicWaker;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use rustls_platform_verifier::BuilderVerifierExt as _;
use std::fmt::Display;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, lookup_host};
use tokio::sync::Notify;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_util::either::Either;

/// How much is read at once, bytes.
const READ_BYTES: usize = 8 << 10;

/// Connects to `address`. With TLS the certificate must name the host and chain to a root that the platform trusts
/// (on Linux: `SSL_CERT_FILE` and `SSL_CERT_DIR`, if set).
pub(crate) async fn connect(
    address: &HubAddress,
    attempt: &LinkAttempt,
) -> Result<(Stream, AbortOnDrop), Fault> {
    let host = address.host.trim_matches(['[', ']']);
    let failed = |error: &dyn Display| Fault::Transient(error.to_string());
    let addresses = lookup_host((host, address.port)).await.map_err(|error| failed(&error))?;
    attempt.enter(Stage::Tcp);
    let tcp = connect_to_any(addresses).await?;
    // The last frame of a batch must not wait for the acknowledgement of the frame before.
    tcp.set_nodelay(true).map_err(|error| failed(&error))?;
    let transport = if address.tls {
        attempt.enter(Stage::Tls);
        let name = ServerName::try_from(host.to_owned()).map_err(|error| failed(&error))?;
        let config = tls_config().map_err(|error| failed(&error))?;
        let tls = TlsConnector::from(Arc::new(config)).connect(name, tcp).await;
        Either::Right(Box::new(tls.map_err(|error| failed(&error))?))
    } else {
        Either::Left(tcp)
    };
    attempt.enter(Stage::Amqp);
    let state = Arc::new(StreamState::default());
    let stream = Stream { transport, check: FrameCheck::default(), state: Arc::clone(&state) };
    Ok((stream, AbortOnDrop(state)))
}

/// Connects to the first of `addresses` that accepts.
async fn connect_to_any(addresses: impl Iterator<Item = SocketAddr>) -> Result<TcpStream, Fault> {
    let mut failures = Vec::new();
    for address in addresses {
        match TcpStream::connect(address).await {
            Ok(stream) => return Ok(stream),
            Err(error) => failures.push(format!("{address}: {error}")),
        }
    }
    if failures.is_empty() {
        failures.push("the host name has no address".to_owned());
    }
    Err(Fault::Transient(failures.join("; ")))
}

/// Each connection loads the roots again, so that replaced certificates apply without a restart.
fn tls_config() -> Result<ClientConfig, rustls::Error> {
    Ok(ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_platform_verifier()?
        .with_no_client_auth())
}

/// How a stream ended.
#[derive(Debug, Default)]
pub(crate) struct StreamState {
    aborted: AtomicBool,
    reader: AtomicWaker,
    writer: AtomicWaker,
    /// The frame check that ended the connection, if one did.
    frame_error: OnceLock<FrameError>,
    read_ended: Notify,
}

/// Aborts the stream when dropped.
///
/// `fe2o3-amqp` runs a connection in a task of its own. When the peer has vanished, that task and its buffers wait
/// in a write until TCP times out, some fifteen minutes; after an abort it ends at once. (`TCP_USER_TIMEOUT` would
/// end the write some seconds later, no waiting read, and exists on Linux only.)
#[derive(Debug)]
pub(crate) struct AbortOnDrop(Arc<StreamState>);

impl AbortOnDrop {
    pub(crate) fn state(&self) -> Arc<StreamState> {
        Arc::clone(&self.0)
    }
}

impl StreamState {
    /// Waits until no more data can arrive from the peer. Supports one waiting task.
    pub(crate) async fn read_ended(&self) {
        self.read_ended.notified().await;
    }

    /// The frame error that ended the connection; `fault` when there was none.
    pub(crate) fn root_cause(&self, fault: Fault) -> Fault {
        self.frame_error.get().map_or(fault, |error| Fault::Transient(error.to_string()))
    }
}

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.aborted.store(true, Ordering::Release);
        self.0.reader.wake();
        self.0.writer.wake();
    }
}

/// The stream of one connection.
#[derive(Debug)]
pub(crate) struct Stream {
    transport: Either<TcpStream, Box<TlsStream<TcpStream>>>,
    check: FrameCheck,
    state: Arc<StreamState>,
}

impl Stream {
    /// Registers `waker` to be woken by an abort; fails when the stream is aborted.
    fn check_aborted(&self, waker: &AtomicWaker, context: &Context<'_>) -> io::Result<()> {
        waker.register(context.waker());
        if self.state.aborted.load(Ordering::Acquire) {
            return Err(io::Error::new(io::ErrorKind::ConnectionAborted, "the connection was aborted"));
        }
        Ok(())
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.check_aborted(&this.state.reader, context)?;
        loop {
            let checked = this.check.take(buffer.remaining());
            if !checked.is_empty() || buffer.remaining() == 0 {
                buffer.put_slice(checked);
                return Poll::Ready(Ok(()));
            }
            let mut piece = [0; READ_BYTES];
            let mut piece = ReadBuf::new(&mut piece);
            let read = ready!(Pin::new(&mut this.transport).poll_read(context, &mut piece));
            let checked = read.and_then(|()| {
                this.check.push(piece.filled()).map_err(|error| {
                    // Keeps the first error.
                    let _ = this.state.frame_error.set(error);
                    io::Error::new(io::ErrorKind::InvalidData, error)
                })
            });
            if checked.is_err() || piece.filled().is_empty() {
                this.state.read_ended.notify_one();
                return Poll::Ready(checked);
            }
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.check_aborted(&this.state.writer, context)?;
        Pin::new(&mut this.transport).poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.check_aborted(&this.state.writer, context)?;
        Pin::new(&mut this.transport).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.check_aborted(&this.state.writer, context)?;
        Pin::new(&mut this.transport).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    async fn connected() -> (Stream, AbortOnDrop, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let address = HubAddress { host: "127.0.0.1".into(), port, tls: false, hub: "flow".into() };
        let ((stream, abort), peer) =
            tokio::join!(async { connect(&address, &LinkAttempt::default()).await.unwrap() }, async {
                listener.accept().await.unwrap().0
            });
        (stream, abort, peer)
    }

    #[tokio::test]
    async fn an_abort_ends_a_waiting_read_and_a_stuck_write() {
        let (stream, abort, _peer) = connected().await;
        let (mut reader, mut writer) = tokio::io::split(stream);
        let read = tokio::spawn(async move { reader.read_u8().await.unwrap_err().kind() });
        // The peer does not read: the write fills the socket's buffers and blocks.
        let write =
            tokio::spawn(async move { writer.write_all(&vec![0; 64 << 20]).await.unwrap_err().kind() });
        tokio::task::yield_now().await;
        drop(abort);
        assert_eq!(read.await.unwrap(), io::ErrorKind::ConnectionAborted);
        assert_eq!(write.await.unwrap(), io::ErrorKind::ConnectionAborted);
    }

    #[tokio::test]
    async fn a_refused_connection_is_transient_and_names_the_address() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let address = HubAddress { host: "127.0.0.1".into(), port, tls: false, hub: "flow".into() };
        let fault = connect(&address, &LinkAttempt::default()).await.unwrap_err();
        let Fault::Transient(reason) = fault else { panic!("{fault:?}") };
        assert!(reason.starts_with(&format!("127.0.0.1:{port}: ")), "{reason}");
    }
}
