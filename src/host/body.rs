//! Reads request bodies: each within a size and a time limit, all of them within one memory budget.

use crate::host::event::Event;
use crate::memory::BODIES;
use axum::body::Body;
use futures_util::StreamExt as _;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout, timeout_at};

/// Largest body that is parsed, bytes. Event Grid delivers at most 1 MB at once; with one event per
/// invocation, as `function.json` requests, the host posts about 2 KB.
pub(super) const LARGEST_BODY: usize = 1 << 20;

/// Largest body that is read to its end, bytes: the client receives an answer only then. The host itself
/// accepts at most 100 MiB. A larger body closes the connection.
const LARGEST_READ: usize = 128 << 20;

/// Memory for all bodies being read and all events being processed, bytes.
#[expect(clippy::cast_possible_truncation, reason = "a few MiB")]
pub(super) const BUDGET: usize = BODIES as usize;

/// How long a request waits for a permit. Event Grid waits 30 s for the answer, and a run may take 25 s.
const PERMIT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a body may take to arrive. The host sends over loopback: a megabyte takes milliseconds.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// Sizes to which a body's permit grows, bytes. Most bodies need only the first. A body that waits for the
/// last holds little meanwhile, so large bodies can't deadlock one another.
const PERMIT_STEPS: [usize; 3] = [4 << 10, 64 << 10, LARGEST_BODY];

/// Why a body was not read; another delivery may succeed.
#[derive(Debug, thiserror::Error)]
pub(super) enum BodyError {
    #[error("request body ended early: {0}")]
    EndedEarly(#[from] axum::Error),
    #[error("request body did not arrive within {} s: connection closed", BODY_TIMEOUT.as_secs())]
    Late,
    #[error(
        "other invocations use all {BUDGET} bytes reserved for request bodies and events, and none became free within {} s: \
         Event Grid delivers again. If this persists, configure smaller batches or add instances",
        PERMIT_TIMEOUT.as_secs()
    )]
    NoMemory,
}

/// The memory that bodies and events share.
#[derive(Clone, Debug)]
pub(super) struct BodyBudget(Arc<Semaphore>);

impl Default for BodyBudget {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(BUDGET)))
    }
}

/// A part of a [`BodyBudget`], released when dropped.
#[derive(Debug)]
pub(super) struct BodyPermit {
    budget: BodyBudget,
    taken: Option<OwnedSemaphorePermit>,
}

/// A body that was read.
#[derive(Debug)]
pub(super) struct Received {
    /// `None` if it is larger than [`LARGEST_BODY`].
    pub(super) bytes: Option<Vec<u8>>,
    pub(super) permit: BodyPermit,
}

impl BodyBudget {
    /// Reads `body` to its end.
    pub(super) async fn read(&self, body: Body) -> Result<Received, BodyError> {
        timeout_at(Instant::now() + BODY_TIMEOUT, self.read_all(body)).await.map_err(|_| BodyError::Late)?
    }

    async fn read_all(&self, body: Body) -> Result<Received, BodyError> {
        let mut chunks = body.into_data_stream();
        let (mut bytes, mut permit, mut length) = (Some(Vec::new()), self.permit(), 0);
        while let Some(chunk) = chunks.next().await {
            let chunk = chunk?;
            length += chunk.len();
            if length > LARGEST_BODY {
                bytes = None;
                permit = self.permit();
            }
            if length > LARGEST_READ {
                break;
            }
            if let Some(bytes) = &mut bytes {
                permit.grow(bytes, chunk.len()).await?;
                bytes.extend_from_slice(&chunk);
            }
        }
        Ok(Received { bytes, permit })
    }

    fn permit(&self) -> BodyPermit {
        BodyPermit { budget: self.clone(), taken: None }
    }
}

impl BodyPermit {
    /// Resizes the permit to the memory of `events`.
    pub(super) async fn fit(&mut self, events: &[Event]) -> Result<(), BodyError> {
        self.resize(events.iter().map(Event::size).sum::<usize>().min(BUDGET)).await
    }

    /// Grows the permit and the capacity of `bytes` for `more` bytes.
    async fn grow(&mut self, bytes: &mut Vec<u8>, more: usize) -> Result<(), BodyError> {
        let needed = bytes.len() + more;
        if needed > bytes.capacity() {
            let capacity = PERMIT_STEPS.into_iter().find(|step| needed <= *step).unwrap_or(needed);
            self.resize(capacity).await?;
            bytes.reserve_exact(capacity - bytes.len());
        }
        Ok(())
    }

    async fn resize(&mut self, size: usize) -> Result<(), BodyError> {
        let has = self.taken.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        if size <= has {
            drop(self.taken.as_mut().and_then(|taken| taken.split(has - size)));
            return Ok(());
        }
        let more = u32::try_from(size - has).unwrap_or(u32::MAX);
        let acquired = timeout(PERMIT_TIMEOUT, Arc::clone(&self.budget.0).acquire_many_owned(more)).await;
        // The semaphore is never closed.
        let acquired = acquired.ok().and_then(Result::ok).ok_or(BodyError::NoMemory)?;
        match &mut self.taken {
            Some(taken) => taken.merge(acquired),
            None => self.taken = Some(acquired),
        }
        Ok(())
    }
}

/// Reads `body` to its end and drops it.
pub(super) async fn discard(body: Body) -> Result<(), BodyError> {
    let read = async {
        let (mut chunks, mut length) = (body.into_data_stream(), 0);
        while length <= LARGEST_READ
            && let Some(chunk) = chunks.next().await
        {
            length += chunk?.len();
        }
        Ok(())
    };
    timeout_at(Instant::now() + BODY_TIMEOUT, read).await.map_err(|_| BodyError::Late)?
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use futures_util::future::join_all;
    use futures_util::stream;
    use std::convert::Infallible;

    fn body(chunks: usize, size: usize) -> Body {
        let chunks = (0..chunks).map(move |_| Ok::<_, Infallible>(Bytes::from(vec![b' '; size])));
        Body::from_stream(stream::iter(chunks))
    }

    /// As [`body`], but never ends.
    fn unfinished(chunks: usize, size: usize) -> Body {
        let chunks = (0..chunks).map(move |_| Ok::<_, Infallible>(Bytes::from(vec![b' '; size])));
        Body::from_stream(stream::iter(chunks).chain(stream::pending()))
    }

    fn free(budget: &BodyBudget) -> usize {
        budget.0.available_permits()
    }

    #[tokio::test]
    async fn a_body_is_read_whole_and_releases_its_memory() {
        let budget = BodyBudget::default();
        for (chunks, size) in [(0, 0), (1, 5), (70_000, 1), (64, LARGEST_BODY / 64), (3, 100_000)] {
            let Received { bytes, permit } = budget.read(body(chunks, size)).await.unwrap();
            let bytes = bytes.unwrap();
            assert_eq!(bytes.len(), chunks * size);
            assert_eq!(BUDGET - free(&budget), bytes.capacity(), "all its memory is counted");
            drop(permit);
            assert_eq!(free(&budget), BUDGET);
        }
    }

    #[tokio::test]
    async fn a_body_that_is_too_large_holds_no_memory() {
        let budget = BodyBudget::default();
        let Received { bytes, permit: _permit } = budget.read(body(2_000, 1_000)).await.unwrap();
        assert_eq!((bytes, free(&budget)), (None, BUDGET));
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_does_not_arrive_times_out() {
        let budget = BodyBudget::default();
        let began = Instant::now();
        let error = budget.read(unfinished(3, 1_000)).await.unwrap_err();
        assert!(matches!(error, BodyError::Late), "{error}");
        assert_eq!((began.elapsed(), free(&budget)), (BODY_TIMEOUT, BUDGET));
        assert!(matches!(discard(unfinished(1, 9)).await, Err(BodyError::Late)));
    }

    #[tokio::test(start_paused = true)]
    async fn unfinished_bodies_share_the_budget_and_others_fail() {
        let budget = BodyBudget::default();
        let bodies = (0..100).map(|_| budget.read(unfinished(16, LARGEST_BODY / 16)));
        let errors = join_all(bodies).await.into_iter().map(Result::unwrap_err);
        let (no_memory, late): (Vec<_>, Vec<_>) =
            errors.partition(|error| matches!(error, BodyError::NoMemory));
        assert!(late.iter().all(|error| matches!(error, BodyError::Late)), "{late:?}");
        // Eight fit, less what the waiting ones hold.
        assert!((1..=8).contains(&late.len()), "{} and {}", no_memory.len(), late.len());
        assert_eq!(free(&budget), BUDGET);
        assert!(budget.read(body(1, 5)).await.is_ok());
    }

    #[tokio::test]
    async fn events_hold_permits_for_their_memory() {
        let budget = BodyBudget::default();
        let Received { bytes, mut permit } = budget.read(body(1, 5)).await.unwrap();
        drop(bytes);
        let events =
            crate::host::event::parse(format!("{{\"Data\":{{\"e\":[{}1]}}}}", "1,".repeat(999)).as_bytes())
                .unwrap();
        permit.fit(&events).await.unwrap();
        assert!(BUDGET - free(&budget) >= 1_000 * size_of::<Event>());
        permit.fit(&events[..1]).await.unwrap();
        assert_eq!(BUDGET - free(&budget), events[0].size());
    }
}
