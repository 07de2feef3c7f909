//! What to do when a watermark is missing, lost, or older than the retention.

use super::deadlines::in_time;
use super::error::SweepError;
use super::hours;
use super::run::SweepRun;
use super::state::{StateKey, SweepState};
use crate::flow_log::Container;
use crate::hour::Hour;
use crate::ports::SweepPorts;
use crate::ports::checkpoints::StoreError;
use crate::ports::watermark_copy::WatermarkCopy;

/// Two sweeps at least this far apart, in milliseconds, must find hours older than the retention before
/// they are given up: one wrong time gives up nothing.
const AGREED_AFTER: u64 = 60_000;
/// How long the finding of the first of them is valid, milliseconds.
const AGREED_WITHIN: u64 = 86_400_000;

impl<P: SweepPorts> SweepRun<'_, P> {
    /// Stores and returns a watermark for a container that has none in the table. If the watermark copy or
    /// this process (`cached`) knows one, the table lost it, which is noted in `failure`. Otherwise the
    /// container is new.
    pub(super) async fn first_watermark(
        &self,
        container: &Container,
        state: &mut SweepState,
        cached: Option<Hour>,
        failure: &mut Option<String>,
    ) -> Result<Hour, SweepError> {
        let deadline = self.deadlines.run_until;
        let copy = match in_time(deadline, self.watermark_copy.load(container)).await {
            Err(error) if cached.is_some() => {
                tracing::warn!("{error}. Using the watermark that this process remembers");
                None
            }
            answer => answer?,
        };
        let known = copy.max(cached);
        let hour = known.unwrap_or_else(|| hours::previous(self.now));
        if !self.store(container, state, StateKey::Watermark, hour.number(), deadline).await? {
            // Another process stored one first.
            *state = in_time(deadline, SweepState::load(self.table, container)).await?;
            let key = container.sweep_key();
            let conflict = SweepError::Checkpoints(StoreError::Conflict { key });
            return state.hour(StateKey::Watermark).ok_or(conflict);
        }
        self.store(container, state, StateKey::FirstHour, hour.number(), deadline).await?;
        if known.is_none() {
            tracing::info!(
                %container,
                "first sweep of this container: it starts with {hour}, and commits to earlier hours are not \
                 forwarded"
            );
            return Ok(hour);
        }
        tracing::error!(
            %container,
            "the checkpoint table lost its rows: going on from {hour}, the last known watermark. Blobs of that \
             hour and later ones are forwarded again from their start, because their offsets are lost. Find \
             out who deleted or replaced the table"
        );
        let lost = format!("{container}: the checkpoint table lost its rows: going on from {hour}");
        failure.get_or_insert(lost);
        Ok(hour)
    }

    /// Whether the watermark may skip hours older than the retention. The first sweep that finds such hours
    /// only stores the time; a later one confirms it.
    pub(super) async fn may_skip_expired(
        &self,
        container: &Container,
        state: &mut SweepState,
        watermark: Hour,
    ) -> Result<bool, SweepError> {
        let first_kept = self.first_kept_hour();
        if watermark >= first_kept {
            return Ok(false);
        }
        let found = state.get(StateKey::ExpiredSince).and_then(|found| self.now.checked_sub(found));
        if let Some(ago) = found.filter(|ago| *ago <= AGREED_WITHIN) {
            return Ok(ago >= AGREED_AFTER);
        }
        tracing::warn!(
            %container,
            "hours from {watermark} until {first_kept} were not swept to their end and are older than the \
             retention (CHECKPOINT_RETENTION_DAYS): the next sweep gives them up if it finds the same"
        );
        self.store(container, state, StateKey::ExpiredSince, self.now, self.deadlines.run_until).await?;
        Ok(false)
    }
}
