//! The byte stream under a connection: TCP, with TLS where asked for, and with a way to cut it.

use super::address::HubAddress;
use super::fault::Fault;
use futures_util::task::AtomicWaker;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use rustls_platform_verifier::BuilderVerifierExt as _;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Connects to `address`; with TLS, its certificate must name the host and lead to a root that the platform
/// trusts (which on Linux means `SSL_CERT_FILE` and `SSL_CERT_DIR` where they are set).
pub(super) async fn connect(address: &HubAddress) -> Result<(Stream, CutOnDrop), Fault> {
    let host = address.host.trim_matches(['[', ']']);
    let failed = |what: &str, error: &dyn std::fmt::Display| {
        Fault::Passing(format!("{what} {}:{}: {error}", address.host, address.port))
    };
    let tcp =
        TcpStream::connect((host, address.port)).await.map_err(|error| failed("no connection to", &error))?;
    // A batch's last frame must not wait for the acknowledgement of the one before.
    tcp.set_nodelay(true).map_err(|error| failed("no connection to", &error))?;
    let transport = if address.tls {
        let name = ServerName::try_from(host.to_owned()).map_err(|error| failed("no TLS with", &error))?;
        let config = tls_config().map_err(|error| failed("no TLS with", &error))?;
        let tls = TlsConnector::from(Arc::new(config)).connect(name, tcp).await;
        Transport::Tls(Box::new(tls.map_err(|error| failed("no TLS with", &error))?))
    } else {
        Transport::Plain(tcp)
    };
    let cut = Arc::new(Cut::default());
    Ok((Stream { transport, cut: Arc::clone(&cut) }, CutOnDrop(cut)))
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

#[derive(Debug, Default)]
struct Cut {
    done: AtomicBool,
    reader: AtomicWaker,
    writer: AtomicWaker,
}

/// Cuts the stream when dropped.
///
/// `fe2o3-amqp` runs a connection in a task of its own. When its peer has vanished that task waits in a
/// write until TCP gives up, some fifteen minutes, with socket and buffers; cut, it ends at once.
#[derive(Debug)]
pub(super) struct CutOnDrop(Arc<Cut>);

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
        match &mut this.transport {
            Transport::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            Transport::Tls(stream) => Pin::new(stream).poll_read(context, buffer),
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
        let ((stream, cut), peer) = tokio::join!(async { connect(&address).await.unwrap() }, async {
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
        let fault = connect(&address).await.unwrap_err();
        let Fault::Passing(reason) = fault else { panic!("{fault:?}") };
        assert!(reason.starts_with(&format!("no connection to 127.0.0.1:{port}: ")), "{reason}");
    }
}
