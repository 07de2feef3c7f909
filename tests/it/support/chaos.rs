//! Storage, table and hub that count the calls of all processes, and interfere with the n-th.

use flowlog_forwarder::checkpoint::Checkpoint;
use flowlog_forwarder::flow_log::rope::Rope;
use flowlog_forwarder::flow_log::{CheckpointKey, Container, FlowLogBlob};
use flowlog_forwarder::hour::Hour;
use flowlog_forwarder::message::{Batch, Limits, Origin};
use flowlog_forwarder::ports::blobs::{
    BlobListing, BlobReader, Chunk, Condition, ListError, Names, Page, ReadError,
};
use flowlog_forwarder::ports::checkpoints::{
    CheckpointStore, CheckpointTable, Continuation, RowPage, RowVersion, Rows, StoreError,
};
use flowlog_forwarder::ports::hub::{Hub, HubError};
use flowlog_forwarder::ports::quarantine::{ItemName, Note, Quarantine, QuarantineError};
use flowlog_forwarder::ports::watermark_copy::{WatermarkCopy, WatermarkCopyError};
use std::collections::{BTreeMap, VecDeque};
use std::future::{Future, pending};
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;
use tokio::sync::{Notify, Semaphore, watch};

/// What was asked of the outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Call {
    Read,
    Blocks,
    Load,
    Swap,
    Limits,
    Send,
    Quarantine,
    List,
    Scan,
    Delete,
    Copy,
}

/// On which side of its effect a call is struck.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    Before,
    After,
}

/// What befalls a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// It fails.
    Fail(When),
    /// It never comes back.
    Hang(When),
    /// The process that made it ends, with all its memory.
    Kill(When),
    /// The process that made it does nothing more until it is let go.
    Hold(When),
}

/// The faults of one world, and the calls that its processes made.
pub struct Chaos {
    calls: Mutex<Vec<Call>>,
    acts: BTreeMap<usize, Act>,
    /// A permit for each process that was held.
    held: Semaphore,
    asleep: Mutex<VecDeque<Arc<Life>>>,
    /// Makes calls give way to others, a different number of times each; 0 never does.
    jitter: Mutex<u64>,
}

impl Chaos {
    /// Strikes the calls with these numbers, counted from 0.
    pub fn new(acts: impl IntoIterator<Item = (usize, Act)>) -> Arc<Self> {
        Self::with_jitter(acts, 0)
    }

    /// The same, and lets calls overtake each other as `seed` has it.
    pub fn with_jitter(acts: impl IntoIterator<Item = (usize, Act)>, seed: u64) -> Arc<Self> {
        Arc::new(Self {
            calls: Mutex::default(),
            acts: acts.into_iter().collect(),
            held: Semaphore::new(0),
            asleep: Mutex::default(),
            jitter: Mutex::new(seed),
        })
    }

    /// The calls made so far, in order.
    pub fn calls(&self) -> Vec<Call> {
        self.calls.lock().unwrap().clone()
    }

    /// Waits until a process is held.
    pub async fn held(&self) {
        self.held.acquire().await.unwrap().forget();
    }

    /// Lets the process go that was held first.
    pub fn let_go(&self) {
        let life = self.asleep.lock().unwrap().pop_front().expect("a process that was held");
        life.asleep.send_replace(false);
    }

    fn next(&self, call: Call) -> Option<Act> {
        let mut calls = self.calls.lock().unwrap();
        calls.push(call);
        self.acts.get(&(calls.len() - 1)).copied()
    }

    async fn give_way(&self) {
        let times = {
            let mut state = self.jitter.lock().unwrap();
            *state = random(*state);
            if *state == 0 { 0 } else { *state % 7 }
        };
        for _ in 0..times {
            tokio::task::yield_now().await;
        }
    }
}

/// The number after `state` in a row that looks random (xorshift); 0 stays 0.
pub fn random(mut state: u64) -> u64 {
    state ^= state << 13;
    state ^= state >> 7;
    state ^ (state << 17)
}

/// Whether a process lives, and is awake.
#[derive(Default)]
pub struct Life {
    ended: AtomicBool,
    end: Notify,
    asleep: watch::Sender<bool>,
}

impl Life {
    pub fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Relaxed)
    }

    /// Ready when the process has ended.
    pub async fn ended(&self) {
        let end = self.end.notified();
        if !self.has_ended() {
            end.await;
        }
    }

    fn end(&self) {
        self.ended.store(true, Ordering::Relaxed);
        self.end.notify_waiters();
    }
}

/// One process's way to `inner`.
pub struct Through<T> {
    pub inner: T,
    pub chaos: Arc<Chaos>,
    pub life: Arc<Life>,
}

impl<T> Through<T> {
    async fn pass<A, E>(
        &self,
        call: Call,
        effect: impl Future<Output = Result<A, E>>,
        error: impl FnOnce() -> E,
    ) -> Result<A, E> {
        self.alive().await;
        // Sends may not overtake each other: a hub takes them as they are first polled.
        if call != Call::Send {
            self.chaos.give_way().await;
            self.alive().await;
        }
        let answer = match self.chaos.next(call) {
            None => effect.await,
            Some(Act::Fail(When::Before)) => Err(error()),
            Some(Act::Fail(When::After)) => effect.await.and_then(|_| Err(error())),
            Some(Act::Hang(when)) => {
                if when == When::After {
                    let _ = effect.await;
                }
                pending().await
            }
            Some(Act::Kill(when)) => {
                if when == When::After {
                    let _ = effect.await;
                }
                self.life.end();
                pending().await
            }
            Some(Act::Hold(When::Before)) => {
                self.sleep().await;
                effect.await
            }
            Some(Act::Hold(When::After)) => {
                let answer = effect.await;
                self.sleep().await;
                answer
            }
        };
        self.chaos.give_way().await;
        // The dead hear no answers.
        self.alive().await;
        answer
    }

    async fn sleep(&self) {
        self.life.asleep.send_replace(true);
        self.chaos.asleep.lock().unwrap().push_back(Arc::clone(&self.life));
        self.chaos.held.add_permits(1);
        self.alive().await;
    }

    /// Waits while the process sleeps, and for ever once it has ended: what is left of it does nothing
    /// any more.
    async fn alive(&self) {
        let _ = self.life.asleep.subscribe().wait_for(|asleep| !asleep).await;
        if self.life.has_ended() {
            let () = pending().await;
        }
    }
}

impl<B: BlobReader> BlobReader for Through<B> {
    async fn read(
        &self,
        blob: &FlowLogBlob,
        range: Range<u64>,
        version: Condition<'_>,
    ) -> Result<Chunk, ReadError> {
        let failed = || ReadError::Failed { range: range.clone(), reason: "as told".into() };
        self.pass(Call::Read, self.inner.read(blob, range.clone(), version), failed).await
    }

    async fn blocks(&self, blob: &FlowLogBlob, etag: &str) -> Result<Vec<u64>, ReadError> {
        let failed = || ReadError::NoBlockList { reason: "as told".into() };
        self.pass(Call::Blocks, self.inner.blocks(blob, etag), failed).await
    }
}

impl<C: CheckpointStore> CheckpointStore for Through<C> {
    async fn load(&self, key: &CheckpointKey) -> Result<Option<(Checkpoint, RowVersion)>, StoreError> {
        let failed =
            || StoreError::Failed { key: key.clone(), operation: "reading", reason: "as told".into() };
        self.pass(Call::Load, self.inner.load(key), failed).await
    }

    async fn swap(
        &self,
        key: &CheckpointKey,
        row: &Checkpoint,
        expected: Option<&RowVersion>,
    ) -> Result<RowVersion, StoreError> {
        let failed =
            || StoreError::Failed { key: key.clone(), operation: "writing", reason: "as told".into() };
        self.pass(Call::Swap, self.inner.swap(key, row, expected), failed).await
    }
}

impl<B: BlobListing> BlobListing for Through<B> {
    async fn list(&self, container: &Container, names: Names<'_>) -> Result<Page, ListError> {
        let failed = || ListError::Failed {
            container: container.to_string(),
            prefix: names.prefix.to_owned(),
            reason: "as told".into(),
        };
        self.pass(Call::List, self.inner.list(container, names), failed).await
    }
}

impl<C: CheckpointTable> CheckpointTable for Through<C> {
    async fn scan(
        &self,
        rows: &Rows,
        after: Option<&Continuation>,
        at_most: u32,
    ) -> Result<RowPage, StoreError> {
        let failed = || StoreError::Scan { from: "somewhere".into(), reason: "as told".into() };
        self.pass(Call::Scan, self.inner.scan(rows, after, at_most), failed).await
    }

    async fn delete(&self, key: &CheckpointKey, expected: &RowVersion) -> Result<(), StoreError> {
        let failed =
            || StoreError::Failed { key: key.clone(), operation: "deleting", reason: "as told".into() };
        self.pass(Call::Delete, self.inner.delete(key, expected), failed).await
    }
}

impl<H: Hub> Hub for Through<Arc<H>> {
    async fn limits(&self, origin: &Origin, deadline: Instant) -> Result<Limits, HubError> {
        let failed = || HubError::Unreachable { hub: "memory".into(), reason: "as told".into() };
        self.pass(Call::Limits, self.inner.limits(origin, deadline), failed).await
    }

    async fn send(&self, batch: Batch, deadline: Instant) -> Result<(), HubError> {
        let failed = || HubError::Unsettled { hub: "memory".into(), reason: "as told".into() };
        self.pass(Call::Send, self.inner.send(batch, deadline), failed).await
    }
}

impl<Q: Quarantine> Quarantine for Through<Q> {
    async fn stage(&self, item: &ItemName, piece: u32, bytes: Rope) -> Result<(), QuarantineError> {
        self.pass(Call::Quarantine, self.inner.stage(item, piece, bytes), refused(item)).await
    }

    async fn finish(&self, item: &ItemName, pieces: u32, note: &Note) -> Result<(), QuarantineError> {
        self.pass(Call::Quarantine, self.inner.finish(item, pieces, note), refused(item)).await
    }
}

impl<W: WatermarkCopy> WatermarkCopy for Through<W> {
    async fn load(&self, container: &Container) -> Result<Option<Hour>, WatermarkCopyError> {
        self.pass(Call::Copy, self.inner.load(container), no_copy(container)).await
    }

    async fn store(&self, container: &Container, hour: Hour) -> Result<(), WatermarkCopyError> {
        self.pass(Call::Copy, self.inner.store(container, hour), no_copy(container)).await
    }
}

fn no_copy(container: &Container) -> impl FnOnce() -> WatermarkCopyError {
    || WatermarkCopyError { container: container.to_string(), reason: "as told".into() }
}

fn refused(item: &ItemName) -> impl FnOnce() -> QuarantineError {
    || QuarantineError { item: item.as_str().to_owned(), reason: "as told".into() }
}
