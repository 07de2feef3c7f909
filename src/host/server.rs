//! The HTTP server that the Functions host calls: the custom handler contract, and `GET /metrics`.
//!
//! The host calls `http://127.0.0.1:<port>`: `GET /` until it is answered, to learn that the process is
//! up; then `POST /<function>` for each invocation, many at the same time.

use super::answer::{Answer, Logs};
use super::body::{self, BodyBudget};
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

/// The function that events trigger: the host posts to this path and requires a folder of this name.
pub const EVENT_FUNCTION: &str = "FlowLogBlobCreated";

/// The function that the timer triggers.
pub const SWEEP_FUNCTION: &str = "FlowLogSweep";

/// The content type of `OpenMetrics` text, version 1.0.0 of its specification.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The header that holds the host's id of an invocation; every log line about the invocation shows it.
const INVOCATION_ID: &str = "x-azure-functions-invocationid";

/// How the server ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stopped {
    /// Every invocation was answered.
    Drained,
    /// Some invocations were unfinished at the deadline.
    TimedOut,
}

/// State that all requests share.
struct Shared<H> {
    functions: Arc<H>,
    budget: BodyBudget,
    stopping: Arc<AtomicBool>,
    /// Nothing is ever sent: the channel closes when the last invocation drops its sender.
    running: mpsc::Sender<Infallible>,
}

impl<H> Clone for Shared<H> {
    fn clone(&self) -> Self {
        Self {
            functions: Arc::clone(&self.functions),
            budget: self.budget.clone(),
            stopping: Arc::clone(&self.stopping),
            running: self.running.clone(),
        }
    }
}

/// Serves `functions` on `listener` until `shutdown` is ready. Then it stops the functions, refuses new
/// invocations, and waits at most `drain` for those in progress.
///
/// The host kills its handler without a signal, so correctness must not depend on this shutdown.
pub async fn serve<H: Functions>(
    listener: TcpListener,
    functions: Arc<H>,
    shutdown: impl Future<Output = ()>,
    drain: Duration,
) -> Stopped {
    let (running, mut last_ended) = mpsc::channel(1);
    let (stop, stopped) = oneshot::channel::<Infallible>();
    let stopping = Arc::<AtomicBool>::default();
    let state = Shared {
        functions: Arc::clone(&functions),
        budget: BodyBudget::default(),
        stopping: Arc::clone(&stopping),
        running,
    };
    let server = connections::serve(listener, router(state), async {
        // Returns an error as soon as `stop` is dropped.
        let _ = stopped.await;
    });
    let drained = async {
        server.await;
        last_ended.recv().await;
        Stopped::Drained
    };
    let timed_out = async {
        shutdown.await;
        tracing::info!("stopping: running invocations save their progress and end, new ones are refused");
        stopping.store(true, Ordering::Relaxed);
        functions.stop();
        drop(stop);
        tokio::time::sleep(drain).await;
        tracing::warn!(
            "stopped with unfinished invocations after {drain:?}: the next process continues from the last checkpoints \
             and may repeat the messages sent since"
        );
        Stopped::TimedOut
    };
    tokio::select! {
        biased;
        stopped = drained => stopped,
        stopped = timed_out => stopped,
    }
}

fn router<H: Functions>(state: Shared<H>) -> Router {
    Router::new()
        // Not logged: the host asks forty times a second while it starts, and again all day.
        .route("/", get(|| async { Answer::ok(Logs::default()) }))
        .route("/metrics", get(metrics::<H>))
        .route(&format!("/{EVENT_FUNCTION}"), post(invoke::<H>))
        .route(&format!("/{SWEEP_FUNCTION}"), post(sweep::<H>))
        .fallback(unknown_path)
        .method_not_allowed_fallback(unknown_path)
        .with_state(state)
}

/// Reachable on this machine only: the host forwards no request to this path.
async fn metrics<H: Functions>(State(state): State<Shared<H>>) -> impl IntoResponse {
    ([(CONTENT_TYPE, OPEN_METRICS)], state.functions.metrics())
}

async fn unknown_path() -> Answer {
    Answer::not_found(format!(
        "no such path: the Functions host posts to /{EVENT_FUNCTION} and /{SWEEP_FUNCTION}, named after the folders that \
         hold function.json"
    ))
}

fn invocation_id(head: &Parts) -> String {
    let id = head.headers.get(INVOCATION_ID).and_then(|id| id.to_str().ok()).map(invocation::short_id);
    id.unwrap_or_else(|| "-".to_owned())
}

async fn invoke<H: Functions>(State(state): State<Shared<H>>, request: Request) -> Answer {
    let (head, body) = request.into_parts();
    let id = invocation_id(&head);
    let body = match state.budget.read(body).await {
        Ok(body) => body,
        Err(error) => {
            tracing::warn!(invocation = id, "request not read: {error}");
            return Answer::failed(error.to_string());
        }
    };
    if let Some(refused) = state.refusal(&id) {
        return refused;
    }
    run_detached(async move { invocation::run(&*state.functions, &id, body).await }, state.running).await
}

/// Discards the timer's body (schedule, lateness), which changes nothing. It must be read so that the
/// client can receive the answer.
async fn sweep<H: Functions>(State(state): State<Shared<H>>, request: Request) -> Answer {
    let (head, body) = request.into_parts();
    let id = invocation_id(&head);
    if let Err(error) = body::discard(body).await {
        tracing::debug!(invocation = id, "timer request not read: {error}");
    }
    if let Some(refused) = state.refusal(&id) {
        return refused;
    }
    run_detached(async move { invocation::sweep(&*state.functions, &id).await }, state.running).await
}

impl<H> Shared<H> {
    /// The answer to an invocation that arrives while the process is stopping.
    fn refusal(&self, id: &str) -> Option<Answer> {
        self.stopping.load(Ordering::Relaxed).then(|| {
            tracing::info!(
                invocation = id,
                "not started, because the process is stopping: the host has to call again"
            );
            Answer::failed("not started, because the process is stopping".to_owned())
        })
    }
}

/// Runs an invocation in its own task, so that it ends at a checkpoint even if the host hangs up. `running`
/// keeps [`serve`] waiting for it.
async fn run_detached(
    work: impl Future<Output = Answer> + Send + 'static,
    running: mpsc::Sender<Infallible>,
) -> Answer {
    let task = tokio::spawn(async move {
        let answer = work.await;
        drop(running);
        answer
    });
    task.await.unwrap_or_else(|error| Answer::failed(format!("the invocation failed: {error}")))
}
