//! What is behind: the blobs of a listing compared with their rows.

use crate::checkpoint::{Checkpoint, Wanted};
use crate::flow_log::{CheckpointKey, FlowLogBlob};
use std::collections::HashMap;

/// A blob whose newest commit is not known to be forwarded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Behind {
    /// The blob.
    pub(super) blob: FlowLogBlob,
    /// The commit that the listing showed.
    pub(super) commit: Wanted,
}

/// What came of the comparison.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Compared {
    /// To be forwarded.
    pub(super) behind: Vec<Behind>,
    /// How many others are behind and claimed: their owners are at work on them.
    pub(super) at_work: u64,
}

/// Compares the blobs of a listing with the rows that were scanned after it, at the time `now`.
///
/// A row that was written between listing and scan may cover a commit newer than the one listed. Such a
/// blob counts as behind, at the price of a read that brings nothing: the other way round would cost a
/// record.
pub(super) fn compare(
    listed: Vec<(FlowLogBlob, Wanted)>,
    rows: &HashMap<CheckpointKey, Checkpoint>,
    now: u64,
) -> Compared {
    let mut compared = Compared::default();
    for (blob, commit) in listed {
        match rows.get(&blob.checkpoint_key()) {
            Some(row) if row.settles(&commit.etag, blob.hour_end(), now) => {}
            Some(row) if row.is_claimed(now) => compared.at_work += 1,
            _ => compared.behind.push(Behind { blob, commit }),
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

    /// What is known of a blob: nothing, or the commit that was forwarded and until when it is claimed.
    type Known = Option<(Option<u8>, Option<u64>)>;

    fn row(known: &Known) -> Option<Checkpoint> {
        let (etag, claimed_until) = known.as_ref()?;
        let mut row = Checkpoint::new("b".into()).claimed("w", 0, 9);
        row.progress.etag = etag.map(|etag| etag.to_string());
        row.claim = claimed_until
            .and_then(|until| row.claim.map(|claim| crate::checkpoint::Claim { until, ..claim }));
        Some(row)
    }

    proptest! {
        #[test]
        fn a_blob_is_behind_unless_its_row_covers_the_commit_or_its_owner_lives(
            blobs in proptest::collection::vec(
                (0..3u8, proptest::option::of((proptest::option::of(0..3u8), proptest::option::of(90..110u64)))),
                0..12,
            ),
        ) {
            let now = 100;
            let listed: Vec<_> = blobs
                .iter()
                .zip(0..)
                .map(|((etag, _), nic)| (blob(nic), Wanted { etag: etag.to_string(), length: nic.into() }))
                .collect();
            let rows = blobs
                .iter()
                .zip(0..)
                .filter_map(|((_, known), nic)| Some((blob(nic).checkpoint_key(), row(known)?)))
                .collect();
            let compared = compare(listed.clone(), &rows, now);
            let mut at_work = 0;
            let expected: Vec<_> = blobs.iter().zip(listed).filter_map(|((etag, known), (blob, commit))| {
                let forwarded = matches!(known, Some((Some(forwarded), _)) if forwarded == etag);
                let owned = matches!(known, Some((_, Some(until))) if *until > now);
                at_work += u64::from(!forwarded && owned);
                (!forwarded && !owned).then_some(Behind { blob, commit })
            }).collect();
            prop_assert_eq!(compared, Compared { behind: expected, at_work });
        }
    }
}
