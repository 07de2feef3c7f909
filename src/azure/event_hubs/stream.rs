//! The byte stream under a connection: TCP, with TLS where asked for, with a guard on what comes in, and with
//! a way to cut it.

use super::address::HubAddress;
use super::attempt::{Attempt, Stage};
use super::fault::Fault;
use super::guard::{Guard, Refused};
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

/// How much is read at once, bytes.
const PIECE: usize = 8 << 10;

/// Connects to `address`; with TLS, its certificate must name the host and lead to a root that the platform
/// trusts (which on Linux means `SSL_CERT_FILE` and `SSL_CERT_DIR` where they are set).
pub(super) async fn connect(address: &HubAddress, attempt: &Attempt) -> Result<(Stream, CutOnDrop), Fault> {
    let host = address.host.trim_matches(['[', ']']);
    let failed = |error: &dyn Display| Fault::Passing(error.to_string());
    let addresses = lookup_host((host, address.port)).await.map_err(|error| failed(&error))?;
    attempt.reach(Stage::Tcp);
    let tcp = connect_to_any(addresses).await?;
    // A batch's last frame must not wait for the acknowledgement of the one before.
    tcp.set_nodelay(true).map_err(|error| failed(&error))?;
    let transport = if address.tls {
        attempt.reach(Stage::Tls);
        let name = ServerName::try_from(host.to_owned()).map_err(|error| failed(&error))?;
        let config = tls_config().map_err(|error| failed(&error))?;
        let tls = TlsConnector::from(Arc::new(config)).connect(name, tcp).await;
        Transport::Tls(Box::new(tls.map_err(|error| failed(&error))?))
    } else {
        Transport::Plain(tcp)
    };
    attempt.reach(Stage::Amqp);
    let cut = Arc::new(Cut::default());
    let stream = Stream { transport, guard: Guard::default(), cut: Arc::clone(&cut) };
    Ok((stream, CutOnDrop(cut)))
}

/// The first of `addresses` that takes the connection.
async fn connect_to_any(addresses: impl Iterator<Item = SocketAddr>) -> Result<TcpStream, Fault> {
    let mut failures = Vec::new();
    for address in addresses {
        match TcpStream::connect(address).await {
            Ok(stream) => return Ok(stream),
            Err(error) => failures.push(format!("{address}: {error}")),
        }
    }
    let none = || "the name has no address".to_owned();
    Err(Fault::Passing(if failures.is_empty() { none() } else { failures.join("; ") }))
}

/// Made for each connection: roots that were replaced on disk are seen at the next one.
fn tls_config() -> Result<ClientConfig, rustls::Error> {
    Ok(ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_platform_verifier()?
        .with_no_client_auth())
}

#[derive(Debug)]
enum Transport {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// Whether a stream was cut, and why.
#[derive(Debug, Default)]
pub(super) struct Cut {
    done: AtomicBool,
    reader: AtomicWaker,
    writer: AtomicWaker,
    /// Why the guard ended the connection, if it did.
    refused: OnceLock<Refused>,
    /// Nothing more comes from the peer.
    silent: Notify,
}

/// Cuts the stream when dropped.
///
/// `fe2o3-amqp` runs a connection in a task of its own. When its peer has vanished that task waits in a
/// write until TCP gives up, some fifteen minutes, with socket and buffers; cut, it ends at once.
#[derive(Debug)]
pub(super) struct CutOnDrop(Arc<Cut>);

impl CutOnDrop {
    /// What knows the cause of the stream's end, also when it was cut.
    pub(super) fn cut(&self) -> Arc<Cut> {
        Arc::clone(&self.0)
    }
}

impl Cut {
    /// Waits until nothing more comes from the peer. For one who waits.
    pub(super) async fn silent(&self) {
        self.silent.notified().await;
    }

    /// `fault`, or what the guard found, which is the cause of all that follows it.
    pub(super) fn cause(&self, fault: Fault) -> Fault {
        self.refused.get().map_or(fault, |refused| Fault::Passing(refused.to_string()))
    }
}

impl Drop for CutOnDrop {
    fn drop(&mut self) {
        self.0.done.store(true, Ordering::Release);
        self.0.reader.wake();
        self.0.writer.wake();
    }
}

/// The stream of one connection.
#[derive(Debug)]
pub(super) struct Stream {
    transport: Transport,
    guard: Guard,
    cut: Arc<Cut>,
}

impl Stream {
    fn check(&self, waker: &AtomicWaker, context: &Context<'_>) -> io::Result<()> {
        waker.register(context.waker());
        if self.cut.done.load(Ordering::Acquire) {
            return Err(io::Error::new(io::ErrorKind::ConnectionAborted, "the connection was given up"));
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
        this.check(&this.cut.reader, context)?;
        loop {
            let checked = this.guard.take(buffer.remaining());
            if !checked.is_empty() || buffer.remaining() == 0 {
                buffer.put_slice(checked);
                return Poll::Ready(Ok(()));
            }
            let mut piece = [0; PIECE];
            let mut piece = ReadBuf::new(&mut piece);
            let read = ready!(match &mut this.transport {
                Transport::Plain(stream) => Pin::new(stream).poll_read(context, &mut piece),
                Transport::Tls(stream) => Pin::new(stream).poll_read(context, &mut piece),
            });
            let taken = read.and_then(|()| {
                this.guard.add(piece.filled()).map_err(|refused| {
                    // The first one is what counts.
                    let _ = this.cut.refused.set(refused);
                    io::Error::new(io::ErrorKind::InvalidData, refused)
                })
            });
            if taken.is_err() || piece.filled().is_empty() {
                this.cut.silent.notify_one();
                return Poll::Ready(taken);
            }
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.check(&this.cut.writer, context)?;
        match &mut this.transport {
            Transport::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Transport::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.check(&this.cut.writer, context)?;
        match &mut this.transport {
            Transport::Plain(stream) => Pin::new(stream).poll_flush(context),
            Transport::Tls(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.check(&this.cut.writer, context)?;
        ready!(match &mut this.transport {
            Transport::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Transport::Tls(stream) => Pin::new(stream).poll_shutdown(context),
        })?;
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    async fn connected() -> (Stream, CutOnDrop, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let address = HubAddress { host: "127.0.0.1".into(), port, tls: false, hub: "flow".into() };
        let ((stream, cut), peer) =
            tokio::join!(async { connect(&address, &Attempt::default()).await.unwrap() }, async {
                listener.accept().await.unwrap().0
            });
        (stream, cut, peer)
    }

    #[tokio::test]
    async fn a_cut_ends_a_read_that_waits_and_a_write_that_is_stuck() {
        let (stream, cut, _peer) = connected().await;
        let (mut reader, mut writer) = tokio::io::split(stream);
        let read = tokio::spawn(async move { reader.read_u8().await.unwrap_err().kind() });
        // Nobody reads at the other end: the write fills the socket's buffers, and stays.
        let write =
            tokio::spawn(async move { writer.write_all(&vec![0; 64 << 20]).await.unwrap_err().kind() });
        tokio::task::yield_now().await;
        drop(cut);
        assert_eq!(read.await.unwrap(), io::ErrorKind::ConnectionAborted);
        assert_eq!(write.await.unwrap(), io::ErrorKind::ConnectionAborted);
    }

    #[tokio::test]
    async fn a_refused_connection_is_a_fault_that_passes_and_names_the_address() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let address = HubAddress { host: "127.0.0.1".into(), port, tls: false, hub: "flow".into() };
        let fault = connect(&address, &Attempt::default()).await.unwrap_err();
        let Fault::Passing(reason) = fault else { panic!("{fault:?}") };
        assert!(reason.starts_with(&format!("127.0.0.1:{port}: ")), "{reason}");
    }
}
