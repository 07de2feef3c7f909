//! The HTTP server that the Functions host talks to: the custom handler contract, and nothing more.
//!
//! The host calls `http://127.0.0.1:<port>`: `GET /` until it is answered, to learn that the process is
//! up, and then `POST /<function>` for each invocation, with many under way at once.

use super::answer::{Answer, Logs};
use super::body::{self, Room};
use super::connections;
use super::invocation::{self, Functions};
use axum::Router;
use axum::extract::{Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};

/// The name of the function that events call: the host posts to it, and its folder has to have it.
pub const FUNCTION: &str = "FlowLogBlobCreated";

/// The name of the function that the timer calls.
pub const SWEEP_FUNCTION: &str = "FlowLogSweep";

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

/// What every request's handler shares.
struct Shared<H> {
    functions: Arc<H>,
    /// The memory for bodies and events.
    room: Room,
    /// Whether the process was asked to stop.
    stopping: Arc<AtomicBool>,
    /// Nothing is ever sent: the channel closes when the last invocation lets go of its end.
    running: mpsc::Sender<Infallible>,
}

impl<H> Clone for Shared<H> {
    fn clone(&self) -> Self {
        Self {
            functions: Arc::clone(&self.functions),
            room: self.room.clone(),
            stopping: Arc::clone(&self.stopping),
            running: self.running.clone(),
        }
    }
}

/// Answers on `listener` until `shutdown` is ready; then asks the functions to stop, takes no more work, and
/// waits at most `drain` for what is under way.
///
/// The host sends no signal before it kills its handler, so nothing may depend on this end being reached.
pub async fn serve<H: Functions>(
    listener: TcpListener,
    handler: Arc<H>,
    shutdown: impl Future<Output = ()>,
    drain: Duration,
) -> Stopped {
    let (running, mut last_ended) = mpsc::channel(1);
    let (stop, stopped) = oneshot::channel::<Infallible>();
    let stopping = Arc::<AtomicBool>::default();
    let state = Shared {
        functions: Arc::clone(&handler),
        room: Room::default(),
        stopping: Arc::clone(&stopping),
        running,
    };
    let server = connections::serve(listener, router(state), async {
        // Ready, with an error, as soon as the other end is dropped.
        let _ = stopped.await;
    });
    let drained = async {
        server.await;
        last_ended.recv().await;
        Stopped::Drained
    };
    let time_is_up = async {
        shutdown.await;
        tracing::info!("asked to stop: runs save their progress and end, and no new work is taken");
        stopping.store(true, Ordering::Relaxed);
        handler.stop();
        drop(stop);
        tokio::time::sleep(drain).await;
        tracing::warn!(
            "stopped with work under way after {drain:?}: the next process goes on from the last checkpoint, and may \
             repeat the messages sent since"
        );
        Stopped::TimedOut
    };
    tokio::select! {
        biased;
        stopped = drained => stopped,
        stopped = time_is_up => stopped,
    }
}

fn router<H: Functions>(state: Shared<H>) -> Router {
    Router::new()
        // The host asks this forty times a second while it waits, and again all day: say nothing of it.
        .route("/", get(|| async { Answer::ok(Logs::default()) }))
        .route("/metrics", get(metrics::<H>))
        .route(&format!("/{FUNCTION}"), post(invoke::<H>))
        .route(&format!("/{SWEEP_FUNCTION}"), post(sweep::<H>))
        .fallback(nothing_here)
        .method_not_allowed_fallback(nothing_here)
        .with_state(state)
}

/// For whoever is on the same machine: the host forwards no request to this path.
async fn metrics<H: Functions>(State(state): State<Shared<H>>) -> impl IntoResponse {
    ([(CONTENT_TYPE, OPEN_METRICS)], state.functions.metrics())
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
async fn invoke<H: Functions>(State(state): State<Shared<H>>, request: Request) -> Answer {
    let (head, body) = request.into_parts();
    let id = id_of(&head);
    let body = match state.room.read(body).await {
        Ok(body) => body,
        Err(error) => {
            tracing::warn!(invocation = id, "the request was not read: {error}");
            return Answer::failed(error.to_string());
        }
    };
    if let Some(refused) = state.refusal(&id) {
        return refused;
    }
    answered(async move { invocation::run(&*state.functions, &id, body).await }, state.running).await
}

/// Sweeps. What the timer says (its schedule, whether it is late) changes nothing, and is read only so
/// that the answer can be heard.
async fn sweep<H: Functions>(State(state): State<Shared<H>>, request: Request) -> Answer {
    let (head, body) = request.into_parts();
    let id = id_of(&head);
    if let Err(error) = body::discard(body).await {
        tracing::debug!(invocation = id, "the timer's request was not read: {error}");
    }
    if let Some(refused) = state.refusal(&id) {
        return refused;
    }
    answered(async move { invocation::sweep(&*state.functions, &id).await }, state.running).await
}

impl<H> Shared<H> {
    /// The answer to an invocation that comes when the process is about to end.
    fn refusal(&self, id: &str) -> Option<Answer> {
        self.stopping.load(Ordering::Relaxed).then(|| {
            tracing::info!(
                invocation = id,
                "not begun, for the process is stopping: the host has to call again"
            );
            Answer::failed("not begun, for the process is stopping".to_owned())
        })
    }
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
    task.await.unwrap_or_else(|error| Answer::failed(format!("the invocation did not end: {error}")))
}
