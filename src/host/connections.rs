//! Takes connections, and bounds what each may cost: how many there are, how much of a request is read
//! ahead, and how long its head may take.

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

/// How many connections are open at once; more wait to be taken. The host opens one for each invocation
/// under way, and keeps some for the next. A process may have 1,024 files open by default; storage and hub need some.
const MOST_CONNECTIONS: usize = 512;

/// How much of a request is read ahead of whoever takes its body, bytes; the head has to fit.
const READ_AHEAD: usize = 16 << 10;

/// How long a connection may wait for a request and its head. Longer than the host's client keeps an unused
/// connection (a minute, .NET's default), so that a request never meets the end of it.
const HEAD_WITHIN: Duration = Duration::from_mins(2);

/// How long to wait when no connection can be taken, for want of file descriptors say.
const PAUSE: Duration = Duration::from_secs(1);

/// Serves `router` on `listener` until `stop` is ready; then takes no more connections, and returns when
/// those that there are have had their answers.
pub(super) async fn serve(listener: TcpListener, router: Router, stop: impl Future<Output = ()>) {
    let connections = GracefulShutdown::new();
    {
        let take = take(&listener, &router, &connections);
        tokio::select! {
            biased;
            () = stop => {}
            never = take => match never {},
        }
    }
    drop(listener);
    connections.shutdown().await;
}

async fn take(
    listener: &TcpListener,
    router: &Router,
    connections: &GracefulShutdown,
) -> std::convert::Infallible {
    let places = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD_WITHIN).max_buf_size(READ_AHEAD);
    loop {
        // The semaphore is never closed.
        let place = Arc::clone(&places).acquire_owned().await;
        match listener.accept().await {
            Ok((stream, _)) => {
                let service = TowerToHyperService::new(router.clone());
                let connection = connections.watch(http.serve_connection(TokioIo::new(stream), service));
                tokio::spawn(async move {
                    if let Err(error) = connection.await {
                        tracing::debug!("a connection ended: {error}");
                    }
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!("a connection can't be taken, trying again in {PAUSE:?}: {error}");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}
