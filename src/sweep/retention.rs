//! Deletes the rows of days that are over and done with.

use crate::flow_log::CheckpointKey;
use crate::ports::checkpoints::{CheckpointTable, LARGEST_PAGE, Rows, StoreError};
use futures_util::{StreamExt as _, stream};
use time::Date;
use tokio::time::{Instant, timeout_at};

/// How many rows one sweep looks at and deletes at most: with a sweep every five minutes, those of 12,000
/// network interfaces.
const MOST: u32 = 1_000;

/// How many deletions are under way at once.
const AT_ONCE: usize = 8;

/// Deletes rows of days before `first_kept`, until `deadline`; returns how many.
/// What another process changes or deletes meanwhile is left to it, and so is what is claimed: somebody
/// forwards an old day on purpose.
pub(super) async fn delete_old_rows(
    table: &impl CheckpointTable,
    first_kept: Date,
    now: u64,
    deadline: Instant,
) -> Result<u64, StoreError> {
    let old = Rows::Partitions(CheckpointKey::partitions_before(first_kept));
    let (mut deleted, mut left, mut after) = (0, MOST, None);
    loop {
        let scan = table.scan(&old, after.as_ref(), left.min(LARGEST_PAGE));
        let Ok(page) = timeout_at(deadline, scan).await else { return Ok(deleted) };
        let page = page?;
        left = left.saturating_sub(u32::try_from(page.rows.len()).unwrap_or(u32::MAX));
        let unclaimed = page.rows.iter().filter(|stored| !stored.row.is_claimed(now));
        let deletions = unclaimed.map(|stored| table.delete(&stored.key, &stored.version));
        let mut deletions = stream::iter(deletions.collect::<Vec<_>>()).buffer_unordered(AT_ONCE);
        while Instant::now() < deadline
            && let Ok(Some(deletion)) = timeout_at(deadline, deletions.next()).await
        {
            match deletion {
                Ok(()) => deleted += 1,
                Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        after = page.next;
        if after.is_none() || left == 0 || Instant::now() >= deadline {
            return Ok(deleted);
        }
    }
}
