//! What is behind: the blobs of a listing compared with their rows.

use crate::checkpoint::{BlobVersion, Checkpoint};
use crate::flow_log::{CheckpointKey, FlowLogBlob};
use crate::forward::lease_store::LoadedRow;
use crate::ports::checkpoints::RowVersion;
use std::collections::HashMap;

/// A blob as a listing shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// The blob.
    pub(super) blob: FlowLogBlob,
    /// Its newest commit.
    pub(super) commit: BlobVersion,
    /// When that was, in milliseconds since the Unix epoch; none when storage did not say.
    pub(super) modified: Option<u64>,
}

/// A blob whose newest commit is not known to be forwarded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Behind {
    pub(super) listed: Found,
    /// Whether its row says that some of it can't be forwarded.
    pub(super) broken: bool,
    /// The row, until it was worked on.
    pub(super) seen: Option<LoadedRow>,
}

/// What came of the comparison.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Compared {
    /// To be forwarded.
    pub(super) behind: Vec<Behind>,
    /// How many others are behind and claimed: their owners are at work on them.
    pub(super) at_work: u64,
    /// How many of those that are not to be forwarded now are broken: see [`Progress::is_broken`].
    ///
    /// [`Progress::is_broken`]: crate::checkpoint::Progress::is_broken
    pub(super) broken: u64,
    /// The URL of the first of them.
    pub(super) first_broken: Option<String>,
}

/// Compares the blobs of a listing with the rows that were scanned after it, at the time `now`.
///
/// A row that was written between listing and scan may cover a commit newer than the one listed. Such a
/// blob counts as behind, at the price of a read that brings nothing: the other way round would cost a
/// record.
pub(super) fn compare(
    listed: Vec<Found>,
    mut rows: HashMap<CheckpointKey, (Checkpoint, RowVersion)>,
    now: u64,
) -> Compared {
    let mut compared = Compared::default();
    for listed in listed {
        let stored = rows.remove(&listed.blob.checkpoint_key());
        let broken = stored.as_ref().is_some_and(|(row, _)| row.progress.is_broken());
        match &stored {
            Some((row, _)) if row.is_complete(&listed.commit.etag, listed.blob.hour_end(), now) => {}
            Some((row, _)) if row.is_claimed(now) => compared.at_work += 1,
            _ => {
                let seen = Some(LoadedRow::scanned(&listed.blob, stored));
                compared.behind.push(Behind { listed, broken, seen });
                continue;
            }
        }
        if broken {
            compared.broken += 1;
            compared.first_broken.get_or_insert_with(|| listed.blob.url());
        }
    }
    compared
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

    /// What is known of a blob: nothing, or the commit that was forwarded, until when it is claimed, and
    /// whether it is broken.
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
        fn a_blob_is_behind_unless_its_row_covers_the_commit_or_its_owner_lives(
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
                    Found { blob: blob(nic), commit, modified: None }
                })
                .collect();
            let rows = blobs
                .iter()
                .zip(0..)
                .filter_map(|((_, known), nic)| {
                    Some((blob(nic).checkpoint_key(), (row(known)?, RowVersion(nic.to_string()))))
                })
                .collect();
            let compared = compare(listed.clone(), rows, now);
            let mut expected = Compared::default();
            for (((etag, known), listed), nic) in blobs.iter().zip(listed).zip(0..) {
                let forwarded = matches!(known, Some((Some(forwarded), ..)) if forwarded == etag);
                let owned = matches!(known, Some((_, Some(until), _)) if *until > now);
                let broken = matches!(known, Some((_, _, true)));
                if !forwarded && !owned {
                    let stored = row(known).map(|row| (row, RowVersion(u32::to_string(&nic))));
                    let seen = Some(LoadedRow::scanned(&listed.blob, stored));
                    expected.behind.push(Behind { listed, broken, seen });
                    continue;
                }
                expected.at_work += u64::from(!forwarded);
                if broken {
                    expected.broken += 1;
                    expected.first_broken.get_or_insert(listed.blob.url());
                }
            }
            prop_assert_eq!(compared, expected);
        }
    }
}
