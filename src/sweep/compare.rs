//! Compares the blobs of a listing with their rows.

use crate::checkpoint::{BlobVersion, Checkpoint};
use crate::flow_log::{CheckpointKey, FlowLogBlob};
use crate::forward::lease_store::LoadedRow;
use crate::ports::checkpoints::RowVersion;
use std::collections::HashMap;

/// A blob as a listing shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ListedBlob {
    pub(super) blob: FlowLogBlob,
    /// Its newest commit.
    pub(super) commit: BlobVersion,
    /// Time of that commit, in milliseconds since the Unix epoch; none when storage did not say.
    pub(super) modified: Option<u64>,
}

/// A blob that is behind: its newest commit is not known to be forwarded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct StaleBlob {
    pub(super) listed: ListedBlob,
    /// Whether its row says that some of it can't be forwarded.
    pub(super) broken: bool,
    /// The scanned row; none once a run has used it.
    pub(super) row: Option<LoadedRow>,
}

/// What a comparison found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Comparison {
    /// Blobs to forward.
    pub(super) stale: Vec<StaleBlob>,
    /// How many other blobs are behind and claimed: their owners forward them.
    pub(super) claimed_elsewhere: u64,
    /// How many blobs outside `stale` are broken: see [`Progress::is_broken`].
    ///
    /// [`Progress::is_broken`]: crate::checkpoint::Progress::is_broken
    pub(super) broken: u64,
    /// The URL of the first of them.
    pub(super) first_broken: Option<String>,
}

/// Compares `listed` blobs with their `rows`, which must have been read after the listing, at the time `now`.
///
/// A row written between the two may cover a newer commit than the one listed. The blob then counts as
/// behind, which costs a read that finds nothing new. To count it as forwarded could miss a record.
pub(super) fn compare(
    listed: Vec<ListedBlob>,
    mut rows: HashMap<CheckpointKey, (Checkpoint, RowVersion)>,
    now: u64,
) -> Comparison {
    let mut comparison = Comparison::default();
    for listed in listed {
        let stored = rows.remove(&listed.blob.checkpoint_key());
        let broken = stored.as_ref().is_some_and(|(row, _)| row.progress.is_broken());
        match &stored {
            Some((row, _)) if row.is_complete(&listed.commit.etag, listed.blob.hour_end(), now) => {}
            Some((row, _)) if row.is_claimed(now) => comparison.claimed_elsewhere += 1,
            _ => {
                let row = Some(LoadedRow::scanned(&listed.blob, stored));
                comparison.stale.push(StaleBlob { listed, broken, row });
                continue;
            }
        }
        if broken {
            comparison.broken += 1;
            comparison.first_broken.get_or_insert_with(|| listed.blob.url());
        }
    }
    comparison
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use url::Url;

    fn blob(nic: u32) -> FlowLogBlob {
        let account = Url::parse("https://a.blob.core.windows.net/").unwrap();
        let name = format!("flowLogResourceID=/S/F/y=2026/m=11/d=22/h=09/m=00/macAddress=M{nic}/PT1H.json");
        FlowLogBlob::new(&account, "logs", &name).unwrap()
    }

    /// The row of a blob, if any: the forwarded commit, the end of its claim, and whether it is broken.
    type Known = Option<(Option<u8>, Option<u64>, bool)>;

    fn row(known: &Known) -> Option<Checkpoint> {
        let (etag, claimed_until, broken) = known.as_ref()?;
        let mut row = Checkpoint::new("b".into()).claimed("w", 0, 9);
        row.progress.etag = etag.map(|etag| etag.to_string());
        row.progress.skipped_bytes = u64::from(*broken);
        row.claim = claimed_until
            .and_then(|until| row.claim.map(|claim| crate::checkpoint::Claim { until, ..claim }));
        Some(row)
    }

    proptest! {
        #[test]
        fn a_blob_is_behind_unless_forwarded_or_claimed(
            blobs in proptest::collection::vec(
                (
                    0..3u8,
                    proptest::option::of((
                        proptest::option::of(0..3u8), proptest::option::of(90..110u64), proptest::bool::ANY,
                    )),
                ),
                0..12,
            ),
        ) {
            let now = 100;
            let listed: Vec<_> = blobs
                .iter()
                .zip(0..)
                .map(|((etag, _), nic)| {
                    let commit = BlobVersion { etag: etag.to_string(), length: nic.into() };
                    ListedBlob { blob: blob(nic), commit, modified: None }
                })
                .collect();
            let rows = blobs
                .iter()
                .zip(0..)
                .filter_map(|((_, known), nic)| {
                    Some((blob(nic).checkpoint_key(), (row(known)?, RowVersion(nic.to_string()))))
                })
                .collect();
            let comparison = compare(listed.clone(), rows, now);
            let mut expected = Comparison::default();
            for (((etag, known), listed), nic) in blobs.iter().zip(listed).zip(0..) {
                let forwarded = matches!(known, Some((Some(forwarded), ..)) if forwarded == etag);
                let owned = matches!(known, Some((_, Some(until), _)) if *until > now);
                let broken = matches!(known, Some((_, _, true)));
                if !forwarded && !owned {
                    let stored = row(known).map(|row| (row, RowVersion(u32::to_string(&nic))));
                    let row = Some(LoadedRow::scanned(&listed.blob, stored));
                    expected.stale.push(StaleBlob { listed, broken, row });
                    continue;
                }
                expected.claimed_elsewhere += u64::from(!forwarded);
                if broken {
                    expected.broken += 1;
                    expected.first_broken.get_or_insert(listed.blob.url());
                }
            }
            prop_assert_eq!(comparison, expected);
        }
    }
}
