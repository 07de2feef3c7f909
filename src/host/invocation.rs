//! One invocation: from the posted body to the answer.

use super::answer::{Answer, Logs};
use super::body::{LARGEST_BODY, Received};
use crate::host::event::{self, Commit, Event};
use futures_util::{FutureExt as _, StreamExt as _, stream};
use std::fmt;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use tracing::Instrument as _;

/// How many events of one invocation run concurrently. Usually there is one; a subscription with output
/// batching delivers more.
const EVENTS_AT_ONCE: usize = 16;

/// Longest invocation id that is kept, characters: the host's are GUIDs.
const LONGEST_ID: usize = 64;

/// The functions behind the server.
pub trait Functions: Send + Sync + 'static {
    /// Forwards what the commit added, if anything.
    fn handle(&self, commit: Commit) -> impl Future<Output = Handled> + Send;

    /// Forwards what is committed but not checkpointed.
    ///
    /// # Errors
    /// When nothing could be swept, or all of it failed; the text is a log line.
    fn sweep(&self) -> impl Future<Output = Result<SweepLine, String>> + Send;

    /// The metrics as `OpenMetrics` text.
    fn metrics(&self) -> String;

    /// Asks running work to save its progress and end, because the process is about to exit.
    fn stop(&self);
}

/// The result of a sweep.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SweepLine {
    /// The log line.
    pub text: String,
    /// Whether an operator should look. Then the line is logged as a warning.
    pub is_worrying: bool,
}

/// The result of handling a commit; the text is a log line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Handled {
    /// Records were forwarded.
    Forwarded(String),
    /// There was nothing to do: already forwarded, not configured, or deleted.
    Nothing(String),
    /// The blob is configured, but its hour is too old or in the future; nothing was read.
    Refused(String),
    /// Some bytes of the blob are not flow-log records and were not forwarded.
    Broken(String),
    /// Another attempt may succeed.
    Failed(String),
}

impl fmt::Display for Handled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Forwarded(text) => write!(f, "forwarded: {text}"),
            Self::Nothing(text) => write!(f, "nothing to forward: {text}"),
            Self::Refused(text) => write!(f, "not forwarded: {text}"),
            Self::Broken(text) => write!(f, "the blob is broken; forwarded: {text}"),
            Self::Failed(text) => write!(f, "failed: {text}"),
        }
    }
}

/// Handles all events in `body` and gives one answer for them.
///
/// Event Grid redelivers whatever is not answered with 200, for a day with growing pauses, and delays newer
/// events meanwhile. So 500 is for transient failures only. An unreadable body or event gets 200, because a
/// retry would not change it; it is logged, and the sweep forwards the blob.
pub(super) async fn run(functions: &impl Functions, id: &str, body: Received) -> Answer {
    let refuse = |reason: &dyn fmt::Display| {
        tracing::error!(invocation = id, "invalid invocation, dropped: {reason}");
        Answer::ok(format!("invalid invocation, dropped: {reason}"))
    };
    let Received { bytes, mut permit } = body;
    let Some(bytes) = bytes else {
        return refuse(&format_args!(
            "the body is larger than {LARGEST_BODY} bytes: configure smaller batches in the event subscription; the sweep \
             forwards the blobs of these events"
        ));
    };
    let events = match event::parse(&bytes) {
        Ok(events) => events,
        Err(reason) => return refuse(&reason),
    };
    drop(bytes);
    if let Err(error) = permit.fit(&events).await {
        tracing::warn!(invocation = id, "not started: {error}");
        return Answer::failed(error.to_string());
    }
    let mut results =
        pin!(stream::iter(events).map(|event| handle_event(functions, id, event)).buffered(EVENTS_AT_ONCE));
    let (mut logs, mut failed) = (Logs::default(), false);
    while let Some(result) = results.next().await {
        failed |= result.failed;
        logs.push(result.line);
    }
    if failed { Answer::failed(logs) } else { Answer::ok(logs) }
}

/// Sweeps. A failure of single blobs is only logged, because the timer calls again in a few minutes; 500 is
/// for a sweep that could do nothing, or in which everything failed.
pub(super) async fn sweep(functions: &impl Functions, id: &str) -> Answer {
    let swept = functions.sweep().instrument(tracing::info_span!("sweep", invocation = id)).await;
    match swept {
        Ok(SweepLine { text, is_worrying }) => {
            if is_worrying {
                tracing::warn!(invocation = id, "{text}");
            } else {
                tracing::info!(invocation = id, "{text}");
            }
            Answer::ok(text)
        }
        Err(line) => {
            tracing::error!(invocation = id, "{line}");
            Answer::failed(line)
        }
    }
}

struct EventLine {
    line: String,
    failed: bool,
}

async fn handle_event(functions: &impl Functions, invocation: &str, event: Event) -> EventLine {
    let commit = match event {
        Event::Commit(commit) => commit,
        Event::Ignored(reason) => {
            tracing::warn!(invocation, "event ignored: {reason}");
            return EventLine { line: format!("event ignored: {reason}"), failed: false };
        }
    };
    let id = commit.id.clone();
    // A panic must fail this event only: other invocations run in the same process.
    let handled = AssertUnwindSafe(async { functions.handle(commit).await })
        .catch_unwind()
        .instrument(tracing::info_span!("commit", invocation, event = id))
        .await
        .unwrap_or_else(|_| Handled::Failed("a defect in the forwarder stopped it (see the log)".to_owned()));
    match &handled {
        Handled::Forwarded(_) | Handled::Nothing(_) => tracing::info!(invocation, event = id, "{handled}"),
        Handled::Refused(_) | Handled::Broken(_) => tracing::warn!(invocation, event = id, "{handled}"),
        Handled::Failed(_) => tracing::error!(invocation, event = id, "{handled}"),
    }
    EventLine { line: format!("event {id}: {handled}"), failed: matches!(handled, Handled::Failed(_)) }
}

/// Limits an invocation id to [`LONGEST_ID`]: the header is input.
pub(super) fn short_id(id: &str) -> String {
    id.chars().take(LONGEST_ID).collect()
}
