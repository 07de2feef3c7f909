//! The last step of a sweep: stores how far it got.

use super::container::{ContainerCache, ContainerSweep};
use super::deadlines::in_time;
use super::hours;
use super::report::SweepReport;
use super::run::SweepRun;
use super::schedule::HourScan;
use super::state::StateKey;
use crate::hour::Hour;
use crate::ports::SweepPorts;
use crate::ports::watermark_copy::WatermarkCopy;

/// How often the time of the last rescan is stored when no hour was due, milliseconds.
const STORED_EVERY: u64 = 3_600_000;

impl<P: SweepPorts> SweepRun<'_, P> {
    /// Advances each container's watermark over forwarded hours, and the time of the last rescan over
    /// rescanned ones.
    pub(super) async fn finish(
        &self,
        containers: &mut [ContainerSweep],
        hours: &[HourScan],
        report: &mut SweepReport,
    ) {
        for (index, sweep) in containers.iter_mut().enumerate() {
            let hours: Vec<&HourScan> = hours.iter().filter(|hour| hour.container == index).collect();
            note_hours(&mut sweep.cache, &hours, sweep.is_complete, self.now);
            if fell_silent(&mut sweep.cache, &hours, self.now) {
                report.silent.push(sweep.container.to_string());
            }
            self.move_watermark(sweep, report).await;
            self.move_rescanned_until(sweep, &hours, report).await;
            self.move_first_hour(sweep, report).await;
            self.caches.put(&sweep.container, std::mem::take(&mut sweep.cache));
        }
    }

    async fn move_watermark(&self, sweep: &mut ContainerSweep, report: &mut SweepReport) {
        let first_kept = self.first_kept_hour();
        let old = sweep.watermark;
        let from = if sweep.skips_expired { old.max(first_kept) } else { old };
        let cache = &mut sweep.cache;
        let new = hours::advance_watermark(self.now, from, &cache.forwarded);
        cache.forwarded.retain(|hour| *hour >= new);
        cache.reopened.retain(|hour| *hour >= first_kept && *hour < new);
        cache.watermark = Some(new);
        let ContainerSweep { container, state, .. } = sweep;
        if state.hour(StateKey::Watermark) != Some(new) {
            match self.store(container, state, StateKey::Watermark, new.number(), self.deadlines.end).await {
                Ok(true) => {}
                // Another process moved it: the next sweep goes on from there.
                Ok(false) => return,
                Err(error) => {
                    tracing::warn!(%container, "the watermark {new} was not stored: {error}");
                    report.note_failure(error);
                    return;
                }
            }
            if from > old {
                self.give_up(sweep, old, from, report).await;
            }
        }
        self.copy_watermark(sweep, new, report).await;
    }

    /// Reports the hours `[old, new)` as given up. Later hours need a new confirmation.
    async fn give_up(&self, sweep: &mut ContainerSweep, old: Hour, new: Hour, report: &mut SweepReport) {
        let ContainerSweep { container, state, .. } = sweep;
        report.given_up += new.number() - old.number();
        tracing::error!(
            %container,
            "hours from {old} until {new} were given up: they were never swept to their end and are older than \
             the retention (CHECKPOINT_RETENTION_DAYS). No sweep will forward the rest of their records"
        );
        if let Err(error) = self.store(container, state, StateKey::ExpiredSince, 0, self.deadlines.end).await
        {
            tracing::warn!(%container, "the row `overdue` of the sweep's state was not reset: {error}");
        }
    }

    async fn copy_watermark(&self, sweep: &mut ContainerSweep, new: Hour, report: &mut SweepReport) {
        if sweep.cache.copied == Some(new) {
            return;
        }
        match in_time(self.deadlines.end, self.watermark_copy.store(&sweep.container, new)).await {
            Ok(()) => sweep.cache.copied = Some(new),
            Err(error) => {
                tracing::warn!("not stored, the next sweep tries again: {error}");
                report.note_failure(error);
            }
        }
    }

    /// Moves the first hour that may be rescanned along with the retention. Rows of earlier hours are deleted:
    /// should the retention become longer, a rescan would take their blobs for new ones.
    async fn move_first_hour(&self, sweep: &mut ContainerSweep, report: &mut SweepReport) {
        let first_kept = self.first_kept_hour();
        let ContainerSweep { container, state, watermark, first_hour, .. } = sweep;
        // With a watermark older than that, the time is wrong or old hours are still open.
        if first_kept <= *first_hour || *watermark < first_kept {
            return;
        }
        let stored =
            self.store(container, state, StateKey::FirstHour, first_kept.number(), self.deadlines.end);
        if let Err(error) = stored.await {
            tracing::warn!(%container, "the first hour to rescan, {first_kept}, was not stored: {error}");
            report.note_failure(error);
        }
    }

    async fn move_rescanned_until(
        &self,
        sweep: &mut ContainerSweep,
        hours: &[&HourScan],
        report: &mut SweepReport,
    ) {
        if !sweep.is_complete {
            return;
        }
        let due = || hours.iter().filter_map(|hour| Some((hour.due?, hour.is_scanned())));
        let last_scanned = due().take_while(|(_, is_scanned)| *is_scanned).last();
        let old = sweep.state.get(StateKey::RescannedUntil).unwrap_or_default();
        let new = if due().all(|(_, is_scanned)| is_scanned) {
            // When no hour was due, the time is stored only now and then: no rescan depends on it.
            (last_scanned.is_some() || self.now.abs_diff(old) >= STORED_EVERY).then_some(self.now)
        } else {
            last_scanned.map(|(due, _)| due)
        };
        let Some(new) = new else { return };
        let ContainerSweep { container, state, .. } = sweep;
        let stored = self.store(container, state, StateKey::RescannedUntil, new, self.deadlines.end);
        if let Err(error) = stored.await {
            tracing::warn!(%container, "the time of the last rescan was not stored: {error}");
            report.note_failure(error);
        }
    }
}

/// Notes which hours are forwarded, and which closed ones are behind. An hour only counts as forwarded when
/// all flow logs are known (`is_complete`).
fn note_hours(cache: &mut ContainerCache, hours: &[&HourScan], is_complete: bool, now: u64) {
    for scan in hours.iter().filter(|scan| scan.is_scanned()) {
        let hour = scan.hour;
        if !scan.is_forwarded() {
            if !cache.forwarded.remove(&hour) && scan.is_closed {
                cache.reopened.insert(hour);
            }
        } else if is_complete && scan.is_closed {
            cache.reopened.remove(&hour);
        } else if is_complete && hour.is_settled(now) {
            cache.forwarded.insert(hour);
        }
    }
}

/// Whether the last two hours hold no blobs although earlier sweeps found some.
fn fell_silent(cache: &mut ContainerCache, hours: &[&HourScan], now: u64) -> bool {
    let previous = hours::previous(now);
    let recent = || hours.iter().filter(move |scan| !scan.is_closed && scan.hour >= previous);
    let listed: u64 = recent().map(|scan| scan.listed).sum();
    cache.had_blobs |= listed > 0;
    cache.had_blobs && listed == 0 && recent().count() > 0 && recent().all(|scan| scan.is_scanned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 498_705 * 3_600_000;

    fn scan(hour: u64, is_closed: bool, behind: u64) -> HourScan {
        let (container, hour, due) = (0, Hour::new(hour), None);
        HourScan { container, hour, is_closed, due, flow_logs_left: 0, failed_scans: 0, listed: 1, behind }
    }

    #[test]
    fn a_closed_hour_that_is_behind_stays_reopened() {
        let mut cache = ContainerCache::default();
        note_hours(&mut cache, &[&scan(498_600, true, 1)], true, NOW);
        assert_eq!(cache.reopened, [Hour::new(498_600)].into());
        note_hours(&mut cache, &[&scan(498_600, true, 0)], false, NOW);
        assert_eq!(cache.reopened.len(), 1, "a flow log may be unknown");
        note_hours(&mut cache, &[&scan(498_600, true, 0)], true, NOW);
        assert!(cache.reopened.is_empty() && cache.forwarded.is_empty());
    }

    #[test]
    fn an_hour_is_forwarded_if_settled_and_all_flow_logs_known() {
        let mut cache = ContainerCache::default();
        note_hours(&mut cache, &[&scan(498_700, false, 0)], false, NOW);
        note_hours(&mut cache, &[&scan(498_704, false, 0), &scan(498_701, false, 2)], true, NOW);
        assert!(cache.forwarded.is_empty());
        note_hours(&mut cache, &[&scan(498_700, false, 0)], true, NOW);
        assert_eq!(cache.forwarded, [Hour::new(498_700)].into());
        note_hours(&mut cache, &[&scan(498_700, true, 1)], true, NOW);
        assert!(cache.forwarded.is_empty() && cache.reopened.is_empty(), "it is open again");
    }
}
