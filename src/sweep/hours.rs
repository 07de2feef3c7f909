//! Which hours a sweep looks at, and when it is done with one. Times are milliseconds since the Unix epoch.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;
use time::{Date, OffsetDateTime};

/// How long after its end an hour is still looked at. Commits for the last minutes of an hour come when
/// it is over, and how late they may come is written nowhere; with a whole hour, every sweep looks at the
/// open hour and at the one before.
pub const SETTLES_AFTER: Duration = Duration::from_hours(1);

const HOUR: u64 = 3_600_000;
const HOURS_A_DAY: u64 = 24;

/// An hour of UTC, counted from the Unix epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hour(u64);

impl Hour {
    /// The `number`-th hour since the Unix epoch.
    #[must_use]
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// The hour of the time `millis`.
    #[must_use]
    pub fn at(millis: u64) -> Self {
        Self(millis / HOUR)
    }

    /// How many hours passed from the Unix epoch to the beginning of this one.
    #[must_use]
    pub fn number(self) -> u64 {
        self.0
    }

    /// Its day.
    #[must_use]
    pub fn date(self) -> Date {
        let seconds = i64::try_from(self.0.saturating_mul(3_600)).ok();
        seconds
            .and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok())
            .map_or(Date::MAX, OffsetDateTime::date)
    }

    /// Its place in its day, 0 to 23.
    #[must_use]
    pub fn of_day(self) -> u8 {
        u8::try_from(self.0 % HOURS_A_DAY).unwrap_or_default()
    }

    /// The first hour that did not end so long before `now` that nothing more is expected of it.
    pub(super) fn first_unsettled(now: u64) -> Self {
        let settles = u64::try_from(SETTLES_AFTER.as_millis()).unwrap_or(u64::MAX);
        Self::at(now.saturating_sub(settles))
    }

    /// Whether it ended so long before `now` that nothing more is expected of it.
    #[must_use]
    pub fn is_settled(self, now: u64) -> bool {
        self < Self::first_unsettled(now)
    }

    pub(super) fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

/// Shows it as `2026-11-22T09Z`.
impl fmt::Display for Hour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}T{:02}Z", self.date(), self.of_day())
    }
}

/// For how many days checkpoint rows are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    days: u16,
}

impl Retention {
    /// The fewest days: yesterday's hours must not lose their rows while they are looked at.
    pub const LEAST_DAYS: u16 = 2;
    /// The days when nothing else is said.
    pub const DEFAULT_DAYS: u16 = 7;

    /// A retention of `days`, or of [`Retention::LEAST_DAYS`] when that is more.
    #[must_use]
    pub fn of_days(days: u16) -> Self {
        Self { days: days.max(Self::LEAST_DAYS) }
    }

    /// The days.
    #[must_use]
    pub fn days(self) -> u16 {
        self.days
    }

    /// The first day whose rows are kept.
    #[must_use]
    pub fn first_day(self, now: u64) -> Date {
        Hour(self.first_day_number(now) * HOURS_A_DAY).date()
    }

    /// The first hour that a sweep may look at. A day later than [`Retention::first_day`]: a blob whose
    /// row is gone would be sent again, and the clocks of two processes may be on two sides of midnight.
    #[must_use]
    pub fn first_hour(self, now: u64) -> Hour {
        Hour((self.first_day_number(now) + 1) * HOURS_A_DAY)
    }

    fn first_day_number(self, now: u64) -> u64 {
        (Hour::at(now).0 / HOURS_A_DAY).saturating_sub(self.days.into())
    }
}

/// Where the first sweep of a container begins: with the hour before the open one. What was committed
/// earlier is from before the installation, and a hub is not flooded with it.
#[must_use]
pub fn beginning(now: u64) -> Hour {
    Hour(Hour::at(now).0.saturating_sub(1))
}

/// The watermark to go by at `now`, where `stored` is the one in the table: no hour that is not settled can
/// have been closed, unless by a clock that was ahead.
#[must_use]
pub fn plausible(stored: Hour, now: u64) -> Hour {
    stored.min(Hour::first_unsettled(now))
}

/// The hours to look at, oldest first: from `watermark`, before which everything is known to be forwarded,
/// to the open hour; but none whose rows may be gone.
#[must_use]
pub fn to_sweep(now: u64, watermark: Hour, retention: Retention) -> Vec<Hour> {
    let open = Hour::at(now);
    let first = plausible(watermark, now).max(retention.first_hour(now)).min(open);
    (first.0..=open.0).map(Hour).collect()
}

/// The hours before `watermark` that are to be looked at again, and have rows to be compared with: from
/// `beginning`, with which the first sweep began.
pub fn closed(
    now: u64,
    beginning: Hour,
    watermark: Hour,
    retention: Retention,
) -> impl Iterator<Item = Hour> {
    (beginning.max(retention.first_hour(now)).0..watermark.0).map(Hour)
}

/// The watermark after a sweep that found everything forwarded in the hours `done`. It passes an hour only
/// when that is settled and all before it were passed.
#[must_use]
pub fn moved(now: u64, watermark: Hour, done: &BTreeSet<Hour>) -> Hour {
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

    const WEEK: Retention = Retention { days: 7 };
    /// 2026-11-22T09Z
    const NINE: Hour = Hour(498_705);
    const MINUTE: u64 = 60_000;

    fn at(hour: Hour, minute: u64) -> u64 {
        hour.0 * HOUR + minute * MINUTE
    }

    fn from_to(first: u64, last: u64) -> Vec<Hour> {
        (first..=last).map(Hour).collect()
    }

    #[test]
    fn an_hour_knows_its_day_and_its_place_in_it() {
        assert_eq!(NINE.to_string(), "2026-11-22T09Z");
        assert_eq!((NINE.date().to_string().as_str(), NINE.of_day()), ("2026-11-22", 9));
        assert_eq!(Hour::at(at(NINE, 59) + 59_999), NINE);
        assert_eq!(Hour::at(at(NINE, 60)), Hour(NINE.0 + 1));
        assert_eq!(Hour(u64::MAX).date(), Date::MAX);
    }

    #[test]
    fn the_open_hour_and_the_one_before_are_swept_when_all_else_is_forwarded() {
        let done: BTreeSet<Hour> = (NINE.0 - 5..=NINE.0 + 5).map(Hour).collect();
        let mut horizon = beginning(at(NINE, 0));
        for minute in (0..180).step_by(5) {
            let now = at(NINE, minute);
            let hours = to_sweep(now, horizon, WEEK);
            let open = minute / 60;
            // The first sweep of an hour takes leave of the one before the one before.
            let leave = u64::from(minute % 60 == 0 && minute > 0);
            let before = Hour(NINE.0 + open - 1 - leave);
            assert_eq!(hours, from_to(before.0, NINE.0 + open), "minute {minute}");
            horizon = moved(now, horizon, &done);
        }
    }

    #[test]
    fn an_hour_with_something_left_is_not_passed_nor_any_behind_it() {
        let now = at(Hour(NINE.0 + 4), 0);
        let done = [NINE, Hour(NINE.0 + 2)].into();
        assert_eq!(moved(now, NINE, &done), Hour(NINE.0 + 1));
        assert_eq!(moved(now, NINE, &BTreeSet::new()), NINE);
    }

    #[test]
    fn an_hour_is_passed_only_when_it_has_been_over_for_an_hour() {
        let done = [NINE].into();
        assert_eq!(moved(at(NINE, 120) - 1, NINE, &done), NINE);
        assert_eq!(moved(at(NINE, 120), NINE, &done), Hour(NINE.0 + 1));
    }

    #[test]
    fn after_a_weekend_all_of_it_is_swept_oldest_first() {
        let friday = Hour(NINE.0 - 63);
        assert_eq!(to_sweep(at(NINE, 3), friday, WEEK), from_to(friday.0, NINE.0));
    }

    #[test]
    fn no_hour_is_swept_whose_rows_may_be_gone() {
        let now = at(NINE, 30);
        assert_eq!(WEEK.first_day(now).to_string(), "2026-11-15");
        assert_eq!(WEEK.first_hour(now).to_string(), "2026-11-16T00Z");
        assert_eq!(to_sweep(now, Hour(0), WEEK), from_to(WEEK.first_hour(now).0, NINE.0));
        let closed: Vec<Hour> = closed(now, Hour(0), NINE, WEEK).collect();
        assert_eq!(closed, from_to(WEEK.first_hour(now).0, NINE.0 - 1));
        assert_eq!(Retention::of_days(0), Retention { days: 2 });
    }

    #[test]
    fn a_watermark_from_the_future_hides_no_hour_that_is_not_settled() {
        let future = Hour(NINE.0 + 9);
        assert_eq!(to_sweep(at(NINE, 5), future, WEEK), from_to(NINE.0 - 1, NINE.0));
        assert_eq!(plausible(future, at(NINE, 5)), Hour(NINE.0 - 1));
        assert_eq!(plausible(Hour(NINE.0 - 3), at(NINE, 5)), Hour(NINE.0 - 3));
        assert_eq!(plausible(beginning(at(NINE, 0)), at(NINE, 0)), beginning(at(NINE, 0)));
    }

    #[test]
    fn hours_before_the_first_sweep_are_never_looked_at() {
        let closed: Vec<Hour> = closed(at(NINE, 5), Hour(NINE.0 - 3), Hour(NINE.0 - 1), WEEK).collect();
        assert_eq!(closed, from_to(NINE.0 - 3, NINE.0 - 2));
    }

    proptest! {
        #[test]
        fn the_watermark_never_passes_what_is_not_forwarded(
            now in at(NINE, 0)..at(Hour(NINE.0 + 300), 0),
            back in 0..400u64, days in 2..30u16, holes in proptest::collection::btree_set(0..700u64, 0..9),
        ) {
            let (retention, stored) = (Retention::of_days(days), Hour(NINE.0 + 300 - back));
            let swept = to_sweep(now, stored, retention);
            let done = swept.iter().copied().filter(|hour| !holes.contains(&(hour.0 % 700))).collect();
            let old = plausible(stored, now);
            let new = moved(now, old, &done);
            prop_assert!(new >= old);
            prop_assert!(new <= Hour::first_unsettled(now));
            for hour in old.0..new.0 {
                prop_assert!(done.contains(&Hour(hour)));
                prop_assert!(at(Hour(hour), 120) <= now);
            }
            // What a sweep looks at has its rows, at any time of the day after.
            let tomorrow = now + 24 * HOUR;
            prop_assert!(swept[0].date() >= retention.first_day(tomorrow));
        }
    }
}
