//! Finds the flow logs of a container by walking down its folders, without listing blobs.
//!
//! Every sweep walks, because an hour may only be closed when all flow logs that wrote to it are known.
//! Folders of known flow logs are not listed again, so a walk costs one call for each folder above them.

use super::error::SweepError;
use super::folders::{FlowLog, FolderKind, classify};
use super::pages::NamePages;
use crate::flow_log::Container;
use crate::ports::blobs::{BlobListing, Depth, LARGEST_PAGE, Page};
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use std::sync::Arc;
use tokio::time::{Instant, timeout_at};

/// How many folders are listed at once.
const AT_ONCE: usize = 8;

/// How many folders deep the walk goes. The years of an NSG are nine folders down:
/// `resourceId=/SUBSCRIPTIONS/…/RESOURCEGROUPS/…/PROVIDERS/MICROSOFT.NETWORK/NETWORKSECURITYGROUPS/…/y=…/`.
const MAX_DEPTH: usize = 16;

/// How many flow logs a container may have, and how many folders may wait to be listed. Bounds memory, at
/// some 150 bytes each.
const LIMIT: usize = 100_000;

/// What a walk found.
#[derive(Debug)]
pub(super) struct Discovery {
    /// In the order of their prefixes; includes those known before when the walk failed.
    pub(super) flow_logs: Arc<[FlowLog]>,
    /// Why the walk did not see every folder; none when it did.
    pub(super) failure: Option<SweepError>,
}

/// Walks through `container` until `deadline`. `known` are the flow logs that earlier walks found, in order.
pub(super) async fn discover(
    listing: &impl BlobListing,
    container: &Container,
    known: &[FlowLog],
    deadline: Instant,
) -> Discovery {
    let mut found = Vec::new();
    let failure = walk(listing, container, known, &mut found, deadline).await.err();
    if failure.is_some() {
        // The walk may not have reached these.
        found.extend(known.iter().take(LIMIT).cloned());
    }
    found.sort_unstable();
    found.dedup();
    Discovery { flow_logs: found.into(), failure }
}

/// A folder whose subfolders are listed.
struct Folder {
    children: NamePages,
    depth: usize,
}

impl Folder {
    fn new(prefix: String, depth: usize) -> Self {
        Self { children: NamePages::new(prefix, Depth::Children), depth }
    }
}

/// Walks down from the root and adds flow logs to `found`. Goes deep first, so that few folders wait.
async fn walk(
    listing: &impl BlobListing,
    container: &Container,
    known: &[FlowLog],
    found: &mut Vec<FlowLog>,
    deadline: Instant,
) -> Result<(), SweepError> {
    let mut waiting = vec![Folder::new(String::new(), 0)];
    let mut under_way = FuturesUnordered::new();
    loop {
        while under_way.len() < AT_ONCE
            && let Some(folder) = waiting.pop()
        {
            under_way.push(next_page(listing, container, folder, deadline));
        }
        let Some(answer) = under_way.next().await else { return Ok(()) };
        let (folder, page) = answer?;
        let (prefix, depth) = (folder.children.prefix().to_owned(), folder.depth);
        if folder.children.has_more() {
            waiting.push(folder);
        }
        for child in page.folders {
            match classify(&prefix, &child) {
                FolderKind::Year { upper } => {
                    let flow_log = FlowLog { prefix: prefix.clone(), upper };
                    // A flow log's years are listed one after another.
                    if found.last() != Some(&flow_log) {
                        found.push(flow_log);
                    }
                }
                FolderKind::Parent => match in_folder(known, &child) {
                    [] if depth < MAX_DEPTH => waiting.push(Folder::new(child, depth + 1)),
                    [] => tracing::debug!(%container, folder = child, "skipped: too deep for a flow log"),
                    flow_logs => found.extend_from_slice(flow_logs),
                },
                FolderKind::Foreign => {
                    tracing::debug!(%container, folder = child, "skipped: not a flow log's folder");
                }
            }
        }
        if found.len() > LIMIT || waiting.len() > LIMIT {
            return Err(SweepError::TooMany { container: container.to_string(), limit: LIMIT });
        }
    }
}

/// The `known` flow logs with the folder `prefix`: two when its years are spelled in both cases.
fn in_folder<'a>(known: &'a [FlowLog], prefix: &str) -> &'a [FlowLog] {
    let start = known.partition_point(|flow_log| flow_log.prefix.as_str() < prefix);
    let count = known[start..].partition_point(|flow_log| flow_log.prefix == prefix);
    &known[start..start + count]
}

/// Reads the next page of the folders in `folder`.
async fn next_page(
    listing: &impl BlobListing,
    container: &Container,
    mut folder: Folder,
    deadline: Instant,
) -> Result<(Folder, Page), SweepError> {
    let page = timeout_at(deadline, folder.children.next(listing, container, LARGEST_PAGE)).await;
    let page = page.map_err(|_| SweepError::OutOfTime { activity: "finding the flow logs" })??;
    Ok((folder, page))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_flow_logs_are_found_by_their_folder() {
        let flow_log = |prefix: &str, upper| FlowLog { prefix: prefix.to_owned(), upper };
        let known =
            [flow_log("a/", false), flow_log("b/", false), flow_log("b/", true), flow_log("c/", true)];
        assert_eq!(in_folder(&known, "a/"), &known[..1]);
        assert_eq!(in_folder(&known, "b/"), &known[1..3]);
        assert_eq!(in_folder(&known, "bb/"), &[]);
        assert_eq!(in_folder(&known, "d/"), &[]);
    }
}
