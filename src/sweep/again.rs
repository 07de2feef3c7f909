//! When closed hours are looked at again: each once a day, at a minute of its own, so that every sweep has
//! about as many of them to look at.
//!
//! Nothing but the time of the last look is remembered, in the checkpoint table: so it works across restarts
//! and with several processes.

use crate::hour::Hour;

const MINUTE: u64 = 60_000;
const MINUTES_A_DAY: u64 = 1_440;
const DAY: u64 = MINUTES_A_DAY * MINUTE;

/// How many minutes lie between the looks at two successive hours, modulo a day. It has no factor in common
/// with a day's minutes, so that no minute is taken twice before all are; and it is near a day divided by
/// the golden ratio, which spreads any number of successive hours evenly.
const STRIDE: u64 = 889;

/// When `hour` is to be looked at next, after the time `last`; in milliseconds since the Unix epoch.
pub(super) fn due(hour: Hour, last: u64) -> u64 {
    let minute = (hour.number() % MINUTES_A_DAY) * STRIDE % MINUTES_A_DAY;
    let that_day = (last - last % DAY).saturating_add(minute * MINUTE);
    if that_day > last { that_day } else { that_day.saturating_add(DAY) }
}

/// Those of the `closed` hours that are to be looked at by `now`, each with the time at which it was due, in
/// the order of these times; where `last` is how far the looks had got.
pub(super) fn due_hours(closed: impl Iterator<Item = Hour>, last: u64, now: u64) -> Vec<(u64, Hour)> {
    // A time to come was written by a clock that was ahead.
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
    fn a_sweep_looks_at_few_of_a_weeks_closed_hours() {
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
        fn no_closed_hour_waits_longer_than_a_day_and_a_pause(
            pauses in proptest::collection::vec(1..600u64, 1..80),
        ) {
            let (mut last, mut seen) = (NINE * HOUR, BTreeMap::new());
            let longest = pauses.iter().max().unwrap() * MINUTE;
            for pause in pauses {
                let now = last + pause * MINUTE;
                for (_, hour) in due_hours(closed(50), last, now) {
                    seen.insert(hour, now);
                }
                for hour in closed(50) {
                    let before = seen.get(&hour).copied().unwrap_or(NINE * HOUR);
                    prop_assert!(now - before <= DAY + longest);
                }
                last = now;
            }
        }
    }
}
