//! Reads windows of one blob version ahead of the cutter.

use crate::flow_log::FlowLogBlob;
use crate::flow_log::rope::Rope;
use crate::forward::plan::AHEAD;
use crate::ports::blobs::{BlobReader, Condition, ReadError};
use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;
use tokio::task::JoinHandle;

/// The bytes of a blob from an offset on.
pub(super) struct Input {
    /// The offset.
    pub(super) from: u64,
    /// The window that was read when the blob was opened.
    pub(super) first: Option<Rope>,
    /// The windows after it.
    pub(super) rest: WindowReader,
}

type Read = JoinHandle<Result<Rope, ReadError>>;

/// The windows of a blob, in order, each read by a task of its own.
pub(super) struct WindowReader {
    /// Starts the next read.
    starts: Box<dyn Iterator<Item = Read> + Send>,
    in_flight: VecDeque<Read>,
}

impl WindowReader {
    /// Starts to read `ranges` of the version `etag` of `blob`. Dropping the reader aborts its reads.
    pub(super) fn start<B: BlobReader>(
        blobs: &Arc<B>,
        blob: &FlowLogBlob,
        etag: &str,
        ranges: impl Iterator<Item = Range<u64>> + Send + 'static,
    ) -> Self {
        let (blobs, blob, etag) = (Arc::clone(blobs), Arc::new(blob.clone()), Arc::<str>::from(etag));
        let starts = ranges.map(move |range| {
            let (blobs, blob, etag) = (Arc::clone(&blobs), Arc::clone(&blob), Arc::clone(&etag));
            tokio::spawn(async move {
                blobs.read(&blob, range, Condition::IfMatch(&etag)).await.map(|chunk| chunk.bytes)
            })
        });
        let mut reader = Self { starts: Box::new(starts), in_flight: VecDeque::with_capacity(AHEAD) };
        reader.start_reads();
        reader
    }

    /// The next window; `None` after the last one. Starts another read before it returns.
    ///
    /// # Errors
    /// The answer to the read; [`ReadError::Changed`] when another version was committed.
    pub(super) async fn next(&mut self) -> Result<Option<Rope>, ReadError> {
        let Some(read) = self.in_flight.front_mut() else { return Ok(None) };
        // A read ends without an answer only if it panicked; then this run panics too.
        let window = read.await.unwrap_or_else(|ended| std::panic::resume_unwind(ended.into_panic()));
        self.in_flight.pop_front();
        let window = window?;
        self.start_reads();
        Ok(Some(window))
    }

    fn start_reads(&mut self) {
        let free = AHEAD - self.in_flight.len();
        self.in_flight.extend(self.starts.by_ref().take(free));
    }
}

/// Nothing to read.
impl Default for WindowReader {
    fn default() -> Self {
        Self { starts: Box::new(std::iter::empty()), in_flight: VecDeque::new() }
    }
}

impl Drop for WindowReader {
    fn drop(&mut self) {
        self.in_flight.iter().for_each(JoinHandle::abort);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow_log::Container;
    use crate::forward::plan;
    use crate::ports::blobs::Chunk;
    use bytes::Bytes;
    use std::sync::Mutex;
    use std::time::Duration;
    use tokio::time::{Instant, sleep};
    use url::Url;

    const LATENCY: Duration = Duration::from_secs(1);
    const WINDOW: u64 = 10;

    /// Answers each range after a second with the last byte of its offset.
    #[derive(Default)]
    struct Distant {
        asked: Mutex<Vec<Range<u64>>>,
        /// The start of the range that can't be read.
        lost: Option<u64>,
    }

    impl BlobReader for Distant {
        async fn read(
            &self,
            _: &FlowLogBlob,
            range: Range<u64>,
            _: Condition<'_>,
        ) -> Result<Chunk, ReadError> {
            self.asked.lock().unwrap().push(range.clone());
            sleep(LATENCY).await;
            if self.lost == Some(range.start) {
                return Err(ReadError::Changed);
            }
            let bytes = Rope::from(Bytes::from(vec![range.start.to_le_bytes()[0]; 1]));
            Ok(Chunk { bytes, blob_length: 60, etag: "0x1".to_owned() })
        }

        async fn blocks(&self, _: &FlowLogBlob, _: &str) -> Result<Vec<u64>, ReadError> {
            Ok(Vec::new())
        }
    }

    fn read(blobs: &Arc<Distant>) -> WindowReader {
        let account = Url::parse("https://memory.blob.core.windows.net/").unwrap();
        let container = Container::new(account, "insights-logs-flowlogflowevent".to_owned());
        let name =
            "flowLogResourceID=/S_RG/NW_LOG/y=2026/m=11/d=22/h=09/m=00/macAddress=002248710000/PT1H.json";
        let blob = container.blob(name).unwrap();
        WindowReader::start(blobs, &blob, "0x1", plan::windows(0, 60, WINDOW))
    }

    #[tokio::test(start_paused = true)]
    async fn windows_arrive_in_order_and_are_read_ahead() {
        let blobs = Arc::new(Distant::default());
        let started = Instant::now();
        let mut reader = read(&blobs);
        for expected in [0, 10, 20, 30, 40, 50] {
            assert_eq!(reader.next().await.unwrap().unwrap().to_bytes()[..], [expected]);
        }
        assert!(matches!(reader.next().await, Ok(None)));
        assert_eq!(started.elapsed(), LATENCY * 6 / u32::try_from(AHEAD).unwrap());
    }

    #[tokio::test(start_paused = true)]
    async fn reads_wait_until_a_window_is_taken() {
        let blobs = Arc::new(Distant::default());
        let mut reader = read(&blobs);
        sleep(10 * LATENCY).await;
        assert_eq!(blobs.asked.lock().unwrap().len(), AHEAD);
        reader.next().await.unwrap();
        sleep(10 * LATENCY).await;
        assert_eq!(blobs.asked.lock().unwrap().len(), AHEAD + 1);
        drop(reader);
        sleep(10 * LATENCY).await;
        assert_eq!(blobs.asked.lock().unwrap().len(), AHEAD + 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_failed_read_is_returned_in_its_place() {
        let blobs = Arc::new(Distant { lost: Some(10), ..Distant::default() });
        let mut reader = read(&blobs);
        assert_eq!(reader.next().await.unwrap().unwrap().to_bytes()[..], [0]);
        assert!(matches!(reader.next().await, Err(ReadError::Changed)));
    }
}
