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
pub(super) struct Supply {
    /// The offset.
    pub(super) from: u64,
    /// What has been read already.
    pub(super) first: Rope,
    /// The windows behind it.
    pub(super) rest: Reader,
}

type Read = JoinHandle<Result<Rope, ReadError>>;

/// The windows of a blob, in order, each read by a task of its own.
pub(super) struct Reader {
    /// Starts one read after the other.
    starts: Box<dyn Iterator<Item = Read> + Send>,
    under_way: VecDeque<Read>,
}

impl Reader {
    /// Starts to read `ranges` of the version `etag` of `blob`. What is under way is given up when the
    /// reader is dropped.
    pub(super) fn start<B: BlobReader>(
        source: &Arc<B>,
        blob: &FlowLogBlob,
        etag: &str,
        ranges: impl Iterator<Item = Range<u64>> + Send + 'static,
    ) -> Self {
        let (source, blob, etag) = (Arc::clone(source), Arc::new(blob.clone()), Arc::<str>::from(etag));
        let starts = ranges.map(move |range| {
            let (source, blob, etag) = (Arc::clone(&source), Arc::clone(&blob), Arc::clone(&etag));
            tokio::spawn(async move {
                source.read(&blob, range, Condition::IfMatch(&etag)).await.map(|chunk| chunk.bytes)
            })
        });
        let mut reader = Self { starts: Box::new(starts), under_way: VecDeque::with_capacity(AHEAD) };
        reader.ask();
        reader
    }

    /// The next window; none behind the last one. The one after those under way is asked for before it
    /// returns.
    ///
    /// # Errors
    /// Whatever the source answered; [`ReadError::Changed`] when another version was committed.
    pub(super) async fn next(&mut self) -> Result<Option<Rope>, ReadError> {
        let Some(read) = self.under_way.front_mut() else { return Ok(None) };
        // A read ends without an answer only when it panicked: this run panics as well.
        let window = read.await.unwrap_or_else(|ended| std::panic::resume_unwind(ended.into_panic()));
        self.under_way.pop_front();
        let window = window?;
        self.ask();
        Ok(Some(window))
    }

    fn ask(&mut self) {
        let free = AHEAD - self.under_way.len();
        self.under_way.extend(self.starts.by_ref().take(free));
    }
}

/// Nothing to read.
impl Default for Reader {
    fn default() -> Self {
        Self { starts: Box::new(std::iter::empty()), under_way: VecDeque::new() }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.under_way.iter().for_each(JoinHandle::abort);
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

    /// Answers each range a second after it was asked for, with the last byte of its offset.
    #[derive(Default)]
    struct Distant {
        asked: Mutex<Vec<Range<u64>>>,
        /// The range that can't be read.
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

    fn read(source: &Arc<Distant>) -> Reader {
        let account = Url::parse("https://memory.blob.core.windows.net/").unwrap();
        let container = Container::new(account, "insights-logs-flowlogflowevent".to_owned());
        let name =
            "flowLogResourceID=/S_RG/NW_LOG/y=2026/m=11/d=22/h=09/m=00/macAddress=002248710000/PT1H.json";
        let blob = container.blob(name).unwrap();
        Reader::start(source, &blob, "0x1", plan::windows(0, 60, WINDOW))
    }

    #[tokio::test(start_paused = true)]
    async fn windows_come_in_order_and_the_next_are_asked_for_before_the_last_has_come() {
        let source = Arc::new(Distant::default());
        let started = Instant::now();
        let mut reader = read(&source);
        for expected in [0, 10, 20, 30, 40, 50] {
            assert_eq!(reader.next().await.unwrap().unwrap().to_bytes()[..], [expected]);
        }
        assert!(matches!(reader.next().await, Ok(None)));
        assert_eq!(started.elapsed(), LATENCY * 6 / u32::try_from(AHEAD).unwrap());
    }

    #[tokio::test(start_paused = true)]
    async fn what_nobody_takes_bounds_what_is_asked_for() {
        let source = Arc::new(Distant::default());
        let mut reader = read(&source);
        sleep(10 * LATENCY).await;
        assert_eq!(source.asked.lock().unwrap().len(), AHEAD);
        reader.next().await.unwrap();
        sleep(10 * LATENCY).await;
        assert_eq!(source.asked.lock().unwrap().len(), AHEAD + 1);
        drop(reader);
        sleep(10 * LATENCY).await;
        assert_eq!(source.asked.lock().unwrap().len(), AHEAD + 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_window_that_can_not_be_read_says_so_in_its_place() {
        let source = Arc::new(Distant { lost: Some(10), ..Distant::default() });
        let mut reader = read(&source);
        assert_eq!(reader.next().await.unwrap().unwrap().to_bytes()[..], [0]);
        assert!(matches!(reader.next().await, Err(ReadError::Changed)));
    }
}
