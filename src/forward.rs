//! Forwards what is new in one blob: read → claim → cut → batch → send → checkpoint.
//!
//! The read comes before the claim, which looks odd and saves money: most events turn out to bring
//! nothing new (late, doubled), and a conditional read finds that out without writing anything. It
//! is safe, for the claim only succeeds on the row from which the read was planned.

mod error;
mod flight;
mod open;
mod outbound;
mod oversize;
mod reader;
mod room;
mod run;
mod turns;

pub use error::ForwardError;

use crate::checkpoint::{CheckpointStore, Wanted};
use crate::config::PartitionKey;
use crate::flow_log::FlowLogBlob;
use crate::hub::Hub;
use crate::ledger::{Claiming, Ledger, Release};
use crate::metrics::Metrics;
use crate::plan::{self, Continuity};
use crate::quarantine::Quarantine;
use crate::random;
use crate::source::BlobSource;
use futures_util::FutureExt;
use room::Room;
use run::Ended;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::time::timeout_at;
use turns::{Memory, Turns};

/// About the wait after a row changed under us; it doubles each time.
const FIRST_WAIT: Duration = Duration::from_millis(5);
/// Where that doubling ends.
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// How a forwarder works; the defaults suit Functions behind Event Grid.
#[derive(Clone, Debug)]
pub struct Options {
    /// Whether messages of one NIC keep their order.
    pub partition_key: PartitionKey,
    /// Upper bound for one message as encoded, bytes; the link's own limit when none or larger.
    pub max_message_bytes: Option<NonZeroUsize>,
    /// Bytes asked for by one ranged GET.
    pub window: u64,
    /// How long one event may take: Event Grid waits 30 s, then delivers again.
    pub budget: Duration,
    /// How often progress is saved inside a run.
    pub save_every: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            partition_key: PartitionKey::None,
            max_message_bytes: None,
            window: plan::WINDOW,
            budget: Duration::from_secs(25),
            save_every: Duration::from_secs(5),
        }
    }
}

/// What came of one event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Forwarded {
    /// Records that the hub accepted.
    pub records: u64,
    /// Messages that the hub accepted.
    pub messages: u64,
    /// Stretches of bytes that were put into quarantine.
    pub quarantined: u64,
    /// Bytes of the blob that were read to find them.
    pub bytes_read: u64,
    /// Whether some of what is committed is not forwarded because it is no flow log: see
    /// [`Progress::is_broken`](crate::checkpoint::Progress::is_broken).
    pub broken: bool,
    /// How the blob was found rewritten, if it was.
    pub rewritten: Option<Continuity>,
    /// Why nothing more was done.
    pub end: End,
}

impl Forwarded {
    /// Notes that the blob's bytes were not those that had been forwarded, if so: loudly, for all of
    /// them are forwarded again.
    fn note_rewrite(&mut self, blob: &FlowLogBlob, how: Option<Continuity>) {
        if let Some(how) = how {
            tracing::warn!(%blob, ?how, "the blob was rewritten: forwarding it again from 0");
            self.rewritten = Some(how);
        }
    }
}

/// Where work on an event ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum End {
    /// At the end of the newest version: everything committed has been accepted by the hub.
    #[default]
    Complete,
    /// With the budget: the rest is the next event's, or the sweep's.
    LeftOver,
    /// At another worker's claim, which knows now that this commit is wanted.
    Elsewhere,
    /// At a blob that is not there any more.
    Gone,
}

/// Forwards blobs from a source to a hub, with checkpoints in a store.
pub struct Forwarder<B, C, H, Q> {
    source: Arc<B>,
    ledger: Ledger<C>,
    hub: Arc<H>,
    quarantine: Q,
    turns: Turns,
    room: Room,
    metrics: Metrics,
    options: Options,
}

/// The parts of an event's time: each leaves enough for what comes after it.
#[derive(Clone, Copy, Debug)]
struct Times {
    arrived: Instant,
    /// No new read or claim after this: what is on its way must still land and be saved.
    work_until: Instant,
    /// The hub has until then to accept a batch; saving the progress fits into the rest.
    send_until: Instant,
    /// Whatever is not done by then is given up.
    end: Instant,
}

impl Times {
    fn within(arrived: Instant, budget: Duration) -> Self {
        Self {
            arrived,
            work_until: arrived + budget * 12 / 20,
            send_until: arrived + budget * 17 / 20,
            end: arrived + budget,
        }
    }
}

impl<B: BlobSource, C: CheckpointStore, H: Hub, Q: Quarantine> Forwarder<B, C, H, Q> {
    /// A forwarder that reads from `source`, sends to `hub`, keeps its books in `ledger`, and puts into
    /// `quarantine` what can't be sent.
    pub fn new(source: Arc<B>, ledger: Ledger<C>, hub: Arc<H>, quarantine: Q, options: Options) -> Self {
        Self {
            source,
            ledger,
            hub,
            quarantine,
            turns: Turns::default(),
            room: Room::default(),
            metrics: Metrics::default(),
            options,
        }
    }

    /// How long one call of [`Forwarder::forward`] may take.
    #[must_use]
    pub fn budget(&self) -> Duration {
        self.options.budget
    }

    /// What has been done so far.
    #[must_use]
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// The same as [`Forwarder::forward`] on behalf of the sweep, in at most the budget of one event and
    /// not beyond `until`.
    ///
    /// # Errors
    /// See [`ForwardError`].
    pub async fn catch_up(
        &self,
        blob: &FlowLogBlob,
        commit: &Wanted,
        until: Instant,
    ) -> Result<Forwarded, ForwardError> {
        let _ = until;
        self.forward(blob, commit, Instant::now()).await
    }

    /// Asks all runs to save what the hub has accepted and to release their claims, because the process is
    /// about to end. Runs that begin later end at once.
    pub fn stop(&self) {}

    /// Forwards everything committed to `blob` that has not been forwarded: at least the commit that
    /// the event named, whose arrival started the clock.
    ///
    /// # Errors
    /// See [`ForwardError`]. What was accepted until then is checkpointed, if the store can be reached.
    pub async fn forward(
        &self,
        blob: &FlowLogBlob,
        commit: &Wanted,
        arrived: Instant,
    ) -> Result<Forwarded, ForwardError> {
        let times = Times::within(arrived, self.options.budget);
        let out_of_time = |_| ForwardError::OutOfTime { blob: blob.url(), budget: self.options.budget };
        let key = blob.checkpoint_key();
        let turn = timeout_at(times.work_until.into(), self.turns.take(&key));
        let result = async {
            let mut memory = turn.await.map_err(out_of_time)?;
            let work = self.in_turn(blob, commit, times, &mut memory);
            timeout_at(times.end.into(), work).await.map_err(out_of_time).flatten()
        };
        let result = result.await;
        self.metrics.count_run(&result);
        result
    }

    /// The work on one event while no other run of this process has the blob.
    async fn in_turn(
        &self,
        blob: &FlowLogBlob,
        commit: &Wanted,
        times: Times,
        memory: &mut Memory,
    ) -> Result<Forwarded, ForwardError> {
        let mut done = Forwarded::default();
        if memory.complete_as_of.is_some_and(|read| read > times.arrived) {
            return Ok(done);
        }
        let mut stale = 0;
        let mut seen = self.recall(blob, memory).await?;
        if seen.row.settles(&commit.etag, blob.hour_end(), self.ledger.now()) {
            memory.seen = Some(seen);
            return Ok(done);
        }
        let _room = self.room.enter(commit.length.saturating_sub(seen.row.progress.offset)).await;
        while Instant::now() < times.work_until {
            let began = Instant::now();
            let ended = match self.open(blob, &seen, &mut done).await {
                Ok(Some(opened)) => {
                    let origin = Arc::clone(&opened.origin);
                    // Asked for now, for the first time it attaches; waited for once the blob is ours.
                    let limits = self.hub.limits(&origin, times.send_until).shared();
                    let _ = limits.clone().now_or_never();
                    match self.ledger.claim(&seen, &opened.row, opened.length, commit).await {
                        Ok(Claiming::Ours(ours)) => {
                            seen = ours;
                            memory.unsaved = None;
                            done.note_rewrite(blob, opened.rewritten);
                            self.run(blob, &mut seen, opened, limits, times, &mut done).await
                        }
                        Ok(Claiming::Theirs) => return Ok(Forwarded { end: End::Elsewhere, ..done }),
                        Ok(Claiming::Stale) => {
                            stale += 1;
                            tokio::time::sleep(back_off(stale)).await;
                            seen = self.ledger.load(blob).await.map_err(ForwardError::checkpoint(blob))?;
                            continue;
                        }
                        Err(error) => return Err(ForwardError::checkpoint(blob)(error)),
                    }
                }
                // The claim of an earlier round is still to be given back.
                Ok(None) => Ended::unchanged(&seen, Ok(())),
                Err(error) => Ended::unchanged(&seen, Err(error)),
            };
            let Ended { progress, finished, result } = ended;
            let mut wanted_more = false;
            if self.ledger.is_ours(&seen) {
                match self.ledger.release(&seen, &progress, finished).await {
                    Ok(Release::Done(released)) => seen = released,
                    Ok(Release::WantedMore(released)) => (seen, wanted_more) = (released, true),
                    Err(error) => {
                        memory.unsaved = Some(progress);
                        return Err(result.err().unwrap_or_else(|| ForwardError::checkpoint(blob)(error)));
                    }
                }
            }
            result?;
            let complete = seen.row.progress.etag.is_some();
            memory.complete_as_of = complete.then_some(began);
            memory.seen = Some(seen.clone());
            if complete && !wanted_more || matches!(done.end, End::LeftOver | End::Gone) {
                return Ok(done);
            }
        }
        Err(ForwardError::OutOfTime { blob: blob.url(), budget: self.options.budget })
    }
}

/// How long to wait before a row is looked at again that has changed under us so many times in a row.
fn back_off(times: u32) -> Duration {
    let wait = FIRST_WAIT.saturating_mul(1 << times.min(16)).min(LONGEST_WAIT);
    wait.mul_f64(0.5 + random::fraction() / 2.0)
}
