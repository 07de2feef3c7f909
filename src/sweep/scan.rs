//! Scans one page of one hour of one flow log: its blobs, and their rows.

use super::compare::{Comparison, ListedBlob, compare};
use super::error::SweepError;
use super::pages::{NamePages, RowPages};
use crate::checkpoint::{BlobVersion, Checkpoint};
use crate::flow_log::{CheckpointKey, Container};
use crate::ports::blobs::{BlobListing, Listed};
use crate::ports::checkpoints::{CheckpointTable, LARGEST_PAGE, RowVersion, Rows, StoreError};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// What a page holds.
#[derive(Debug, Default)]
pub(super) struct ScannedPage {
    /// How many flow-log blobs.
    pub(super) listed: u64,
    /// Time of the newest commit to any of them, in milliseconds since the Unix epoch.
    pub(super) newest_commit: Option<u64>,
    pub(super) comparison: Comparison,
}

/// Lists the next page of `names`, up to `page_size` of them, and compares its blobs with their rows. Costs
/// one call for the names, and one for the rows unless many rows of other blobs lie between them.
///
/// The rows are read after the names: see [`compare`].
pub(super) async fn scan_page(
    listing: &impl BlobListing,
    table: &impl CheckpointTable,
    container: &Container,
    names: &mut NamePages,
    page_size: u32,
    now: u64,
) -> Result<ScannedPage, SweepError> {
    let page = names.next(listing, container, page_size).await?;
    let mut blobs = Vec::with_capacity(page.blobs.len());
    for Listed { name, etag, length, modified } in page.blobs {
        match container.blob(&name) {
            Ok(blob) => blobs.push(ListedBlob { blob, commit: BlobVersion { etag, length }, modified }),
            Err(reason) => tracing::debug!(%container, name, "skipped: the blob {reason}"),
        }
    }
    // One table partition: all blobs of the page have the flow log and the day in common.
    let mut keys_by_partition = BTreeMap::<String, BTreeSet<CheckpointKey>>::new();
    for key in blobs.iter().map(|listed| listed.blob.checkpoint_key()) {
        keys_by_partition.entry(key.partition.clone()).or_default().insert(key);
    }
    let mut rows = HashMap::with_capacity(blobs.len());
    for (partition, keys) in keys_by_partition {
        load_rows(&mut rows, table, partition, &keys).await?;
    }
    let newest_commit = blobs.iter().filter_map(|listed| listed.modified).max();
    Ok(ScannedPage { listed: blobs.len() as u64, newest_commit, comparison: compare(blobs, rows, now) })
}

/// Adds the rows with these `keys`, all of one table `partition`, to `found`.
async fn load_rows(
    found: &mut HashMap<CheckpointKey, (Checkpoint, RowVersion)>,
    table: &impl CheckpointTable,
    partition: String,
    keys: &BTreeSet<CheckpointKey>,
) -> Result<(), StoreError> {
    let (Some(first), Some(last)) = (keys.first(), keys.last()) else { return Ok(()) };
    // The range is half-open: the suffix includes the last key. No other key begins with it.
    let rows = Rows::Of { partition, rows: first.row.clone()..format!("{}0", last.row) };
    let mut pages = RowPages::new(table, rows);
    let mut missing = keys.len();
    while missing > 0
        && let Some(rows) = pages.next(LARGEST_PAGE).await?
    {
        for stored in rows {
            if keys.contains(&stored.key) && found.insert(stored.key, (stored.row, stored.version)).is_none()
            {
                missing -= 1;
            }
        }
    }
    Ok(())
}
