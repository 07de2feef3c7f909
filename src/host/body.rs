//! Reads the bodies of requests: each of bounded size, all of them together within one budget of memory,
//! and none for longer than a body takes that is really sent.

use crate::host::event::Event;
use crate::memory::BODIES;
use axum::body::Body;
use futures_util::StreamExt as _;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout, timeout_at};

/// Largest body that is looked at, bytes. Event Grid delivers at most 1 MB at once, and with one event for
/// each invocation, as `function.json` asks for, the host posts about 2 KB.
pub(super) const LARGEST_BODY: usize = 1 << 20;

/// Largest body that is read to its end, bytes, so that the answer can be heard; the host itself takes
/// no more than 100 MiB. What is larger finds the connection closed.
const LARGEST_READ: usize = 128 << 20;

/// What all bodies that are being read, and all events that are being worked on, hold together, bytes.
#[expect(clippy::cast_possible_truncation, reason = "a few MiB")]
pub(super) const ROOM: usize = BODIES as usize;

/// How long a request waits for a part of [`ROOM`]. Event Grid waits 30 s, of which a run has 25.
const WAIT_FOR_ROOM: Duration = Duration::from_secs(5);

/// How long a body may take to arrive. The host sends over loopback, where a megabyte takes milliseconds.
const ARRIVES_WITHIN: Duration = Duration::from_secs(10);

/// The steps in which room for a body is taken, bytes: most bodies need the first alone, and who waits for
/// the last holds little meanwhile, so that large bodies can't lock one another out.
const STEPS: [usize; 3] = [4 << 10, 64 << 10, LARGEST_BODY];

/// Why a body was not read. Another delivery may fare better.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReadError {
    /// The client hung up.
    #[error("the body broke off: {0}")]
    BrokeOff(#[from] axum::Error),
    /// Not all of it came.
    #[error("the body did not arrive within {} s: the connection is closed", ARRIVES_WITHIN.as_secs())]
    Late,
    /// Too many others at once.
    #[error(
        "bodies and events of other invocations hold all {ROOM} bytes that are set aside for them, and none became free \
         within {} s: Event Grid delivers again. If it stays: fewer events a batch, or more instances",
        WAIT_FOR_ROOM.as_secs()
    )]
    NoRoom,
}

/// The memory that bodies and events share.
#[derive(Clone, Debug)]
pub(super) struct Room(Arc<Semaphore>);

impl Default for Room {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(ROOM)))
    }
}

/// A part of the memory that bodies and events share; given back when it is dropped.
#[derive(Debug)]
pub(super) struct Share {
    room: Room,
    taken: Option<OwnedSemaphorePermit>,
}

/// A body that has arrived.
#[derive(Debug)]
pub(super) struct Received {
    /// All of it, or `None` when it is larger than any that the host has reason to send.
    pub(super) bytes: Option<Vec<u8>>,
    /// What it holds of the shared memory.
    pub(super) share: Share,
}

impl Room {
    /// Reads `body` to its end.
    pub(super) async fn read(&self, body: Body) -> Result<Received, ReadError> {
        timeout_at(Instant::now() + ARRIVES_WITHIN, self.read_all(body)).await.map_err(|_| ReadError::Late)?
    }

    async fn read_all(&self, body: Body) -> Result<Received, ReadError> {
        let mut chunks = body.into_data_stream();
        let (mut bytes, mut share, mut length) = (Some(Vec::new()), self.share(), 0);
        while let Some(chunk) = chunks.next().await {
            let chunk = chunk?;
            length += chunk.len();
            if length > LARGEST_BODY {
                bytes = None;
                share = self.share();
            }
            if length > LARGEST_READ {
                break;
            }
            if let Some(bytes) = &mut bytes {
                share.make_room(bytes, chunk.len()).await?;
                bytes.extend_from_slice(&chunk);
            }
        }
        Ok(Received { bytes, share })
    }

    fn share(&self) -> Share {
        Share { room: self.clone(), taken: None }
    }
}

impl Share {
    /// Makes the share as large as what `events` hold.
    pub(super) async fn fit(&mut self, events: &[Event]) -> Result<(), ReadError> {
        self.resize(events.iter().map(Event::size).sum::<usize>().min(ROOM)).await
    }

    /// Makes room in `bytes` for `more`.
    async fn make_room(&mut self, bytes: &mut Vec<u8>, more: usize) -> Result<(), ReadError> {
        let needed = bytes.len() + more;
        if needed > bytes.capacity() {
            let capacity = STEPS.into_iter().find(|step| needed <= *step).unwrap_or(needed);
            self.resize(capacity).await?;
            bytes.reserve_exact(capacity - bytes.len());
        }
        Ok(())
    }

    async fn resize(&mut self, size: usize) -> Result<(), ReadError> {
        let has = self.taken.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        if size <= has {
            drop(self.taken.as_mut().and_then(|taken| taken.split(has - size)));
            return Ok(());
        }
        let more = u32::try_from(size - has).unwrap_or(u32::MAX);
        let acquired = timeout(WAIT_FOR_ROOM, Arc::clone(&self.room.0).acquire_many_owned(more)).await;
        // The semaphore is never closed.
        let acquired = acquired.ok().and_then(Result::ok).ok_or(ReadError::NoRoom)?;
        match &mut self.taken {
            Some(taken) => taken.merge(acquired),
            None => self.taken = Some(acquired),
        }
        Ok(())
    }
}

/// Reads `body` to its end and keeps nothing of it.
pub(super) async fn discard(body: Body) -> Result<(), ReadError> {
    let read = async {
        let (mut chunks, mut length) = (body.into_data_stream(), 0);
        while length <= LARGEST_READ
            && let Some(chunk) = chunks.next().await
        {
            length += chunk?.len();
        }
        Ok(())
    };
    timeout_at(Instant::now() + ARRIVES_WITHIN, read).await.map_err(|_| ReadError::Late)?
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use futures_util::future::join_all;
    use futures_util::stream;
    use std::convert::Infallible;

    /// A body of `chunks` chunks of `size` bytes.
    fn body(chunks: usize, size: usize) -> Body {
        let chunks = (0..chunks).map(move |_| Ok::<_, Infallible>(Bytes::from(vec![b' '; size])));
        Body::from_stream(stream::iter(chunks))
    }

    /// The same, which then brings nothing more.
    fn unfinished(chunks: usize, size: usize) -> Body {
        let chunks = (0..chunks).map(move |_| Ok::<_, Infallible>(Bytes::from(vec![b' '; size])));
        Body::from_stream(stream::iter(chunks).chain(stream::pending()))
    }

    fn free(room: &Room) -> usize {
        room.0.available_permits()
    }

    #[tokio::test]
    async fn a_body_is_whole_and_gives_its_room_back() {
        let room = Room::default();
        for (chunks, size) in [(0, 0), (1, 5), (70_000, 1), (64, LARGEST_BODY / 64), (3, 100_000)] {
            let Received { bytes, share } = room.read(body(chunks, size)).await.unwrap();
            let bytes = bytes.unwrap();
            assert_eq!(bytes.len(), chunks * size);
            assert_eq!(ROOM - free(&room), bytes.capacity(), "all that it holds is counted");
            drop(share);
            assert_eq!(free(&room), ROOM);
        }
    }

    #[tokio::test]
    async fn a_body_that_is_too_large_holds_nothing() {
        let room = Room::default();
        let Received { bytes, share: _share } = room.read(body(2_000, 1_000)).await.unwrap();
        assert_eq!((bytes, free(&room)), (None, ROOM));
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_does_not_arrive_is_given_up() {
        let room = Room::default();
        let began = Instant::now();
        let error = room.read(unfinished(3, 1_000)).await.unwrap_err();
        assert!(matches!(error, ReadError::Late), "{error}");
        assert_eq!((began.elapsed(), free(&room)), (ARRIVES_WITHIN, ROOM));
        assert!(matches!(discard(unfinished(1, 9)).await, Err(ReadError::Late)));
    }

    #[tokio::test(start_paused = true)]
    async fn unfinished_bodies_share_the_room_and_others_are_told() {
        let room = Room::default();
        let bodies = (0..100).map(|_| room.read(unfinished(16, LARGEST_BODY / 16)));
        let errors = join_all(bodies).await.into_iter().map(Result::unwrap_err);
        let (no_room, late): (Vec<_>, Vec<_>) = errors.partition(|error| matches!(error, ReadError::NoRoom));
        assert!(late.iter().all(|error| matches!(error, ReadError::Late)), "{late:?}");
        // Eight fit, less what the others hold that wait.
        assert!((1..=8).contains(&late.len()), "{} and {}", no_room.len(), late.len());
        assert_eq!(free(&room), ROOM);
        assert!(room.read(body(1, 5)).await.is_ok());
    }

    #[tokio::test]
    async fn events_hold_as_much_room_as_memory() {
        let room = Room::default();
        let Received { bytes, mut share } = room.read(body(1, 5)).await.unwrap();
        drop(bytes);
        let events =
            crate::host::event::parse(format!("{{\"Data\":{{\"e\":[{}1]}}}}", "1,".repeat(999)).as_bytes())
                .unwrap();
        share.fit(&events).await.unwrap();
        assert!(ROOM - free(&room) >= 1_000 * size_of::<Event>());
        share.fit(&events[..1]).await.unwrap();
        assert_eq!(ROOM - free(&room), events[0].size());
    }
}
