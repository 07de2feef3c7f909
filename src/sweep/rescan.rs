//! When closed hours are rescanned: once a day, each at its own minute, so that every sweep rescans about
//! as many of them.
//!
//! Only the time of the last rescan is stored, in the checkpoint table. So the schedule survives restarts
//! and is shared by all processes. Times are milliseconds since the Unix epoch.

use crate::hour::Hour;

const MINUTE: u64 = 60_000;
const MINUTES_A_DAY: u64 = 1_440;
const DAY: u64 = MINUTES_A_DAY * MINUTE;

/// Minutes between the rescans of two successive hours, modulo a day. It is coprime to the minutes of a day,
/// so that 1,440 successive hours get different minutes, and near a day divided by the golden ratio, which
/// spreads any number of successive hours evenly.
const STRIDE: u64 = 889;

/// When `hour` is due for the first time after `last`.
pub(super) fn due(hour: Hour, last: u64) -> u64 {
    let minute = (hour.number() % MINUTES_A_DAY) * STRIDE % MINUTES_A_DAY;
    let same_day = (last - last % DAY).saturating_add(minute * MINUTE);
    if same_day > last { same_day } else { same_day.saturating_add(DAY) }
}

/// The `closed` hours that came due after `last`, the time of the last rescan, and by `now`. Each with its
/// due time, in that order.
pub(super) fn due_hours(closed: impl Iterator<Item = Hour>, last: u64, now: u64) -> Vec<(u64, Hour)> {
    // A time in the future was stored by a clock that was ahead.
    let last = if last > now { now.saturating_sub(DAY) } else { last };
    let mut hours: Vec<_> =
        closed.map(|hour| (due(hour, last), hour)).filter(|(due, _)| *due <= now).collect();
    hours.sort_unstable();
    hours
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    const HOUR: u64 = 60 * MINUTE;
    /// 2026-11-22T09Z
    const NINE: u64 = 498_705;

    fn closed(hours: u64) -> impl Iterator<Item = Hour> {
        (NINE - hours..NINE).map(Hour::new)
    }

    #[test]
    fn each_sweep_rescans_few_of_a_weeks_closed_hours() {
        let mut last = NINE * HOUR;
        let mut counts = Vec::new();
        for _ in 0..288 {
            let now = last + 5 * MINUTE;
            counts.push(due_hours(closed(168), last, now).len());
            last = now;
        }
        assert_eq!(counts.iter().sum::<usize>(), 168, "each once in a day");
        assert!(counts.iter().all(|count| *count <= 2), "{counts:?}");
    }

    #[test]
    fn after_a_day_without_a_sweep_all_closed_hours_are_due() {
        let now = NINE * HOUR + 17 * MINUTE;
        assert_eq!(due_hours(closed(168), now - DAY, now).len(), 168);
        assert_eq!(due_hours(closed(168), 0, now).len(), 168);
        assert_eq!(due_hours(closed(168), now + 1, now).len(), 168, "a clock was ahead");
    }

    proptest! {
        #[test]
        fn a_closed_hour_waits_at_most_a_day_and_a_pause(
            pauses in proptest::collection::vec(1..600u64, 1..80),
        ) {
            let (mut last, mut rescanned) = (NINE * HOUR, BTreeMap::new());
            let longest = pauses.iter().max().unwrap() * MINUTE;
            for pause in pauses {
                let now = last + pause * MINUTE;
                for (_, hour) in due_hours(closed(50), last, now) {
                    rescanned.insert(hour, now);
                }
                for hour in closed(50) {
                    let before = rescanned.get(&hour).copied().unwrap_or(NINE * HOUR);
                    prop_assert!(now - before <= DAY + longest);
                }
                last = now;
            }
        }
    }
}
