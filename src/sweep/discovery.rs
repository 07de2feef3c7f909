//! Which flow logs write to a container: found by walking down its folders, never through its blobs.
//!
//! Every sweep walks, so that it finds a new flow log, and so that no hour is closed on the strength of a
//! walk that could not have seen all that was committed to it. Folders that are known to hold a flow log's
//! years are not entered again: a walk costs one call for each folder above them.

use super::folders::{Below, FlowLog, what_is};
use super::look::ScanError;
use crate::flow_log::Container;
use crate::ports::blobs::{BlobListing, Depth, LARGEST_PAGE, Names, Page};
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::time::{Instant, timeout_at};

/// How many folders are looked into at once.
const AT_ONCE: usize = 8;

/// How deep years may lie. An NSG's are nine folders down:
/// `resourceId=/SUBSCRIPTIONS/…/RESOURCEGROUPS/…/PROVIDERS/MICROSOFT.NETWORK/NETWORKSECURITYGROUPS/…/y=…/`.
const DEEPEST: usize = 16;

/// How many flow logs a container may have, and how many folders may wait to be looked into: bounds memory,
/// at some 150 bytes each.
const MOST: usize = 100_000;

/// What a walk found.
#[derive(Debug)]
pub(super) struct Walk {
    /// In the order of their prefixes; with those that earlier walks found when this one did not end.
    pub(super) flow_logs: Arc<[FlowLog]>,
    /// Why the walk did not come to its end; none when it saw every folder.
    pub(super) failure: Option<ScanError>,
}

/// The flow logs that the last walks found, by container.
#[derive(Debug, Default)]
pub(super) struct Discovery {
    known: Mutex<HashMap<Container, Arc<[FlowLog]>>>,
}

impl Discovery {
    /// Walks through `container` until `deadline`.
    pub(super) async fn walk(
        &self,
        listing: &impl BlobListing,
        container: &Container,
        deadline: Instant,
    ) -> Walk {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(container).cloned();
        let known = known.unwrap_or_default();
        let mut found = Vec::new();
        let failure = walk(listing, container, &known, &mut found, deadline).await.err();
        if failure.is_some() {
            // What was not seen this time may be there all the same.
            found.extend(known.iter().take(MOST).cloned());
        }
        found.sort_unstable();
        found.dedup();
        let flow_logs: Arc<[FlowLog]> = found.into();
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(container.clone(), Arc::clone(&flow_logs));
        Walk { flow_logs, failure }
    }
}

/// A folder to look into, from a page of its listing on.
struct Folder {
    prefix: String,
    depth: usize,
    marker: Option<String>,
}

/// Walks down from the root, deepest folders first, so that few wait to be looked into; adds what it finds
/// to `found`.
async fn walk(
    listing: &impl BlobListing,
    container: &Container,
    known: &[FlowLog],
    found: &mut Vec<FlowLog>,
    deadline: Instant,
) -> Result<(), ScanError> {
    let mut waiting = vec![Folder { prefix: String::new(), depth: 0, marker: None }];
    let mut under_way = FuturesUnordered::new();
    loop {
        while under_way.len() < AT_ONCE
            && let Some(folder) = waiting.pop()
        {
            under_way.push(children(listing, container, folder, deadline));
        }
        let Some(answer) = under_way.next().await else { return Ok(()) };
        let (folder, page) = answer?;
        if let Some(marker) = page.next {
            let (prefix, depth) = (folder.prefix.clone(), folder.depth);
            waiting.push(Folder { prefix, depth, marker: Some(marker) });
        }
        for child in page.folders {
            match what_is(&folder.prefix, &child) {
                Below::Year { upper } => {
                    let flow_log = FlowLog { prefix: folder.prefix.clone(), upper };
                    // One year follows the other.
                    if found.last() != Some(&flow_log) {
                        found.push(flow_log);
                    }
                }
                Below::Folder => match of_prefix(known, &child) {
                    [] if folder.depth < DEEPEST => {
                        waiting.push(Folder { prefix: child, depth: folder.depth + 1, marker: None });
                    }
                    [] => tracing::debug!(%container, folder = child, "too deep for a flow log"),
                    flow_logs => found.extend_from_slice(flow_logs),
                },
                Below::Foreign => tracing::debug!(%container, folder = child, "not a flow log's folder"),
            }
        }
        if found.len() > MOST || waiting.len() > MOST {
            return Err(ScanError::TooMany { container: container.to_string(), most: MOST });
        }
    }
}

/// The flow logs in the folder `prefix`: more than one only when its years are spelled in two ways.
fn of_prefix<'a>(known: &'a [FlowLog], prefix: &str) -> &'a [FlowLog] {
    let start = known.partition_point(|flow_log| flow_log.prefix.as_str() < prefix);
    let count = known[start..].partition_point(|flow_log| flow_log.prefix == prefix);
    &known[start..start + count]
}

/// One page of the folders in `folder`, which comes back with them.
async fn children(
    listing: &impl BlobListing,
    container: &Container,
    folder: Folder,
    deadline: Instant,
) -> Result<(Folder, Page), ScanError> {
    let names = Names {
        prefix: &folder.prefix,
        depth: Depth::Children,
        marker: folder.marker.as_deref(),
        at_most: LARGEST_PAGE,
    };
    let page = timeout_at(deadline, listing.list(container, names)).await;
    let page = page.map_err(|_| ScanError::OutOfTime { what: "finding the flow logs" })??;
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
        assert_eq!(of_prefix(&known, "a/"), &known[..1]);
        assert_eq!(of_prefix(&known, "b/"), &known[1..3]);
        assert_eq!(of_prefix(&known, "bb/"), &[]);
        assert_eq!(of_prefix(&known, "d/"), &[]);
    }
}
