//! One invocation: from the body that the host posts to the answer it gets.

use super::answer::{Answer, Logs};
use super::body::{LARGEST_BODY, Received};
use crate::host::event::{self, Commit, Event};
use futures_util::{FutureExt as _, StreamExt as _, stream};
use std::fmt;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use tracing::Instrument as _;

/// How many events of one invocation are worked on at once. One is the usual number; a subscription
/// with output batching delivers more.
const EVENTS_AT_ONCE: usize = 16;

/// Longest name of an invocation that is kept, bytes: the host's are GUIDs.
const LONGEST_ID: usize = 64;

/// What the app's functions do.
pub trait Functions: Send + Sync + 'static {
    /// Forwards what the commit has added, or finds that there is nothing to forward.
    fn handle(&self, commit: Commit) -> impl Future<Output = Handled> + Send;

    /// Forwards what events did not bring; says in a line of the log what that was.
    ///
    /// # Errors
    /// With such a line, when nothing could be done, or all of it failed.
    fn sweep(&self) -> impl Future<Output = Result<SweepLine, String>> + Send;

    /// What was done since the start, in `OpenMetrics` text form.
    fn metrics(&self) -> String;

    /// Asks everything under way to save what it has done and to end: the process is about to.
    fn stop(&self);
}

/// What a sweep did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SweepLine {
    /// In a line of the log.
    pub text: String,
    /// Whether somebody should look: some of it failed, or something was found that no sweep can mend.
    pub is_worrying: bool,
}

/// What became of a commit; the text is a line of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Handled {
    /// Records were forwarded.
    Forwarded(String),
    /// Nothing was to be done: all was forwarded before, or the blob is not ours, or gone.
    Nothing(String),
    /// It is about a blob of ours that an event can't be about; nothing was read.
    Refused(String),
    /// What could be forwarded was, but the blob is broken: some of what was committed is not forwarded.
    Broken(String),
    /// It failed in a way that another attempt may mend.
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

/// Works on all events in `body` and answers for them together.
///
/// The rule of the answer: Event Grid delivers again, for a day and with growing pauses, whatever is not
/// answered with 200, and holds back newer events meanwhile. So 500 is for failures that can pass, and
/// everything else gets 200: what is forwarded, what needs no forwarding, and also a body or an event
/// that can't be understood, because it would be no different the next time. The last is logged as an
/// error; what such an event might have announced stays in the blob and is not lost by this answer.
pub(super) async fn run(handler: &impl Functions, id: &str, body: Received) -> Answer {
    let refuse = |reason: &dyn fmt::Display| {
        tracing::error!(invocation = id, "not an invocation: {reason}");
        Answer::ok(format!("not an invocation, and dropped: {reason}"))
    };
    let Received { bytes, mut share } = body;
    let Some(bytes) = bytes else {
        return refuse(&format_args!(
            "the body is larger than {LARGEST_BODY} bytes: ask for smaller batches in the event subscription; the sweep \
             forwards what they were about"
        ));
    };
    let events = match event::parse(&bytes) {
        Ok(events) => events,
        Err(reason) => return refuse(&reason),
    };
    drop(bytes);
    if let Err(error) = share.fit(&events).await {
        tracing::warn!(invocation = id, "not begun: {error}");
        return Answer::failed(error.to_string());
    }
    let mut outcomes =
        pin!(stream::iter(events).map(|event| one(handler, id, event)).buffered(EVENTS_AT_ONCE));
    let (mut logs, mut failed) = (Logs::default(), false);
    while let Some(outcome) = outcomes.next().await {
        failed |= outcome.failed;
        logs.push(outcome.line);
    }
    if failed { Answer::failed(logs) } else { Answer::ok(logs) }
}

/// Sweeps, whatever the timer says about itself: it calls again in a few minutes, so that nothing but the
/// log needs to know of a failure that concerns single blobs. 500 is for a sweep that could do nothing, or in
/// which all that was to be done failed.
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

struct Outcome {
    line: String,
    failed: bool,
}

async fn one(handler: &impl Functions, invocation: &str, event: Event) -> Outcome {
    let commit = match event {
        Event::Commit(commit) => commit,
        Event::Ignored(reason) => {
            tracing::warn!(invocation, "event ignored: {reason}");
            return Outcome { line: format!("event ignored: {reason}"), failed: false };
        }
    };
    let id = commit.id.clone();
    // A panic fails this event alone: the process answers for other invocations at the same time.
    let outcome = AssertUnwindSafe(async { handler.handle(commit).await })
        .catch_unwind()
        .instrument(tracing::info_span!("commit", invocation, event = id))
        .await
        .unwrap_or_else(|_| Handled::Failed("a defect in the forwarder stopped it (see the log)".to_owned()));
    match &outcome {
        Handled::Forwarded(_) | Handled::Nothing(_) => tracing::info!(invocation, event = id, "{outcome}"),
        Handled::Refused(_) | Handled::Broken(_) => tracing::warn!(invocation, event = id, "{outcome}"),
        Handled::Failed(_) => tracing::error!(invocation, event = id, "{outcome}"),
    }
    Outcome { line: format!("event {id}: {outcome}"), failed: matches!(outcome, Handled::Failed(_)) }
}

/// The name of an invocation as the log shows it: the host's GUID, or whatever else calls itself so, cut.
pub(super) fn short_id(id: &str) -> String {
    id.chars().take(LONGEST_ID).collect()
}
