//! A look at one hour of one flow log: its blobs, and their rows.

use super::behind::{Compared, compare};
use super::discovery::FlowLog;
use super::hours::Hour;
use crate::checkpoint::{self, Checkpoint, CheckpointTable, Rows, StoreError, Wanted};
use crate::flow_log::{CheckpointKey, Container, FlowLogBlob};
use crate::source::{self, BlobListing, Depth, ListError, Listed, Names};
use std::collections::{BTreeSet, HashMap};

/// Why a place could not be looked at.
#[derive(Clone, Debug, thiserror::Error)]
pub(super) enum LookError {
    /// Storage.
    #[error(transparent)]
    List(#[from] ListError),
    /// The checkpoint table.
    #[error(transparent)]
    Checkpoints(#[from] StoreError),
}

/// What an hour of a flow log holds.
#[derive(Debug, Default)]
pub(super) struct Looked {
    pub(super) listed: u64,
    pub(super) compared: Compared,
}

/// Lists the blobs of `hour` and compares them with their rows: one call each for up to 5,000 blobs and
/// for 1,000 rows; none for rows when there are no blobs.
pub(super) async fn look(
    listing: &impl BlobListing,
    table: &impl CheckpointTable,
    container: &Container,
    flow_log: &FlowLog,
    hour: Hour,
    now: u64,
) -> Result<Looked, LookError> {
    let listed = blobs(listing, container, &flow_log.prefix_of(hour)).await?;
    let keys = listed.iter().map(|(blob, _)| blob.checkpoint_key());
    // One, as all of them have the flow log and the day in common.
    let partitions: BTreeSet<String> = keys.map(|key| key.partition).collect();
    let mut rows = HashMap::new();
    for partition in partitions {
        let of_hour = Rows::Of { partition, rows: CheckpointKey::rows_of_hour(hour.of_day()) };
        rows_into(&mut rows, table, &of_hour).await?;
    }
    Ok(Looked { listed: listed.len() as u64, compared: compare(listed, &rows, now) })
}

async fn blobs(
    listing: &impl BlobListing,
    container: &Container,
    prefix: &str,
) -> Result<Vec<(FlowLogBlob, Wanted)>, ListError> {
    let (mut blobs, mut marker) = (Vec::new(), None::<String>);
    loop {
        let at_most = source::LARGEST_PAGE;
        let names = Names { prefix, depth: Depth::All, marker: marker.as_deref(), at_most };
        let page = listing.list(container, names).await?;
        for Listed { name, etag, length } in page.blobs {
            match container.blob(&name) {
                Ok(blob) => blobs.push((blob, Wanted { etag, length })),
                Err(reason) => tracing::debug!(%container, name, "skipped: the blob {reason}"),
            }
        }
        marker = page.next;
        if marker.is_none() {
            return Ok(blobs);
        }
    }
}

async fn rows_into(
    found: &mut HashMap<CheckpointKey, Checkpoint>,
    table: &impl CheckpointTable,
    rows: &Rows,
) -> Result<(), StoreError> {
    let mut after = None;
    loop {
        let page = table.scan(rows, after.as_ref(), checkpoint::LARGEST_PAGE).await?;
        found.extend(page.rows.into_iter().map(|stored| (stored.key, stored.row)));
        after = page.next;
        if after.is_none() {
            return Ok(());
        }
    }
}
