//! Ports of one process: twins whose calls meet the faults of the world.

use crate::support::faults::{Action, Call, Faults, When};
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
use std::future::{Future, pending};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::{Notify, watch};

/// Whether a process lives, and whether it is paused.
#[derive(Default)]
pub struct Life {
    ended: AtomicBool,
    end: Notify,
    paused: watch::Sender<bool>,
}

impl Life {
    pub fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Relaxed)
    }

    /// Waits until the process has ended.
    pub async fn ended(&self) {
        let end = self.end.notified();
        if !self.has_ended() {
            end.await;
        }
    }

    pub(super) fn set_paused(&self, paused: bool) {
        self.paused.send_replace(paused);
    }

    fn end(&self) {
        self.ended.store(true, Ordering::Relaxed);
        self.end.notify_waiters();
    }
}

/// A port of one process.
#[derive(Clone, Default)]
pub struct Faulty<T> {
    pub inner: T,
    pub faults: Arc<Faults>,
    pub life: Arc<Life>,
}

impl<T> Faulty<T> {
    async fn pass<A, E>(
        &self,
        call: Call,
        effect: impl Future<Output = Result<A, E>>,
        error: impl FnOnce(Action) -> E,
    ) -> Result<A, E> {
        self.strike(call, "", effect, error).await.1
    }

    /// Makes a call, with what its fault does; returns its number among calls of its kind, and the answer.
    async fn strike<A, E>(
        &self,
        call: Call,
        target: &str,
        effect: impl Future<Output = Result<A, E>>,
        error: impl FnOnce(Action) -> E,
    ) -> (usize, Result<A, E>) {
        self.alive().await;
        // Sends must not overtake each other: a hub takes them in the order of their first polls.
        if call != Call::Send {
            self.faults.jitter().await;
            self.alive().await;
        }
        let (number, delay, action) = self.faults.next(call, target);
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        let answer = match action {
            None | Some(Action::Delay(_)) => effect.await,
            Some(action @ (Action::Fail(When::Before) | Action::Busy | Action::Refuse)) => Err(error(action)),
            Some(action @ Action::Fail(When::After)) => effect.await.and_then(|_| Err(error(action))),
            Some(Action::Hang(when)) => {
                if when == When::After {
                    let _ = effect.await;
                }
                pending().await
            }
            Some(Action::Kill(when)) => {
                if when == When::After {
                    let _ = effect.await;
                }
                self.life.end();
                pending().await
            }
            Some(Action::Pause(When::Before)) => {
                self.pause().await;
                effect.await
            }
            Some(Action::Pause(When::After)) => {
                let answer = effect.await;
                self.pause().await;
                answer
            }
        };
        self.faults.jitter().await;
        // A process that has ended sees no answer.
        self.alive().await;
        (number, answer)
    }

    async fn pause(&self) {
        self.faults.pause(&self.life);
        self.alive().await;
    }

    /// Waits while the process is paused; never returns once it has ended.
    async fn alive(&self) {
        let _ = self.life.paused.subscribe().wait_for(|paused| !paused).await;
        if self.life.has_ended() {
            let () = pending().await;
        }
    }
}

impl<B: BlobReader> BlobReader for Faulty<B> {
    async fn read(
        &self,
        blob: &FlowLogBlob,
        range: Range<u64>,
        condition: Condition<'_>,
    ) -> Result<Chunk, ReadError> {
        let failed = |_| ReadError::Failed { range: range.clone(), reason: "injected".into() };
        let target = match condition {
            Condition::None => "any",
            Condition::IfNoneMatch(_) => "newer",
            Condition::IfMatch(_) => "only",
        };
        let read = self.inner.read(blob, range.clone(), condition);
        let chunk = self.strike(Call::Read, target, read, failed).await.1?;
        self.faults.note(Call::Read, target, 1);
        Ok(chunk)
    }

    async fn blocks(&self, blob: &FlowLogBlob, etag: &str) -> Result<Vec<u64>, ReadError> {
        let failed = |_| ReadError::NoBlockList { reason: "injected".into() };
        self.pass(Call::Blocks, self.inner.blocks(blob, etag), failed).await
    }
}

impl<C: CheckpointStore> CheckpointStore for Faulty<C> {
    async fn load(&self, key: &CheckpointKey) -> Result<Option<(Checkpoint, RowVersion)>, StoreError> {
        let failed =
            |_| StoreError::Failed { key: key.clone(), operation: "reading", reason: "injected".into() };
        self.pass(Call::Load, self.inner.load(key), failed).await
    }

    async fn swap(
        &self,
        key: &CheckpointKey,
        row: &Checkpoint,
        expected: Option<&RowVersion>,
    ) -> Result<RowVersion, StoreError> {
        let failed =
            |_| StoreError::Failed { key: key.clone(), operation: "writing", reason: "injected".into() };
        self.pass(Call::Swap, self.inner.swap(key, row, expected), failed).await
    }
}

impl<B: BlobListing> BlobListing for Faulty<B> {
    async fn list(&self, container: &Container, names: Names<'_>) -> Result<Page, ListError> {
        let failed = |_| ListError::Failed {
            container: container.to_string(),
            prefix: names.prefix.to_owned(),
            reason: "injected".into(),
        };
        let page = self.strike(Call::List, names.prefix, self.inner.list(container, names), failed).await.1?;
        self.faults.note(Call::List, names.prefix, page.blobs.len());
        Ok(page)
    }
}

impl<C: CheckpointTable> CheckpointTable for Faulty<C> {
    async fn scan(
        &self,
        rows: &Rows,
        after: Option<&Continuation>,
        at_most: u32,
    ) -> Result<RowPage, StoreError> {
        let (Rows::Of { partition: from, .. } | Rows::Partitions(Range { start: from, .. })) = rows;
        let failed = |_| StoreError::Scan { from: from.clone(), reason: "injected".into() };
        let page = self.strike(Call::Scan, from, self.inner.scan(rows, after, at_most), failed).await.1?;
        self.faults.note(Call::Scan, from, page.rows.len());
        Ok(page)
    }

    async fn delete(&self, key: &CheckpointKey, expected: &RowVersion) -> Result<(), StoreError> {
        let failed =
            |_| StoreError::Failed { key: key.clone(), operation: "deleting", reason: "injected".into() };
        self.pass(Call::Delete, self.inner.delete(key, expected), failed).await
    }
}

impl<H: Hub> Hub for Faulty<H> {
    async fn limits(&self, origin: &Origin, deadline: Instant) -> Result<Limits, HubError> {
        let failed = |_| HubError::Unreachable { hub: "memory".into(), reason: "injected".into() };
        self.pass(Call::Limits, self.inner.limits(origin, deadline), failed).await
    }

    async fn send(&self, batch: Batch, deadline: Instant) -> Result<(), HubError> {
        let failed = |action| {
            let hub = "memory".to_owned();
            match action {
                Action::Busy => {
                    HubError::Busy { hub, reason: "50002".to_owned(), retry_after: Duration::ZERO }
                }
                Action::Refuse => {
                    HubError::Refused { hub, condition: "injected".to_owned(), description: String::new() }
                }
                _ => HubError::Unsettled { hub, reason: "injected".to_owned() },
            }
        };
        let send = self.inner.send(batch, deadline);
        let (number, answer) = self.strike(Call::Send, "", send, failed).await;
        // A hub answers by the deadline even when the other answer does not come.
        let _ = tokio::time::timeout_at(deadline.into(), self.faults.wait_for_turn(number)).await;
        self.faults.note_send(number);
        answer
    }
}

impl<Q: Quarantine> Quarantine for Faulty<Q> {
    async fn stage(&self, item: &ItemName, piece: u32, bytes: Rope) -> Result<(), QuarantineError> {
        self.pass(Call::Quarantine, self.inner.stage(item, piece, bytes), refused(item)).await
    }

    async fn finish(&self, item: &ItemName, pieces: u32, note: &Note) -> Result<(), QuarantineError> {
        self.pass(Call::Quarantine, self.inner.finish(item, pieces, note), refused(item)).await
    }
}

impl<W: WatermarkCopy> WatermarkCopy for Faulty<W> {
    async fn load(&self, container: &Container) -> Result<Option<Hour>, WatermarkCopyError> {
        self.pass(Call::Copy, self.inner.load(container), no_copy(container)).await
    }

    async fn store(&self, container: &Container, hour: Hour) -> Result<(), WatermarkCopyError> {
        self.pass(Call::Copy, self.inner.store(container, hour), no_copy(container)).await
    }
}

fn no_copy(container: &Container) -> impl FnOnce(Action) -> WatermarkCopyError {
    |_| WatermarkCopyError { container: container.to_string(), reason: "injected".into() }
}

fn refused(item: &ItemName) -> impl FnOnce(Action) -> QuarantineError {
    |_| QuarantineError { item: item.as_str().to_owned(), reason: "injected".into() }
}
