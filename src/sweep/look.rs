//! A look at one page of an hour of one flow log: its blobs, and their rows.

use super::behind::{Compared, Found, compare};
use crate::checkpoint::{BlobVersion, Checkpoint};
use crate::flow_log::{CheckpointKey, Container};
use crate::ports::blobs::{BlobListing, Depth, ListError, Listed, Names};
use crate::ports::checkpoints::{self, CheckpointTable, RowVersion, Rows, StoreError};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Why a place could not be looked at.
#[derive(Clone, Debug, thiserror::Error)]
pub(super) enum ScanError {
    /// Storage.
    #[error(transparent)]
    List(#[from] ListError),
    /// The checkpoint table.
    #[error(transparent)]
    Checkpoints(#[from] StoreError),
    /// The second copy of the watermark.
    #[error(transparent)]
    Copy(#[from] crate::ports::watermark_copy::WatermarkCopyError),
    /// No answer came in time.
    #[error("the sweep's time was over while it was {what}: storage is slow, or there is much to list")]
    OutOfTime {
        /// What was under way.
        what: &'static str,
    },
    /// More than the sweep can hold in memory.
    #[error(
        "{container} has more than {most} flow logs or folders: those found first are swept, and no hour is closed"
    )]
    TooMany {
        /// The container's URL.
        container: String,
        /// How many it may have.
        most: usize,
    },
}

/// What a page of an hour of a flow log holds.
#[derive(Debug, Default)]
pub(super) struct Looked {
    pub(super) listed: u64,
    /// When the newest of its blobs was committed, in milliseconds since the Unix epoch.
    pub(super) newest: Option<u64>,
    pub(super) compared: Compared,
    /// Where the next page begins, if there is one.
    pub(super) next: Option<String>,
}

/// Lists up to `at_most` blobs whose names begin with `prefix`, from `marker` on, and compares them with
/// their rows: one call for the names, and one for the rows unless many others lie between them.
///
/// The rows are scanned after the names were listed: see [`compare`].
pub(super) async fn look(
    listing: &impl BlobListing,
    table: &impl CheckpointTable,
    container: &Container,
    (prefix, marker): (&str, Option<&str>),
    at_most: u32,
    now: u64,
) -> Result<Looked, ScanError> {
    let page = listing.list(container, Names { prefix, depth: Depth::All, marker, at_most }).await?;
    let mut blobs = Vec::with_capacity(page.blobs.len());
    for Listed { name, etag, length, modified } in page.blobs {
        match container.blob(&name) {
            Ok(blob) => blobs.push(Found { blob, commit: BlobVersion { etag, length }, modified }),
            Err(reason) => tracing::debug!(%container, name, "skipped: the blob {reason}"),
        }
    }
    // One partition, as all of them have the flow log and the day in common.
    let mut wanted = BTreeMap::<String, BTreeSet<CheckpointKey>>::new();
    for key in blobs.iter().map(|listed| listed.blob.checkpoint_key()) {
        wanted.entry(key.partition.clone()).or_default().insert(key);
    }
    let mut rows = HashMap::with_capacity(blobs.len());
    for (partition, keys) in wanted {
        rows_of(&mut rows, table, partition, &keys).await?;
    }
    let (listed, newest) = (blobs.len() as u64, blobs.iter().filter_map(|listed| listed.modified).max());
    Ok(Looked { listed, newest, compared: compare(blobs, rows, now), next: page.next })
}

/// Adds the rows with these `keys` of one `partition` to `found`.
async fn rows_of(
    found: &mut HashMap<CheckpointKey, (Checkpoint, RowVersion)>,
    table: &impl CheckpointTable,
    partition: String,
    keys: &BTreeSet<CheckpointKey>,
) -> Result<(), StoreError> {
    let (Some(first), Some(last)) = (keys.first(), keys.last()) else { return Ok(()) };
    // The range is half-open, and no row's key is the last one's with more behind it.
    let rows = Rows::Of { partition, rows: first.row.clone()..format!("{}0", last.row) };
    let (mut missing, mut after) = (keys.len(), None);
    loop {
        let page = table.scan(&rows, after.as_ref(), checkpoints::LARGEST_PAGE).await?;
        for stored in page.rows {
            if keys.contains(&stored.key) && found.insert(stored.key, (stored.row, stored.version)).is_none()
            {
                missing -= 1;
            }
        }
        after = page.next;
        if after.is_none() || missing == 0 {
            return Ok(());
        }
    }
}
