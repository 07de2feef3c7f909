//! Whether a blob's hour is one that an event may be about.

use super::FlowLogBlob;
use crate::hour::{Hour, Retention};

/// How far ahead of the clock an hour may begin, milliseconds: more than any two clocks differ.
const AHEAD: u64 = 24 * 3_600_000;

/// Why an event about a blob is not followed, whatever the blob holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Untimely {
    /// Its checkpoint may have been deleted, so that all of it would be forwarded again.
    #[error(
        "its hour {hour} is older than CHECKPOINT_RETENTION_DAYS ({days}) less a day: the checkpoint may be gone, and all of \
         it would be forwarded again"
    )]
    Old {
        /// The blob's hour.
        hour: Hour,
        /// For how many days checkpoints are kept.
        days: u16,
    },
    /// Network Watcher can't have written it yet.
    #[error(
        "its hour {hour} is more than a day ahead: nobody can have written it yet, or this machine's clock is slow"
    )]
    Ahead {
        /// The blob's hour.
        hour: Hour,
    },
}

/// Checks that the hour of `blob` is neither so old at `now` (milliseconds since the Unix epoch) that its
/// row may be gone, nor more than a day ahead. Events come within a day of a commit; an older hour is
/// forged or long done with.
///
/// # Errors
/// [`Untimely`], with the hour.
pub fn timely(blob: &FlowLogBlob, now: u64, retention: Retention) -> Result<(), Untimely> {
    let hour = Hour::at(blob.hour_end().saturating_sub(1));
    if hour < retention.first_hour(now) {
        return Err(Untimely::Old { hour, days: retention.days() });
    }
    if hour > Hour::at(now.saturating_add(AHEAD)) {
        return Err(Untimely::Ahead { hour });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow_log::VNET_CONTAINER;
    use url::Url;

    const HOUR: u64 = 3_600_000;
    /// 2026-11-22T09Z
    const NINE: u64 = 498_705;

    fn blob(date_and_hour: &str) -> FlowLogBlob {
        let name =
            format!("flowLogResourceID=/S_RG/NW_FL/{date_and_hour}/m=00/macAddress=112233ABCDEF/PT1H.json");
        FlowLogBlob::new(&Url::parse("https://contoso.blob.core.windows.net").unwrap(), VNET_CONTAINER, &name)
            .unwrap()
    }

    fn at_nine(date_and_hour: &str) -> Result<(), Untimely> {
        timely(&blob(date_and_hour), NINE * HOUR, Retention::of_days(7))
    }

    #[test]
    fn hours_whose_rows_may_be_gone_are_refused() {
        assert_eq!(at_nine("y=2026/m=11/d=22/h=09"), Ok(()));
        assert_eq!(at_nine("y=2026/m=11/d=16/h=00"), Ok(()));
        let old = at_nine("y=2026/m=11/d=15/h=23").unwrap_err();
        assert_eq!(old, Untimely::Old { hour: Hour::new(NINE - 6 * 24 - 10), days: 7 });
        let text = old.to_string();
        assert!(text.contains("2026-11-15T23Z is older than CHECKPOINT_RETENTION_DAYS (7)"), "{text}");
        assert!(at_nine("y=2017/m=01/d=01/h=00").is_err());
    }

    #[test]
    fn hours_more_than_a_day_ahead_are_refused() {
        assert_eq!(at_nine("y=2026/m=11/d=23/h=09"), Ok(()));
        let ahead = at_nine("y=2026/m=11/d=23/h=10").unwrap_err();
        assert_eq!(ahead, Untimely::Ahead { hour: Hour::new(NINE + 25) });
        assert!(at_nine("y=9999/m=12/d=31/h=23").is_err());
    }

    #[test]
    fn a_longer_retention_takes_older_hours() {
        let old = blob("y=2017/m=01/d=01/h=00");
        assert_eq!(timely(&old, NINE * HOUR, Retention::of_days(u16::MAX)), Ok(()));
        assert_eq!(timely(&old, 0, Retention::of_days(2)), Err(Untimely::Ahead { hour: Hour::new(412_008) }));
    }
}
