//! Forwards what is new in one blob: read → claim → cut → batch → send → checkpoint.
//!
//! The read comes before the claim, which looks odd and saves money: most events turn out to bring
//! nothing new (late, doubled), and a conditional read finds that out without writing anything. It
//! is safe, for the claim only succeeds on the row from which the read was planned.

use crate::batch::{BatchError, Packer};
use crate::checkpoint::{CheckpointStore, Progress, StoreError, Wanted};
use crate::config::PartitionKey;
use crate::cut::{CutError, Cutter, NotHeld};
use crate::flight::{Flight, Mark};
use crate::flow_log::FlowLogBlob;
use crate::hub::{Hub, HubError, Origin};
use crate::ledger::{Claiming, Ledger, LedgerError, Release, Seen};
use crate::plan::{self, Continuity, Trail};
use crate::reader::Reader;
use crate::rope::Rope;
use crate::source::{BlobSource, ReadError, Version};
use crate::turns::{Memory, Turns};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Duration, Instant};

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
    /// Bytes of the blob that were read to find them.
    pub bytes_read: u64,
    /// How the blob was found rewritten, if it was.
    pub rewritten: Option<Continuity>,
    /// Why nothing more was done.
    pub end: End,
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

/// Why an event failed. Event Grid delivers it again; the work goes on from the checkpoint.
#[derive(Debug, thiserror::Error)]
pub enum ForwardError {
    /// Storage.
    #[error("{blob}: {cause}")]
    Read {
        /// The blob's URL.
        blob: String,
        /// What went wrong.
        cause: ReadError,
    },
    /// The checkpoint store.
    #[error("{blob}: {cause}")]
    Checkpoint {
        /// The blob's URL.
        blob: String,
        /// What went wrong.
        cause: LedgerError,
    },
    /// The hub.
    #[error("{blob}, from byte {from}: {cause}")]
    Send {
        /// The blob's URL.
        blob: String,
        /// Everything before this byte has been accepted.
        from: u64,
        /// What went wrong.
        cause: HubError,
    },
    /// The blob is not `{"records":[…]}`.
    #[error("{blob}: {cause}; everything before byte {good} was forwarded")]
    Cut {
        /// The blob's URL.
        blob: String,
        /// The end of the last good record.
        good: u64,
        /// What went wrong.
        cause: CutError,
    },
    /// A record does not fit one message.
    #[error("{blob}: {cause}")]
    Batch {
        /// The blob's URL.
        blob: String,
        /// What went wrong.
        cause: BatchError,
    },
    /// Another event's work on the same blob took all of this one's time.
    #[error("{blob}: other work on this blob took the whole budget of {} s", budget.as_secs())]
    OutOfTime {
        /// The blob's URL.
        blob: String,
        /// The budget.
        budget: Duration,
    },
}

/// Forwards blobs from a source to a hub, with checkpoints in a store.
pub struct Forwarder<B, C, H> {
    source: Arc<B>,
    ledger: Ledger<C>,
    hub: Arc<H>,
    turns: Turns,
    options: Options,
}

/// The parts of an event's time: each leaves enough for what comes after it.
#[derive(Clone, Copy, Debug)]
struct Times {
    /// No new read or claim after this: what is on its way must still land and be saved.
    work_until: Instant,
    /// The hub has until then to accept a batch; saving the progress fits into the rest.
    send_until: Instant,
}

impl Times {
    fn within(arrived: Instant, budget: Duration) -> Self {
        Self { work_until: arrived + budget * 7 / 10, send_until: arrived + budget * 9 / 10 }
    }
}

/// A blob version found to hold bytes that were not forwarded.
struct Opened {
    etag: String,
    length: u64,
    /// The new bytes read so far: they start at the checkpoint's offset.
    first: Rope,
    /// The bytes before them.
    trail: Trail,
    /// When the read began.
    began: Instant,
}

/// How a run ended: `progress` holds whatever came of it.
struct Ended {
    progress: Progress,
    result: Result<(), ForwardError>,
}

impl<B: BlobSource, C: CheckpointStore, H: Hub> Forwarder<B, C, H> {
    /// A forwarder that reads from `source`, sends to `hub` and keeps its books in `ledger`.
    pub fn new(source: Arc<B>, ledger: Ledger<C>, hub: Arc<H>, options: Options) -> Self {
        Self { source, ledger, hub, turns: Turns::default(), options }
    }

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
        let turn = self.turns.take(&blob.checkpoint_key());
        let Ok(mut memory) = tokio::time::timeout_at(times.work_until.into(), turn).await else {
            return Err(ForwardError::OutOfTime { blob: blob.to_string(), budget: self.options.budget });
        };
        let mut done = Forwarded::default();
        if memory.complete_as_of.is_some_and(|read| read > arrived) {
            return Ok(done);
        }
        let mut seen = self.recall(blob, &mut memory).await?;
        if seen.row.covers(&commit.etag) {
            memory.seen = Some(seen);
            return Ok(done);
        }
        loop {
            let Some(opened) = self.open(blob, &mut seen, &mut done).await? else {
                memory.seen = (done.end == End::Complete).then_some(seen);
                return Ok(done);
            };
            let began = opened.began;
            match self.ledger.claim(&seen, opened.length, commit).await.map_err(of(blob))? {
                Claiming::Ours(ours) => seen = ours,
                Claiming::Theirs => return Ok(Forwarded { end: End::Elsewhere, ..done }),
                Claiming::Stale => {
                    seen = self.ledger.load(blob).await.map_err(of(blob))?;
                    continue;
                }
            }
            let Ended { progress, result } = self.run(blob, &mut seen, opened, times, &mut done).await;
            match self.ledger.release(&seen, &progress, result.is_ok()).await {
                Ok(Release::Done(released) | Release::WantedMore(released)) => seen = released,
                Err(error) => {
                    memory.unsaved = Some(progress);
                    return Err(result.err().unwrap_or_else(|| of(blob)(error)));
                }
            }
            result?;
            let complete = seen.row.progress.etag.is_some();
            memory.complete_as_of = complete.then_some(began);
            memory.seen = Some(seen.clone());
            let wanted_more = seen.row.claim.is_some();
            if done.end == End::LeftOver || complete && !wanted_more {
                return Ok(done);
            }
        }
    }

    /// The row as this process remembers it, or as stored.
    async fn recall(&self, blob: &FlowLogBlob, memory: &mut Memory) -> Result<Seen, ForwardError> {
        let unsaved = memory.unsaved.take();
        let mut seen = match memory.seen.take().filter(|_| unsaved.is_none()) {
            Some(seen) => seen,
            None => self.ledger.load(blob).await.map_err(of(blob))?,
        };
        if let Some(progress) = unsaved.filter(|_| self.ledger.is_ours(&seen)) {
            seen.row.progress = progress;
        }
        Ok(seen)
    }

    /// Reads the first new bytes; none when there is nothing new. Notices a rewritten blob.
    async fn open(
        &self,
        blob: &FlowLogBlob,
        seen: &mut Seen,
        done: &mut Forwarded,
    ) -> Result<Option<Opened>, ForwardError> {
        let fail = |cause| ForwardError::Read { blob: blob.to_string(), cause };
        loop {
            let began = Instant::now();
            let progress = &seen.row.progress;
            let range = plan::first_read(progress, self.options.window);
            let version = progress.etag.as_deref().map_or(Version::Any, Version::NewerThan);
            let continuity = match self.source.read(blob, range.clone(), version).await {
                Err(ReadError::Unchanged) => return Ok(None),
                Err(ReadError::NotFound) => {
                    done.end = End::Gone;
                    return Ok(None);
                }
                Err(ReadError::PastEnd) => Continuity::Shrunk,
                Err(cause) => return Err(fail(cause)),
                Ok(chunk) => {
                    done.bytes_read += chunk.bytes.len() as u64;
                    let before = usize::try_from(progress.offset - range.start).unwrap_or(usize::MAX);
                    let guarded = chunk.bytes.slice(0..before).to_bytes();
                    match plan::continuity(progress, &guarded, chunk.blob_length) {
                        Continuity::Grown { skip } => {
                            let mut first = chunk.bytes;
                            first.drop_front(skip);
                            let (etag, length) = (chunk.etag, chunk.blob_length);
                            return Ok(Some(Opened { etag, length, first, trail: Trail::behind(&guarded), began }));
                        }
                        broken => broken,
                    }
                }
            };
            tracing::warn!(%blob, offset = progress.offset, ?continuity,
                "the blob was rewritten: its bytes are not those that were forwarded; forwarding it again from 0");
            done.rewritten = Some(continuity);
            seen.row = seen.row.rewritten();
        }
    }

    /// Sends what `opened` brings and says how far the hub accepted it.
    async fn run(
        &self,
        blob: &FlowLogBlob,
        seen: &mut Seen,
        opened: Opened,
        times: Times,
        done: &mut Forwarded,
    ) -> Ended {
        let mut flight = Flight::new(&*self.hub, times.send_until);
        let result = self.pump(blob, seen, opened, times, done, &mut flight).await;
        let mut progress = seen.row.progress.clone();
        // What landed before a failure counts, too.
        advance(&mut progress, flight.take_landed());
        let result = result.map(|end| {
            progress.etag = end;
        });
        Ended { progress, result }
    }

    /// read → cut → batch → send, with the progress saved now and then. Returns the version whose end
    /// was reached; none when the run stopped before it.
    async fn pump(
        &self,
        blob: &FlowLogBlob,
        seen: &mut Seen,
        opened: Opened,
        times: Times,
        done: &mut Forwarded,
        flight: &mut Flight<'_, H>,
    ) -> Result<Option<String>, ForwardError> {
        let Opened { etag, length, first, mut trail, .. } = opened;
        let Progress { offset, generation, .. } = seen.row.progress;
        let until = seen.row.in_doubt.unwrap_or(length);
        let origin = Arc::new(self.origin(blob, &etag, generation));
        let limits = self.hub.limits(&origin, times.send_until).await.map_err(sent(blob, offset))?;
        let read_to = offset + first.len() as u64;
        let rest = plan::windows(read_to, length, self.options.window);
        let mut reader = Reader::start(&self.source, blob, &etag, rest);
        let mut cutter = if offset == 0 { Cutter::from_start() } else { Cutter::after_record(offset) };
        let mut packer = Packer::new(limits, self.options.max_message_bytes, origin);
        first.pieces().cloned().for_each(|piece| cutter.push(piece));
        todo!()
    }

    fn origin(&self, blob: &FlowLogBlob, etag: &str, generation: u32) -> Origin {
        Origin {
            source: blob.to_string(),
            etag: etag.to_owned(),
            partition_key: (self.options.partition_key == PartitionKey::Nic).then(|| blob.mac.clone()),
            id_prefix: blob.message_id_prefix(generation),
        }
    }
}
