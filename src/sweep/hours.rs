//! Which hours a sweep looks at, and when it is done with one. Times are milliseconds since the Unix epoch.

use crate::hour::{Hour, Retention};
use std::collections::BTreeSet;

/// Where the first sweep of a container begins: with the hour before the open one. What was committed
/// earlier is from before the installation, and a hub is not flooded with it.
#[must_use]
pub(super) fn beginning(now: u64) -> Hour {
    Hour::new(Hour::at(now).number().saturating_sub(1))
}

/// The watermark to go by at `now`, where `stored` is the one in the table: no hour that is not settled can
/// have been closed, unless by a clock that was ahead.
#[must_use]
pub(super) fn plausible(stored: Hour, now: u64) -> Hour {
    stored.min(Hour::first_unsettled(now))
}

/// The hours to look at, oldest first: from `watermark`, before which everything is known to be forwarded,
/// to the open hour; but none whose rows may be gone.
#[must_use]
pub(super) fn to_sweep(now: u64, watermark: Hour, retention: Retention) -> Vec<Hour> {
    let open = Hour::at(now);
    let first = plausible(watermark, now).max(retention.first_hour(now)).min(open);
    (first.number()..=open.number()).map(Hour::new).collect()
}

/// The hours before `watermark` that are to be looked at again, and have rows to be compared with: from
/// `beginning`, with which the first sweep began.
pub(super) fn closed(
    now: u64,
    beginning: Hour,
    watermark: Hour,
    retention: Retention,
) -> impl Iterator<Item = Hour> {
    (beginning.max(retention.first_hour(now)).number()..watermark.number()).map(Hour::new)
}

/// The watermark after a sweep that found everything forwarded in the hours `done`. It passes an hour only
/// when that is settled and all before it were passed.
#[must_use]
pub(super) fn advance_watermark(now: u64, watermark: Hour, done: &BTreeSet<Hour>) -> Hour {
    let mut watermark = watermark;
    while watermark.is_settled(now) && done.contains(&watermark) {
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
    fn the_open_hour_and_the_one_before_are_swept_when_all_else_is_forwarded() {
        let done: BTreeSet<Hour> = (NINE.number() - 5..=NINE.number() + 5).map(Hour::new).collect();
        let mut horizon = beginning(at(NINE, 0));
        for minute in (0..180).step_by(5) {
            let now = at(NINE, minute);
            let hours = to_sweep(now, horizon, WEEK);
            let open = minute / 60;
            // The first sweep of an hour takes leave of the one before the one before.
            let leave = u64::from(minute % 60 == 0 && minute > 0);
            let before = Hour::new(NINE.number() + open - 1 - leave);
            assert_eq!(hours, from_to(before.number(), NINE.number() + open), "minute {minute}");
            horizon = advance_watermark(now, horizon, &done);
        }
    }

    #[test]
    fn an_hour_with_something_left_is_not_passed_nor_any_behind_it() {
        let now = at(Hour::new(NINE.number() + 4), 0);
        let done = [NINE, Hour::new(NINE.number() + 2)].into();
        assert_eq!(advance_watermark(now, NINE, &done), Hour::new(NINE.number() + 1));
        assert_eq!(advance_watermark(now, NINE, &BTreeSet::new()), NINE);
    }

    #[test]
    fn an_hour_is_passed_only_when_it_has_been_over_for_an_hour() {
        let done = [NINE].into();
        assert_eq!(advance_watermark(at(NINE, 120) - 1, NINE, &done), NINE);
        assert_eq!(advance_watermark(at(NINE, 120), NINE, &done), Hour::new(NINE.number() + 1));
    }

    #[test]
    fn after_a_weekend_all_of_it_is_swept_oldest_first() {
        let friday = Hour::new(NINE.number() - 63);
        assert_eq!(to_sweep(at(NINE, 3), friday, WEEK), from_to(friday.number(), NINE.number()));
    }

    #[test]
    fn no_hour_is_swept_whose_rows_may_be_gone() {
        let now = at(NINE, 30);
        assert_eq!(WEEK.first_day(now).to_string(), "2026-11-15");
        assert_eq!(WEEK.first_hour(now).to_string(), "2026-11-16T00Z");
        assert_eq!(to_sweep(now, Hour::new(0), WEEK), from_to(WEEK.first_hour(now).number(), NINE.number()));
        let closed: Vec<Hour> = closed(now, Hour::new(0), NINE, WEEK).collect();
        assert_eq!(closed, from_to(WEEK.first_hour(now).number(), NINE.number() - 1));
        assert_eq!(Retention::of_days(0), Retention::of_days(2));
    }

    #[test]
    fn a_watermark_from_the_future_hides_no_hour_that_is_not_settled() {
        let future = Hour::new(NINE.number() + 9);
        assert_eq!(to_sweep(at(NINE, 5), future, WEEK), from_to(NINE.number() - 1, NINE.number()));
        assert_eq!(plausible(future, at(NINE, 5)), Hour::new(NINE.number() - 1));
        assert_eq!(plausible(Hour::new(NINE.number() - 3), at(NINE, 5)), Hour::new(NINE.number() - 3));
        assert_eq!(plausible(beginning(at(NINE, 0)), at(NINE, 0)), beginning(at(NINE, 0)));
    }

    #[test]
    fn hours_before_the_first_sweep_are_never_looked_at() {
        let closed: Vec<Hour> =
            closed(at(NINE, 5), Hour::new(NINE.number() - 3), Hour::new(NINE.number() - 1), WEEK).collect();
        assert_eq!(closed, from_to(NINE.number() - 3, NINE.number() - 2));
    }

    proptest! {
        #[test]
        fn the_watermark_never_passes_what_is_not_forwarded(
            now in at(NINE, 0)..at(Hour::new(NINE.number() + 300), 0),
            back in 0..400u64, days in 2..30u16, holes in proptest::collection::btree_set(0..700u64, 0..9),
        ) {
            let (retention, stored) = (Retention::of_days(days), Hour::new(NINE.number() + 300 - back));
            let swept = to_sweep(now, stored, retention);
            let done = swept.iter().copied().filter(|hour| !holes.contains(&(hour.number() % 700))).collect();
            let old = plausible(stored, now);
            let new = advance_watermark(now, old, &done);
            prop_assert!(new >= old);
            prop_assert!(new <= Hour::first_unsettled(now));
            for hour in old.number()..new.number() {
                prop_assert!(done.contains(&Hour::new(hour)));
                prop_assert!(at(Hour::new(hour), 120) <= now);
            }
            // What a sweep looks at has its rows, at any time of the day after.
            let tomorrow = now + 24 * HOUR;
            prop_assert!(swept[0].date() >= retention.first_day(tomorrow));
        }
    }
}
