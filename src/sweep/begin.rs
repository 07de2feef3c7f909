//! The first step of a sweep: finds each container's watermark and flow logs.

use super::container::ContainerSweep;
use super::deadlines::in_time;
use super::discovery::{Discovery, discover};
use super::error::SweepError;
use super::hours;
use super::report::SweepReport;
use super::run::SweepRun;
use super::state::{StateKey, SweepState};
use crate::flow_log::Container;
use crate::hour::Hour;
use crate::ports::SweepPorts;
use crate::ports::blobs::ListError;
use crate::ports::checkpoints::CheckpointTable;
use futures_util::{StreamExt as _, stream};
use tokio::time::Instant;

/// How many containers are worked on at once.
const AT_ONCE: usize = 8;

/// Loads the stored state of each container, in the order of `containers`.
pub(super) async fn load_states(
    table: &impl CheckpointTable,
    containers: &[Container],
    deadline: Instant,
) -> Vec<Result<SweepState, SweepError>> {
    let load = |container| in_time(deadline, SweepState::load(table, container));
    let loads: Vec<_> = containers.iter().map(load).collect();
    stream::iter(loads).buffered(AT_ONCE).collect().await
}

impl<P: SweepPorts> SweepRun<'_, P> {
    /// Opens the `containers`, whose stored `states` are given. Reports those that don't exist or fail, and
    /// leaves them out.
    pub(super) async fn begin(
        &self,
        containers: &[Container],
        states: Vec<Result<SweepState, SweepError>>,
        report: &mut SweepReport,
    ) -> Vec<ContainerSweep> {
        let opening = containers.iter().zip(states);
        let opening: Vec<_> = opening.map(|(container, state)| self.open(container, state)).collect();
        let opened: Vec<_> = stream::iter(opening).buffered(AT_ONCE).collect().await;
        let mut sweeps = Vec::new();
        for (container, opened) in containers.iter().zip(opened) {
            match opened {
                Ok(sweep) => {
                    report.flow_logs += sweep.cache.flow_logs.len() as u64;
                    report.failed_scans += u64::from(!sweep.is_complete);
                    if let Some(failure) = &sweep.failure {
                        report.note_failure(failure);
                    }
                    sweeps.push(sweep);
                }
                Err(SweepError::List(ListError::NoContainer { container })) => {
                    tracing::warn!("container {container} does not exist: no flow log has written to it yet");
                    report.missing.push(container);
                }
                Err(error) => {
                    tracing::warn!(%container, "container not swept: {error}");
                    report.failed_scans += 1;
                    report.note_failure(error);
                }
            }
        }
        let retention = self.options.retention;
        let first_hours =
            sweeps.iter().filter_map(|sweep| sweep.open_hours(self.now, retention).first().copied());
        report.hours = first_hours.min().map(|first| (first, Hour::at(self.now)));
        sweeps
    }

    async fn open(
        &self,
        container: &Container,
        state: Result<SweepState, SweepError>,
    ) -> Result<ContainerSweep, SweepError> {
        let mut state = state?;
        let deadline = self.deadlines.run_until;
        let mut cache = self.caches.get(container);
        let Discovery { flow_logs, failure } =
            discover(self.listing, container, &cache.flow_logs, self.deadlines.discover_until).await;
        cache.flow_logs = flow_logs;
        self.caches.put(container, cache.clone());
        if let Some(missing @ SweepError::List(ListError::NoContainer { .. })) = failure {
            return Err(missing);
        }
        if let Some(failure) = &failure {
            tracing::warn!(
                %container,
                "not all flow logs are known, so no hour is closed until they are: {failure}"
            );
        }
        let is_complete = failure.is_none();
        let mut failure = failure.map(|failure| failure.to_string());
        let stored = match state.hour(StateKey::Watermark) {
            Some(hour) => hour,
            None => self.first_watermark(container, &mut state, cache.watermark, &mut failure).await?,
        };
        let watermark = hours::plausible(stored, self.now);
        if watermark < stored {
            tracing::warn!(
                %container,
                "the watermark {stored} was stored while a clock was ahead: going back to {watermark}"
            );
        }
        let first_hour = if let Some(hour) = state.hour(StateKey::FirstHour) {
            hour
        } else {
            // Earlier versions did not store it, so nobody knows which closed hours they had swept.
            self.store(container, &mut state, StateKey::FirstHour, watermark.number(), deadline).await?;
            watermark
        };
        if state.get(StateKey::RescannedUntil).is_none() {
            self.store(container, &mut state, StateKey::RescannedUntil, self.now, deadline).await?;
        }
        let skips_expired = self.may_skip_expired(container, &mut state, watermark).await?;
        let container = container.clone();
        Ok(ContainerSweep {
            container,
            state,
            cache,
            watermark,
            first_hour,
            skips_expired,
            is_complete,
            failure,
        })
    }
}
