//! The end of a sweep: what is known now is written down.

use super::hours;
use super::marks::Kind;
use super::open::in_time;
use super::place::{Memory, Place, Step};
use super::report::Swept;
use super::{Sweeper, Times};
use crate::ports::SweepPorts;
use crate::ports::watermark_copy::WatermarkCopy;
use time::Date;

/// How often the time of the looks at closed hours is written when there was none, milliseconds.
const WRITTEN_EVERY: u64 = 3_600_000;

impl<P: SweepPorts> Sweeper<P> {
    /// The first day whose rows are kept: no row of an hour that is not closed is ever deleted. None where
    /// nothing is swept, for then nothing is known to be closed.
    pub(super) fn first_kept(&self, places: &[Place], now: u64) -> Option<Date> {
        let oldest_open = places.iter().map(|place| place.watermark.date()).min()?;
        Some(oldest_open.min(self.options.retention.first_day(now)))
    }

    /// Moves each container's watermark over the hours in which nothing is open, and the time of the looks
    /// at closed hours over those that were looked at.
    pub(super) async fn close(
        &self,
        places: &mut [Place],
        steps: &[Step],
        now: u64,
        times: Times,
        swept: &mut Swept,
    ) {
        for (number, place) in places.iter_mut().enumerate() {
            let steps: Vec<&Step> = steps.iter().filter(|step| step.place == number).collect();
            note_hours(&mut place.memory, &steps, place.is_known_whole, now);
            if fell_silent(&mut place.memory, &steps, now) {
                swept.silent.push(place.container.to_string());
            }
            self.move_watermark(place, now, times, swept).await;
            self.move_looks(place, &steps, now, times, swept).await;
            self.move_beginning(place, now, times, swept).await;
            self.remember(&place.container, std::mem::take(&mut place.memory));
        }
    }

    async fn move_watermark(&self, place: &mut Place, now: u64, times: Times, swept: &mut Swept) {
        let first = self.options.retention.first_hour(now);
        let old = place.watermark;
        let from = if place.gives_up { old.max(first) } else { old };
        let new = hours::advance_watermark(now, from, &place.memory.done);
        let memory = &mut place.memory;
        memory.done.retain(|hour| *hour >= new);
        memory.reopened.retain(|hour| *hour >= first && *hour < new);
        memory.watermark = Some(new);
        if place.marks.hour(Kind::Watermark) != Some(new) {
            let Place { container, marks, .. } = place;
            match self.put(container, marks, Kind::Watermark, new.number(), times.end).await {
                Ok(true) => {}
                // Another process has moved it: the next sweep goes on from there.
                Ok(false) => return,
                Err(error) => {
                    tracing::warn!(%container, "the watermark {new} was not stored: {error}");
                    swept.note(error);
                    return;
                }
            }
            if from > old {
                swept.given_up += from.number() - old.number();
                tracing::error!(
                    %container,
                    "hours from {old} to {from} were never swept to their end, and are older than the retention: \
                     what was committed to them and is not forwarded yet never will be"
                );
                if let Err(error) = self.put(container, marks, Kind::Overdue, 0, times.end).await {
                    tracing::warn!(%container, "a row of the sweep was not stored: {error}");
                }
            }
        }
        if place.memory.copied != Some(new) {
            match in_time(times.end, self.copy.store(&place.container, new)).await {
                Ok(()) => place.memory.copied = Some(new),
                Err(error) => {
                    tracing::warn!("not written, and tried again by the next sweep: {error}");
                    swept.note(error);
                }
            }
        }
    }

    /// Moves the hour before which nothing is looked at along with the retention: rows of earlier hours are
    /// deleted, and a longer retention must not take their blobs for new ones.
    async fn move_beginning(&self, place: &mut Place, now: u64, times: Times, swept: &mut Swept) {
        let first = self.options.retention.first_hour(now);
        let Place { container, marks, watermark, beginning, .. } = place;
        // A watermark behind it says that the time is wrong, or that something is still to be forwarded there.
        if first <= *beginning || *watermark < first {
            return;
        }
        if let Err(error) = self.put(container, marks, Kind::Beginning, first.number(), times.end).await {
            tracing::warn!(%container, "the first hour with rows, {first}, was not stored: {error}");
            swept.note(error);
        }
    }

    async fn move_looks(
        &self,
        place: &mut Place,
        steps: &[&Step],
        now: u64,
        times: Times,
        swept: &mut Swept,
    ) {
        if !place.is_known_whole {
            return;
        }
        let due = || steps.iter().filter_map(|step| Some((step.due?, step.was_seen())));
        let looked_at = due().take_while(|(_, was_seen)| *was_seen).last();
        let old = place.marks.get(Kind::LookedAgain).unwrap_or_default();
        let new = if due().all(|(_, was_seen)| was_seen) {
            // Nothing was due, or all of it was seen. The time is written now and then only, when there was
            // nothing to see: no look depends on it.
            (looked_at.is_some() || now.abs_diff(old) >= WRITTEN_EVERY).then_some(now)
        } else {
            looked_at.map(|(due, _)| due)
        };
        if let Some(last) = new {
            let Place { container, marks, .. } = place;
            if let Err(error) = self.put(container, marks, Kind::LookedAgain, last, times.end).await {
                tracing::warn!(%container, "that closed hours were looked at was not stored: {error}");
                swept.note(error);
            }
        }
    }
}

/// Notes which hours are forwarded, and which closed ones are not; nothing of it holds unless the walk saw
/// every flow log.
fn note_hours(memory: &mut Memory, steps: &[&Step], is_known_whole: bool, now: u64) {
    for step in steps.iter().filter(|step| step.was_seen()) {
        let hour = step.hour;
        if !step.is_forwarded() {
            if !memory.done.remove(&hour) && step.is_closed {
                memory.reopened.insert(hour);
            }
        } else if is_known_whole && step.is_closed {
            memory.reopened.remove(&hour);
        } else if is_known_whole && hour.is_settled(now) {
            memory.done.insert(hour);
        }
    }
}

/// Whether the last two hours hold no blob although they did in earlier sweeps.
fn fell_silent(memory: &mut Memory, steps: &[&Step], now: u64) -> bool {
    let recent = hours::beginning(now);
    let recent = || steps.iter().filter(move |step| !step.is_closed && step.hour >= recent);
    let listed: u64 = recent().map(|step| step.listed).sum();
    memory.had_blobs |= listed > 0;
    memory.had_blobs && listed == 0 && recent().count() > 0 && recent().all(|step| step.was_seen())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hour::Hour;

    const NOW: u64 = 498_705 * 3_600_000;

    fn step(hour: u64, is_closed: bool, open: u64) -> Step {
        let hour = Hour::new(hour);
        Step { place: 0, hour, is_closed, due: None, looks_left: 0, failed_looks: 0, open, listed: 1 }
    }

    #[test]
    fn a_closed_hour_with_something_left_stays_in_sight() {
        let mut memory = Memory::default();
        note_hours(&mut memory, &[&step(498_600, true, 1)], true, NOW);
        assert_eq!(memory.reopened, [Hour::new(498_600)].into());
        note_hours(&mut memory, &[&step(498_600, true, 0)], false, NOW);
        assert_eq!(memory.reopened.len(), 1, "a flow log may be unknown");
        note_hours(&mut memory, &[&step(498_600, true, 0)], true, NOW);
        assert!(memory.reopened.is_empty() && memory.done.is_empty());
    }

    #[test]
    fn an_hour_is_done_only_when_it_is_settled_and_every_flow_log_is_known() {
        let mut memory = Memory::default();
        note_hours(&mut memory, &[&step(498_700, false, 0)], false, NOW);
        note_hours(&mut memory, &[&step(498_704, false, 0), &step(498_701, false, 2)], true, NOW);
        assert!(memory.done.is_empty());
        note_hours(&mut memory, &[&step(498_700, false, 0)], true, NOW);
        assert_eq!(memory.done, [Hour::new(498_700)].into());
        note_hours(&mut memory, &[&step(498_700, true, 1)], true, NOW);
        assert!(memory.done.is_empty() && memory.reopened.is_empty(), "it is open again");
    }
}
