//! Accepts connections within limits: their number, the bytes read ahead, and the time a request's head
//! may take.

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

/// Most open connections; others wait in the listener's queue. The host opens one for each running
/// invocation and keeps some for later. The default limit is 1,024 open files, and storage and hub need some.
const MOST_CONNECTIONS: usize = 512;

/// Bytes of a request that are buffered before its body is read; the head must fit.
const READ_AHEAD: usize = 16 << 10;

/// How long a connection may wait for the head of a request. Longer than the host's client keeps an idle
/// connection (one minute, .NET's default), so no request is sent into a connection that is being closed.
const HEAD_TIMEOUT: Duration = Duration::from_mins(2);

/// Back-off after a failed accept, for example without free file descriptors.
const BACKOFF: Duration = Duration::from_secs(1);

/// Serves `router` on `listener` until `stop` is ready; then closes the listener and waits for the open
/// connections to finish.
pub(super) async fn serve(listener: TcpListener, router: Router, stop: impl Future<Output = ()>) {
    let connections = GracefulShutdown::new();
    {
        let accept = accept_all(&listener, &router, &connections);
        tokio::select! {
            biased;
            () = stop => {}
            never = accept => match never {},
        }
    }
    drop(listener);
    connections.shutdown().await;
}

async fn accept_all(
    listener: &TcpListener,
    router: &Router,
    connections: &GracefulShutdown,
) -> std::convert::Infallible {
    let permits = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT).max_buf_size(READ_AHEAD);
    loop {
        // The semaphore is never closed.
        let permit = Arc::clone(&permits).acquire_owned().await;
        match listener.accept().await {
            Ok((stream, _)) => {
                let service = TowerToHyperService::new(router.clone());
                let connection = connections.watch(http.serve_connection(TokioIo::new(stream), service));
                tokio::spawn(async move {
                    if let Err(error) = connection.await {
                        tracing::debug!("connection failed: {error}");
                    }
                    drop(permit);
                });
            }
            Err(error) => {
                tracing::warn!("can't accept a connection, retrying in {BACKOFF:?}: {error}");
                tokio::time::sleep(BACKOFF).await;
            }
        }
    }
}
