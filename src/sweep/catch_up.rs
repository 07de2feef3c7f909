//! Forwards what is behind: several blobs at once, each in turn.

use super::behind::Behind;
use super::report::Swept;
use super::{Step, Sweeper};
use crate::checkpoint::CheckpointTable;
use crate::forward::{End, ForwardError, Forwarded};
use crate::hub::Hub;
use crate::quarantine::Quarantine;
use crate::source::{BlobListing, BlobSource};
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt as _, StreamExt as _};
use std::collections::VecDeque;
use std::panic::AssertUnwindSafe;
use std::time::Instant;

/// A blob to be forwarded.
pub(super) struct Task {
    /// The number of its hour in the sweep.
    pub(super) step: usize,
    pub(super) behind: Behind,
}

/// Why a blob did not catch up.
#[derive(Debug, thiserror::Error)]
enum CatchUpError {
    #[error(transparent)]
    Forward(ForwardError),
    #[error("{blob}: a defect in the forwarder stopped it (see the log)")]
    Defect { blob: String },
}

impl<B, C, H, Q> Sweeper<B, C, H, Q>
where
    B: BlobSource + BlobListing,
    C: CheckpointTable,
    H: Hub,
    Q: Quarantine,
{
    /// Forwards the blobs in `queue`, several at once and each in turn: one with work left over goes to
    /// the queue's end. What is still there after `until` stays there.
    pub(super) async fn forward(
        &self,
        queue: &mut VecDeque<Task>,
        steps: &mut [Step],
        until: Instant,
        swept: &mut Swept,
    ) {
        let mut under_way = FuturesUnordered::new();
        loop {
            while under_way.len() < self.options.at_once
                && Instant::now() < until
                && let Some(task) = queue.pop_front()
            {
                under_way.push(async move { (self.catch_up(&task.behind).await, task) });
            }
            let Some((result, task)) = under_way.next().await else { break };
            match result {
                Ok(done) => {
                    swept.records += done.records;
                    swept.messages += done.messages;
                    swept.quarantined += done.quarantined;
                    match done.end {
                        End::Complete | End::Gone => {
                            swept.caught_up += 1;
                            steps[task.step].open -= 1;
                        }
                        End::LeftOver => queue.push_back(task),
                        End::Elsewhere => swept.at_work += 1,
                    }
                }
                Err(failure) => {
                    tracing::warn!("behind, and failed: {failure}");
                    swept.failed += 1;
                    swept.note(failure);
                }
            }
        }
    }

    /// One turn of one blob. A panic fails this blob alone.
    async fn catch_up(&self, behind: &Behind) -> Result<Forwarded, CatchUpError> {
        let Behind { blob, commit } = behind;
        let forwarding = AssertUnwindSafe(self.forwarder.forward(blob, commit, Instant::now()));
        match forwarding.catch_unwind().await {
            Ok(result) => result.map_err(CatchUpError::Forward),
            Err(_) => Err(CatchUpError::Defect { blob: blob.url() }),
        }
    }
}
