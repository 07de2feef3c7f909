//! Deletes rows older than the retention.

use super::container::ContainerSweep;
use super::pages::RowPages;
use super::report::SweepReport;
use super::run::SweepRun;
use crate::flow_log::CheckpointKey;
use crate::ports::SweepPorts;
use crate::ports::checkpoints::{CheckpointTable, LARGEST_PAGE, Rows, StoreError};
use futures_util::{StreamExt as _, stream};
use time::Date;
use tokio::time::{Instant, timeout_at};

/// How many old rows one sweep reads and deletes. With a sweep every five minutes this is enough for 12,000
/// network interfaces.
const LIMIT: u32 = 1_000;

/// How many deletions are under way at once.
const AT_ONCE: usize = 8;

impl<P: SweepPorts> SweepRun<'_, P> {
    /// Deletes rows older than the retention, but keeps those of hours that are not closed in every
    /// container. Without containers no hour is known to be closed, so nothing is deleted.
    pub(super) async fn delete_old_rows(&self, containers: &[ContainerSweep], report: &mut SweepReport) {
        let Some(oldest_open) = containers.iter().map(|sweep| sweep.watermark.date()).min() else { return };
        let first_kept = oldest_open.min(self.options.retention.first_day(self.now));
        match delete_rows_before(self.table, first_kept, self.now, self.deadlines.end).await {
            Ok(deleted) => report.deleted = deleted,
            Err(error) => {
                tracing::warn!("old checkpoints were not deleted: {error}");
                report.note_failure(error);
            }
        }
    }
}

/// Deletes rows of days before `first_kept`, until `deadline`, and returns how many. Leaves rows that another
/// process changes or deletes meanwhile, and claimed rows: somebody forwards an old blob on purpose.
async fn delete_rows_before(
    table: &impl CheckpointTable,
    first_kept: Date,
    now: u64,
    deadline: Instant,
) -> Result<u64, StoreError> {
    let mut pages = RowPages::new(table, Rows::Partitions(CheckpointKey::partitions_before(first_kept)));
    let (mut deleted, mut left) = (0, LIMIT);
    while left > 0
        && Instant::now() < deadline
        && let Ok(page) = timeout_at(deadline, pages.next(left.min(LARGEST_PAGE))).await
        && let Some(rows) = page?
    {
        left = left.saturating_sub(u32::try_from(rows.len()).unwrap_or(u32::MAX));
        let unclaimed = rows.iter().filter(|stored| !stored.row.is_claimed(now));
        let deletions: Vec<_> = unclaimed.map(|stored| table.delete(&stored.key, &stored.version)).collect();
        let mut deletions = stream::iter(deletions).buffer_unordered(AT_ONCE);
        while Instant::now() < deadline
            && let Ok(Some(deletion)) = timeout_at(deadline, deletions.next()).await
        {
            match deletion {
                Ok(()) => deleted += 1,
                Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok(deleted)
}
