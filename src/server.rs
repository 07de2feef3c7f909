//! The HTTP server that the Functions host talks to: the custom handler contract, and nothing more.
//!
//! The host calls `http://127.0.0.1:<port>`: `GET /` until it is answered, to learn that the process is
//! up, and then `POST /<function>` for each invocation, with many under way at once.

mod answer;
mod invocation;

pub use invocation::{Functions, Handled, SweepLine};

use answer::Answer;
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};

/// The name of the function that events call: the host posts to it, and its folder has to have it.
pub const FUNCTION: &str = "FlowLogBlobCreated";

/// The name of the function that the timer calls.
pub const SWEEP_FUNCTION: &str = "FlowLogSweep";

/// Largest body that is looked at, bytes. Event Grid delivers at most 1 MB; the host may encode it twice.
const LARGEST_BODY: usize = 8 << 20;

/// Largest body that is read to its end, bytes, so that the answer can be heard; the host itself takes
/// no more than 100 MiB. What is larger finds the connection closed.
const LARGEST_READ: usize = 128 << 20;

/// The content type of `OpenMetrics` text, version 1.0.0 of its specification.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The host's name for an invocation; every line of the log about it carries it.
const INVOCATION_ID: &str = "x-azure-functions-invocationid";

/// How a server came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stopped {
    /// Every invocation was answered.
    Drained,
    /// Some were still under way when the time was up.
    TimedOut,
}

struct Handler<H> {
    handler: Arc<H>,
    /// Nothing is ever sent: the channel closes when the last invocation lets go of its end.
    running: mpsc::Sender<Infallible>,
}

impl<H> Clone for Handler<H> {
    fn clone(&self) -> Self {
        Self { handler: Arc::clone(&self.handler), running: self.running.clone() }
    }
}

/// Answers on `listener` until `shutdown` is ready; then takes no more connections, and waits at most
/// `drain` for what is under way.
///
/// The host sends no signal before it kills its handler, so nothing may depend on this end being reached.
///
/// # Errors
/// When the listener fails for good.
pub async fn serve<H: Functions>(
    listener: TcpListener,
    handler: Arc<H>,
    shutdown: impl Future<Output = ()>,
    drain: Duration,
) -> io::Result<Stopped> {
    let (running, mut last_ended) = mpsc::channel(1);
    let (stop, stopping) = oneshot::channel::<Infallible>();
    let server = axum::serve(listener, router(Handler { handler, running })).with_graceful_shutdown(async {
        // Ready, with an error, as soon as the other end is dropped.
        let _ = stopping.await;
    });
    let drained = async {
        server.await?;
        last_ended.recv().await;
        Ok(Stopped::Drained)
    };
    let time_is_up = async {
        shutdown.await;
        tracing::info!("asked to stop: no new work is taken");
        drop(stop);
        tokio::time::sleep(drain).await;
        tracing::warn!("stopped with work under way: it goes on from its checkpoint");
        Ok(Stopped::TimedOut)
    };
    tokio::select! {
        biased;
        stopped = drained => stopped,
        stopped = time_is_up => stopped,
    }
}

fn router<H: Functions>(state: Handler<H>) -> Router {
    Router::new()
        // The host asks this forty times a second while it waits, and again all day: say nothing of it.
        .route("/", get(|| async { Answer::ok(vec![]) }))
        .route("/metrics", get(metrics::<H>))
        .route(&format!("/{FUNCTION}"), post(invoke::<H>))
        .route(&format!("/{SWEEP_FUNCTION}"), post(sweep::<H>))
        .fallback(nothing_here)
        .method_not_allowed_fallback(nothing_here)
        .with_state(state)
}

/// For whoever is on the same machine: the host forwards no request to this path.
async fn metrics<H: Functions>(State(state): State<Handler<H>>) -> impl IntoResponse {
    ([(CONTENT_TYPE, OPEN_METRICS)], state.handler.metrics())
}

async fn nothing_here() -> Answer {
    Answer::not_found(format!(
        "nothing here: the Functions host posts to /{FUNCTION} and /{SWEEP_FUNCTION}, which must be the names of the folders of function.json"
    ))
}

/// The host's name for an invocation, as the log shows it.
fn id_of(head: &Parts) -> String {
    let id = head.headers.get(INVOCATION_ID).and_then(|id| id.to_str().ok()).map(invocation::short_id);
    id.unwrap_or_else(|| "-".to_owned())
}

/// Works on the events that the host hands over.
async fn invoke<H: Functions>(State(state): State<Handler<H>>, request: Request) -> Answer {
    let (head, body) = request.into_parts();
    let id = id_of(&head);
    match read(body).await {
        Ok(body) => {
            answered(async move { invocation::run(&*state.handler, &id, body).await }, state.running).await
        }
        Err(error) => {
            tracing::warn!(invocation = id, "the body broke off: {error}");
            Answer::failed(vec![format!("the body broke off: {error}")])
        }
    }
}

/// Sweeps. What the timer says (its schedule, whether it is late) changes nothing, and is read only so
/// that the answer can be heard.
async fn sweep<H: Functions>(State(state): State<Handler<H>>, request: Request) -> Answer {
    let (head, body) = request.into_parts();
    let id = id_of(&head);
    if let Err(error) = read(body).await {
        tracing::debug!(invocation = id, "the timer's body broke off: {error}");
    }
    answered(async move { invocation::sweep(&*state.handler, &id).await }, state.running).await
}

/// Runs an invocation in a task of its own: if the host hangs up, work in progress still ends at a
/// checkpoint instead of anywhere. `running` tells the end of the process when it may come.
async fn answered(
    work: impl Future<Output = Answer> + Send + 'static,
    running: mpsc::Sender<Infallible>,
) -> Answer {
    let task = tokio::spawn(async move {
        let answer = work.await;
        drop(running);
        answer
    });
    task.await.unwrap_or_else(|error| Answer::failed(vec![format!("the invocation did not end: {error}")]))
}

/// The whole body, or `None` when it is larger than any that the host has reason to send.
async fn read(body: Body) -> Result<Option<Bytes>, axum::Error> {
    let mut chunks = body.into_data_stream();
    let (mut bytes, mut length) = (BytesMut::new(), 0);
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk?;
        length += chunk.len();
        if length <= LARGEST_BODY {
            bytes.extend_from_slice(&chunk);
        } else if length > LARGEST_READ {
            break;
        }
    }
    Ok(Some(bytes.freeze()).filter(|_| length <= LARGEST_BODY))
}
