//! Rejects events about hours that are too old or in the future.

use super::blob::FlowLogBlob;
use crate::hour::{Hour, Retention};

/// How far in the future an hour may begin, milliseconds: more than clocks differ.
const MAX_AHEAD: u64 = 24 * 3_600_000;

/// Why an event about a blob is ignored, whatever the blob holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HourOutOfRange {
    /// Its checkpoint may have been deleted already, and the whole blob would be sent again.
    #[error(
        "its hour {hour} is older than CHECKPOINT_RETENTION_DAYS ({days}) less a day: its checkpoint may be deleted, and the \
         whole blob would be sent again"
    )]
    TooOld {
        /// The blob's hour.
        hour: Hour,
        /// How many days checkpoints are kept.
        days: u16,
    },
    /// Network Watcher can't have written the blob yet.
    #[error(
        "its hour {hour} is more than a day in the future: the event is forged, or this machine's clock is slow"
    )]
    InFuture {
        /// The blob's hour.
        hour: Hour,
    },
}

/// Checks the hour of `blob` at `now`, milliseconds since the Unix epoch: its checkpoint must still be
/// kept, and it must not begin more than a day in the future. A real event comes within a day of its commit.
///
/// # Errors
/// [`HourOutOfRange`], with the hour.
pub fn check_hour(blob: &FlowLogBlob, now: u64, retention: Retention) -> Result<(), HourOutOfRange> {
    let hour = blob.utc_hour();
    if hour < retention.first_hour(now) {
        return Err(HourOutOfRange::TooOld { hour, days: retention.days() });
    }
    if hour > Hour::at(now.saturating_add(MAX_AHEAD)) {
        return Err(HourOutOfRange::InFuture { hour });
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

    fn at_nine(date_and_hour: &str) -> Result<(), HourOutOfRange> {
        check_hour(&blob(date_and_hour), NINE * HOUR, Retention::of_days(7))
    }

    #[test]
    fn an_hour_whose_checkpoint_may_be_deleted_is_rejected() {
        assert_eq!(at_nine("y=2026/m=11/d=22/h=09"), Ok(()));
        assert_eq!(at_nine("y=2026/m=11/d=16/h=00"), Ok(()));
        let old = at_nine("y=2026/m=11/d=15/h=23").unwrap_err();
        assert_eq!(old, HourOutOfRange::TooOld { hour: Hour::new(NINE - 6 * 24 - 10), days: 7 });
        let text = old.to_string();
        assert!(text.contains("2026-11-15T23Z is older than CHECKPOINT_RETENTION_DAYS (7)"), "{text}");
        assert!(at_nine("y=2017/m=01/d=01/h=00").is_err());
    }

    #[test]
    fn an_hour_more_than_a_day_ahead_is_rejected() {
        assert_eq!(at_nine("y=2026/m=11/d=23/h=09"), Ok(()));
        let ahead = at_nine("y=2026/m=11/d=23/h=10").unwrap_err();
        assert_eq!(ahead, HourOutOfRange::InFuture { hour: Hour::new(NINE + 25) });
        assert!(at_nine("y=9999/m=12/d=31/h=23").is_err());
    }

    #[test]
    fn a_longer_retention_accepts_older_hours() {
        let old = blob("y=2017/m=01/d=01/h=00");
        assert_eq!(check_hour(&old, NINE * HOUR, Retention::of_days(u16::MAX)), Ok(()));
        assert_eq!(
            check_hour(&old, 0, Retention::of_days(2)),
            Err(HourOutOfRange::InFuture { hour: Hour::new(412_008) })
        );
    }
}
