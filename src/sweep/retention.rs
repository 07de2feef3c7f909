//! Deletes the rows of days that nobody asks about any more.

use super::hours::Retention;
use crate::checkpoint::{CheckpointTable, LARGEST_PAGE, Rows, StoreError};
use crate::flow_log::CheckpointKey;
use futures_util::{StreamExt as _, stream};
use std::time::Instant;

/// How many rows one sweep looks at and deletes at most: with a sweep every five minutes, those of 12,000
/// network interfaces.
const MOST: u32 = 1_000;

/// How many deletions are under way at once.
const AT_ONCE: usize = 8;

/// Deletes rows older than `retention`, not beginning anything after `until`; returns how many.
/// What another process changes or deletes meanwhile is left to it, and so is what is claimed: somebody
/// forwards an old day on purpose.
pub(super) async fn delete_old_rows(
    table: &impl CheckpointTable,
    retention: Retention,
    now: u64,
    until: Instant,
) -> Result<u64, StoreError> {
    let old = Rows::Partitions(CheckpointKey::partitions_before(retention.first_day(now)));
    let (mut deleted, mut left, mut after) = (0, MOST, None);
    loop {
        let page = table.scan(&old, after.as_ref(), left.min(LARGEST_PAGE)).await?;
        left = left.saturating_sub(u32::try_from(page.rows.len()).unwrap_or(u32::MAX));
        let unclaimed = page.rows.iter().filter(|stored| !stored.row.is_claimed(now));
        let deletions: Vec<_> = unclaimed.map(|stored| table.delete(&stored.key, &stored.version)).collect();
        let mut deletions = stream::iter(deletions).buffer_unordered(AT_ONCE);
        while Instant::now() < until
            && let Some(deletion) = deletions.next().await
        {
            match deletion {
                Ok(()) => deleted += 1,
                Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        after = page.next;
        if after.is_none() || left == 0 || Instant::now() >= until {
            return Ok(deleted);
        }
    }
}
