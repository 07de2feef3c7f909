//! Which hours a sweep scans, and how the watermark advances. Times are milliseconds since the Unix epoch.

use crate::hour::{Hour, Retention};
use std::collections::BTreeSet;

/// The hour before the open one. A new installation starts with it: older commits would flood the hub.
#[must_use]
pub(super) fn previous(now: u64) -> Hour {
    Hour::new(Hour::at(now).number().saturating_sub(1))
}

/// The watermark to use when `stored` is the one in the table. An hour that is not settled at `now` can only
/// have been closed by a clock that was ahead, so it is open again.
#[must_use]
pub(super) fn plausible(stored: Hour, now: u64) -> Hour {
    stored.min(Hour::first_unsettled(now))
}

/// The hours from `watermark` to the open hour, oldest first. Leaves out hours whose rows may be deleted.
#[must_use]
pub(super) fn unclosed(now: u64, watermark: Hour, retention: Retention) -> Vec<Hour> {
    let open = Hour::at(now);
    let first = plausible(watermark, now).max(retention.first_hour(now)).min(open);
    (first.number()..=open.number()).map(Hour::new).collect()
}

/// The hours from `first` to `watermark`, without it. Leaves out hours whose rows may be deleted.
pub(super) fn closed(
    now: u64,
    first: Hour,
    watermark: Hour,
    retention: Retention,
) -> impl Iterator<Item = Hour> {
    (first.max(retention.first_hour(now)).number()..watermark.number()).map(Hour::new)
}

/// Moves `watermark` over the hours that are settled and `forwarded`, up to the first that is not.
#[must_use]
pub(super) fn advance_watermark(now: u64, watermark: Hour, forwarded: &BTreeSet<Hour>) -> Hour {
    let mut watermark = watermark;
    while watermark.is_settled(now) && forwarded.contains(&watermark) {
        watermark = watermark.next();
    }
    watermark
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const WEEK: Retention = Retention::DEFAULT;
    /// 2026-11-22T09Z
    const NINE: Hour = Hour::new(498_705);
    const HOUR: u64 = 3_600_000;
    const MINUTE: u64 = 60_000;

    fn at(hour: Hour, minute: u64) -> u64 {
        hour.number() * HOUR + minute * MINUTE
    }

    fn from_to(first: u64, last: u64) -> Vec<Hour> {
        (first..=last).map(Hour::new).collect()
    }

    #[test]
    fn usually_the_open_and_the_previous_hour_are_swept() {
        let forwarded: BTreeSet<Hour> = (NINE.number() - 5..=NINE.number() + 5).map(Hour::new).collect();
        let mut watermark = previous(at(NINE, 0));
        for minute in (0..180).step_by(5) {
            let now = at(NINE, minute);
            let hours = unclosed(now, watermark, WEEK);
            let open = minute / 60;
            // The first sweep in an hour still scans the one before the previous hour.
            let extra = u64::from(minute % 60 == 0 && minute > 0);
            let first = Hour::new(NINE.number() + open - 1 - extra);
            assert_eq!(hours, from_to(first.number(), NINE.number() + open), "minute {minute}");
            watermark = advance_watermark(now, watermark, &forwarded);
        }
    }

    #[test]
    fn the_watermark_stops_at_an_hour_that_is_not_forwarded() {
        let now = at(Hour::new(NINE.number() + 4), 0);
        let forwarded = [NINE, Hour::new(NINE.number() + 2)].into();
        assert_eq!(advance_watermark(now, NINE, &forwarded), Hour::new(NINE.number() + 1));
        assert_eq!(advance_watermark(now, NINE, &BTreeSet::new()), NINE);
    }

    #[test]
    fn the_watermark_passes_an_hour_one_hour_after_its_end() {
        let forwarded = [NINE].into();
        assert_eq!(advance_watermark(at(NINE, 120) - 1, NINE, &forwarded), NINE);
        assert_eq!(advance_watermark(at(NINE, 120), NINE, &forwarded), Hour::new(NINE.number() + 1));
    }

    #[test]
    fn after_a_weekend_all_its_hours_are_swept_oldest_first() {
        let friday = Hour::new(NINE.number() - 63);
        assert_eq!(unclosed(at(NINE, 3), friday, WEEK), from_to(friday.number(), NINE.number()));
    }

    #[test]
    fn hours_whose_rows_may_be_deleted_are_not_swept() {
        let now = at(NINE, 30);
        assert_eq!(WEEK.first_day(now).to_string(), "2026-11-15");
        assert_eq!(WEEK.first_hour(now).to_string(), "2026-11-16T00Z");
        assert_eq!(unclosed(now, Hour::new(0), WEEK), from_to(WEEK.first_hour(now).number(), NINE.number()));
        let closed: Vec<Hour> = closed(now, Hour::new(0), NINE, WEEK).collect();
        assert_eq!(closed, from_to(WEEK.first_hour(now).number(), NINE.number() - 1));
        assert_eq!(Retention::of_days(0).days(), 2);
    }

    #[test]
    fn a_watermark_from_the_future_falls_back_to_unsettled_hours() {
        let future = Hour::new(NINE.number() + 9);
        assert_eq!(unclosed(at(NINE, 5), future, WEEK), from_to(NINE.number() - 1, NINE.number()));
        assert_eq!(plausible(future, at(NINE, 5)), Hour::new(NINE.number() - 1));
        assert_eq!(plausible(Hour::new(NINE.number() - 3), at(NINE, 5)), Hour::new(NINE.number() - 3));
        assert_eq!(plausible(previous(at(NINE, 0)), at(NINE, 0)), previous(at(NINE, 0)));
    }

    #[test]
    fn hours_before_the_first_sweep_are_never_rescanned() {
        let closed: Vec<Hour> =
            closed(at(NINE, 5), Hour::new(NINE.number() - 3), Hour::new(NINE.number() - 1), WEEK).collect();
        assert_eq!(closed, from_to(NINE.number() - 3, NINE.number() - 2));
    }

    proptest! {
        #[test]
        fn the_watermark_passes_only_forwarded_hours(
            now in at(NINE, 0)..at(Hour::new(NINE.number() + 300), 0),
            back in 0..400u64, days in 2..30u16, holes in proptest::collection::btree_set(0..700u64, 0..9),
        ) {
            let (retention, stored) = (Retention::of_days(days), Hour::new(NINE.number() + 300 - back));
            let swept = unclosed(now, stored, retention);
            let forwarded = swept.iter().copied().filter(|hour| !holes.contains(&(hour.number() % 700))).collect();
            let old = plausible(stored, now);
            let new = advance_watermark(now, old, &forwarded);
            prop_assert!(new >= old);
            prop_assert!(new <= Hour::first_unsettled(now));
            for hour in old.number()..new.number() {
                prop_assert!(forwarded.contains(&Hour::new(hour)));
                prop_assert!(at(Hour::new(hour), 120) <= now);
            }
            // The rows of swept hours are kept for at least another day.
            let tomorrow = now + 24 * HOUR;
            prop_assert!(swept[0].date() >= retention.first_day(tomorrow));
        }
    }
}
