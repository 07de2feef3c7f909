//! Reads windows of one blob version ahead of the cutter.

use crate::flow_log::FlowLogBlob;
use crate::rope::Rope;
use crate::source::{BlobSource, ReadError, Version};
use std::ops::Range;
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// How many windows wait between storage and the cutter: one being cut, one ready, one on its way.
const AHEAD: usize = 1;

/// The windows of a blob, in order, read by a task of their own.
pub(super) struct Reader {
    windows: mpsc::Receiver<Result<Rope, ReadError>>,
    task: JoinHandle<()>,
}

impl Reader {
    /// Starts to read `ranges` of the version `etag` of `blob`. Stops at the first error, and when
    /// the reader is dropped.
    pub(super) fn start<B: BlobSource>(
        source: &Arc<B>,
        blob: &FlowLogBlob,
        etag: &str,
        ranges: impl Iterator<Item = Range<u64>> + Send + 'static,
    ) -> Self {
        let (filled, windows) = mpsc::channel(AHEAD);
        let (source, blob, etag) = (Arc::clone(source), blob.clone(), etag.to_owned());
        let task = tokio::spawn(async move {
            for range in ranges {
                let read = source.read(&blob, range, Version::Only(&etag)).await.map(|chunk| chunk.bytes);
                let failed = read.is_err();
                if filled.send(read).await.is_err() || failed {
                    return;
                }
            }
        });
        Self { windows, task }
    }

    /// The next window; none behind the last one.
    ///
    /// # Errors
    /// Whatever the source answered; [`ReadError::Changed`] when another version was committed.
    pub(super) async fn next(&mut self) -> Result<Option<Rope>, ReadError> {
        self.windows.recv().await.transpose()
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.task.abort();
    }
}
