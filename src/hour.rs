//! UTC hours, and how long checkpoint rows are kept. Times are milliseconds since the Unix epoch.

use std::fmt;
use std::time::Duration;
use time::{Date, OffsetDateTime};

/// How long after its end an hour is still scanned. Azure commits the last minutes of an hour after its end and does not
/// document how late; with a whole hour, every sweep scans the current hour and the one before.
pub const SETTLES_AFTER: Duration = Duration::from_hours(1);

const HOUR: u64 = 3_600_000;
const HOURS_A_DAY: u64 = 24;

/// A UTC hour, counted from the Unix epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hour(u64);

impl Hour {
    /// The `number`-th hour since the Unix epoch.
    #[must_use]
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// The hour that contains the time `millis`.
    #[must_use]
    pub fn at(millis: u64) -> Self {
        Self(millis / HOUR)
    }

    /// The number of hours between the Unix epoch and this hour.
    #[must_use]
    pub fn number(self) -> u64 {
        self.0
    }

    /// The UTC day.
    #[must_use]
    pub fn date(self) -> Date {
        let seconds = i64::try_from(self.0.saturating_mul(3_600)).ok();
        seconds
            .and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok())
            .map_or(Date::MAX, OffsetDateTime::date)
    }

    /// The hour of the day, 0 to 23.
    #[must_use]
    pub fn of_day(self) -> u8 {
        u8::try_from(self.0 % HOURS_A_DAY).unwrap_or_default()
    }

    /// The first hour that is not settled at `now`.
    pub(crate) fn first_unsettled(now: u64) -> Self {
        let settles = u64::try_from(SETTLES_AFTER.as_millis()).unwrap_or(u64::MAX);
        Self::at(now.saturating_sub(settles))
    }

    /// Whether the hour ended so long before `now` that no more commits are expected in it.
    #[must_use]
    pub fn is_settled(self, now: u64) -> bool {
        self < Self::first_unsettled(now)
    }

    pub(crate) fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

/// Formats the hour as `2026-11-22T09Z`.
impl fmt::Display for Hour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}T{:02}Z", self.date(), self.of_day())
    }
}

/// How many days checkpoint rows are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    days: u16,
}

impl Retention {
    /// The minimum: yesterday's hours must not lose their rows while they are scanned.
    pub const MIN_DAYS: u16 = 2;

    /// A week.
    pub const DEFAULT: Self = Self { days: 7 };

    /// A retention of `days`, at least [`Retention::MIN_DAYS`].
    #[must_use]
    pub fn of_days(days: u16) -> Self {
        Self { days: days.max(Self::MIN_DAYS) }
    }

    /// The number of days.
    #[must_use]
    pub const fn days(self) -> u16 {
        self.days
    }

    /// The first day whose rows are kept.
    #[must_use]
    pub fn first_day(self, now: u64) -> Date {
        Hour(self.first_day_number(now) * HOURS_A_DAY).date()
    }

    /// The first hour that a sweep may scan, one day after [`Retention::first_day`]: a blob whose row was deleted would be
    /// sent again, and the clocks of two processes may be on different sides of midnight.
    #[must_use]
    pub fn first_hour(self, now: u64) -> Hour {
        Hour((self.first_day_number(now) + 1) * HOURS_A_DAY)
    }

    fn first_day_number(self, now: u64) -> u64 {
        (Hour::at(now).0 / HOURS_A_DAY).saturating_sub(self.days.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NINE: Hour = Hour(498_705);

    fn at(hour: Hour, minute: u64) -> u64 {
        hour.0 * HOUR + minute * 60_000
    }

    #[test]
    fn an_hour_has_a_date_and_an_hour_of_day() {
        assert_eq!(NINE.to_string(), "2026-11-22T09Z");
        assert_eq!((NINE.date().to_string().as_str(), NINE.of_day()), ("2026-11-22", 9));
        assert_eq!(Hour::at(at(NINE, 59) + 59_999), NINE);
        assert_eq!(Hour::at(at(NINE, 60)), Hour(NINE.0 + 1));
        assert_eq!(Hour::new(u64::MAX).date(), Date::MAX);
    }
}
