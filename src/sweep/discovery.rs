//! Which flow logs write to a container: found by walking down its folders, never through its blobs.

use super::hours::{Hour, SETTLES_AFTER};
use crate::flow_log::{Container, Kind};
use crate::source::{BlobListing, Depth, LARGEST_PAGE, ListError, Names};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// How many folders are looked into at once.
const AT_ONCE: usize = 8;

/// How deep years may lie. An NSG's are nine folders down:
/// `resourceId=/SUBSCRIPTIONS/…/RESOURCEGROUPS/…/PROVIDERS/MICROSOFT.NETWORK/NETWORKSECURITYGROUPS/…/y=…/`.
const DEEPEST: usize = 16;

/// For how long the flow logs found are remembered, milliseconds. No longer than hours take to settle: so
/// a walk that an hour is closed by began when the hour was over, and saw every flow log that wrote to it.
const REMEMBERED: u64 = 3_600_000;
const _: () = assert!(REMEMBERED as u128 <= SETTLES_AFTER.as_millis());

/// A folder that holds one flow log's years.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct FlowLog {
    prefix: String,
    /// Whether `Y=` is written for `y=`, and so the other keys.
    upper: bool,
}

impl FlowLog {
    /// What the names of all its blobs of `hour` begin with.
    pub(super) fn prefix_of(&self, hour: Hour) -> String {
        let (year, month, day) = hour.date().to_calendar_date();
        let [y, m, d, h] = if self.upper { ["Y", "M", "D", "H"] } else { ["y", "m", "d", "h"] };
        let (prefix, month, hour) = (&self.prefix, u8::from(month), hour.of_day());
        format!("{prefix}{y}={year:04}/{m}={month:02}/{d}={day:02}/{h}={hour:02}/")
    }
}

/// The flow logs found, by container.
#[derive(Debug, Default)]
pub(super) struct Discovery {
    found: Mutex<HashMap<Container, Found>>,
}

#[derive(Debug)]
struct Found {
    at: u64,
    flow_logs: Arc<[FlowLog]>,
}

impl Discovery {
    /// The flow logs in `container`, as found at `now` or at most [`REMEMBERED`] before.
    pub(super) async fn flow_logs(
        &self,
        listing: &impl BlobListing,
        container: &Container,
        now: u64,
    ) -> Result<Arc<[FlowLog]>, ListError> {
        if let Some(known) = self.remembered(container, now) {
            return Ok(known);
        }
        let flow_logs: Arc<[FlowLog]> = walk(listing, container).await?.into();
        // An empty container costs one call: look again at once for the first flow log.
        if !flow_logs.is_empty() {
            let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
            found.insert(container.clone(), Found { at: now, flow_logs: Arc::clone(&flow_logs) });
        }
        Ok(flow_logs)
    }

    fn remembered(&self, container: &Container, now: u64) -> Option<Arc<[FlowLog]>> {
        let found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        let known = found.get(container)?;
        // A clock that was set back makes everything too old.
        let is_fresh = now.checked_sub(known.at).is_some_and(|age| age < REMEMBERED);
        is_fresh.then(|| Arc::clone(&known.flow_logs))
    }
}

/// Walks down from the root, all folders of one depth together, until years appear.
async fn walk(listing: &impl BlobListing, container: &Container) -> Result<Vec<FlowLog>, ListError> {
    let mut flow_logs = Vec::new();
    let mut level = vec![String::new()];
    for _ in 0..=DEEPEST {
        let looks: Vec<_> = level.into_iter().map(|folder| children(listing, container, folder)).collect();
        let children: Vec<(String, Vec<String>)> =
            stream::iter(looks).buffered(AT_ONCE).try_collect().await?;
        level = Vec::new();
        for (folder, children) in children {
            for child in children {
                match what_is(&folder, &child) {
                    Below::Folder => level.push(child),
                    Below::Year { upper } => flow_logs.push(FlowLog { prefix: folder.clone(), upper }),
                    Below::Foreign => tracing::debug!(%container, folder = child, "not a flow log's folder"),
                }
            }
        }
        if level.is_empty() {
            break;
        }
    }
    flow_logs.sort_unstable();
    flow_logs.dedup();
    Ok(flow_logs)
}

/// The folders in `folder`, which comes back with them.
async fn children(
    listing: &impl BlobListing,
    container: &Container,
    folder: String,
) -> Result<(String, Vec<String>), ListError> {
    let (mut folders, mut marker) = (Vec::new(), None::<String>);
    loop {
        let names = Names {
            prefix: &folder,
            depth: Depth::Children,
            marker: marker.as_deref(),
            at_most: LARGEST_PAGE,
        };
        let page = listing.list(container, names).await?;
        folders.extend(page.folders);
        marker = page.next;
        if marker.is_none() {
            return Ok((folder, folders));
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Below {
    /// A folder to look into.
    Folder,
    /// A flow log's year.
    Year { upper: bool },
    /// Somebody else's.
    Foreign,
}

/// What the folder `child` in `folder` is: at the root, flow logs have keys of their own.
fn what_is(folder: &str, child: &str) -> Below {
    let name = child.strip_prefix(folder).unwrap_or(child).trim_end_matches('/');
    match name.split_once('=') {
        key if folder.is_empty() => {
            let is_root = |kind: Kind| {
                let root = kind.prefix().split_once('=').map(|(root, _)| root);
                key.zip(root).is_some_and(|((key, _), root)| root.eq_ignore_ascii_case(key))
            };
            if is_root(Kind::VNet) || is_root(Kind::Nsg) { Below::Folder } else { Below::Foreign }
        }
        Some(("y", year)) if is_year(year) => Below::Year { upper: false },
        Some(("Y", year)) if is_year(year) => Below::Year { upper: true },
        _ => Below::Folder,
    }
}

fn is_year(text: &str) -> bool {
    text.len() == 4 && text.bytes().all(|digit| digit.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn years_are_told_from_folders_and_foreign_roots() {
        for (folder, child, expected) in [
            ("", "flowLogResourceID=/", Below::Folder),
            ("", "FLOWLOGRESOURCEID=/", Below::Folder),
            ("", "resourceId=/", Below::Folder),
            ("", "resourceId=ABC/", Below::Folder),
            ("", "tenant=/", Below::Foreign),
            ("", "backup/", Below::Foreign),
            ("", "y=2026/", Below::Foreign),
            ("resourceId=/", "resourceId=/SUBSCRIPTIONS/", Below::Folder),
            ("resourceId=/A/", "resourceId=/A/y=2026/", Below::Year { upper: false }),
            ("resourceId=/A/", "resourceId=/A/Y=2026/", Below::Year { upper: true }),
            ("resourceId=/A/", "resourceId=/A/y=old/", Below::Folder),
        ] {
            assert_eq!(what_is(folder, child), expected, "{child} in {folder}");
        }
    }

    #[test]
    fn an_hours_prefix_is_spelled_as_the_years_folder_is() {
        let hour = Hour::new(498_705);
        let folder = |upper| FlowLog { prefix: "flowLogResourceID=/S/F/".into(), upper }.prefix_of(hour);
        assert_eq!(folder(false), "flowLogResourceID=/S/F/y=2026/m=11/d=22/h=09/");
        assert_eq!(folder(true), "flowLogResourceID=/S/F/Y=2026/M=11/D=22/H=09/");
    }
}
