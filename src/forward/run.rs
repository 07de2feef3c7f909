//! The state of one run: one claim, one version of the blob.

use super::attempt::Attempt;
use super::deadlines::{Deadlines, now};
use super::error::ForwardError;
use super::forwarded::Forwarded;
use super::lease_store::LoadedRow;
use super::memory_budget::RunLimits;
use super::open::Opened;
use super::outbound::Outbound;
use super::packing::Packing;
use super::send_pipeline::SendPipeline;
use crate::checkpoint::{Broken, Progress};
use crate::flow_log::FlowLogBlob;
use crate::message::batch::Batcher;
use crate::ports::hub::Hub;
use std::time::Instant;

/// What a run sends, how it packs it, and how much memory it may use.
pub(super) struct RunPlan {
    pub(super) opened: Opened,
    pub(super) packing: Packing,
    pub(super) limits: RunLimits,
}

/// A run: its subject, and how far it has come.
pub(super) struct Run<'r, H> {
    pub(super) blob: &'r FlowLogBlob,
    /// The version being read, without quotes.
    pub(super) etag: String,
    /// Its length, bytes.
    pub(super) length: u64,
    /// The run sends no record that ends behind this offset.
    pub(super) until: u64,
    /// Whether an earlier run may have sent some of these messages: their bounds must not change.
    pub(super) repeats: bool,
    /// The longest message body, bytes.
    pub(super) max_body: u64,
    /// Bytes of one ranged GET.
    pub(super) window: u64,
    pub(super) deadlines: &'r Deadlines,
    pub(super) loaded: &'r mut LoadedRow,
    pub(super) outbound: Outbound<'r, H>,
    pub(super) stats: &'r mut Forwarded,
    /// The break at the end of the progress, if there is one.
    pub(super) broken: Option<Broken>,
    /// When progress was last saved.
    pub(super) saved: Instant,
}

impl<'r, H: Hub> Run<'r, H> {
    /// A run of `plan` under the claim in `loaded`.
    pub(super) fn new(
        attempt: &'r mut Attempt<'_>,
        loaded: &'r mut LoadedRow,
        plan: &RunPlan,
        hub: &'r H,
    ) -> Self {
        let RunPlan { opened, packing, limits } = plan;
        let Attempt { blob, deadlines, stats, .. } = attempt;
        let batcher = Batcher::new(packing.limits, packing.origin.clone());
        let pipeline = SendPipeline::new(hub, deadlines, limits.in_flight);
        Self {
            blob,
            etag: opened.etag.clone(),
            length: opened.length,
            until: loaded.row.in_flight.map_or(opened.length, |in_flight| in_flight.until),
            repeats: opened.row.in_flight.is_some(),
            max_body: packing.bounds.max_body,
            window: limits.window,
            outbound: Outbound::new(batcher, pipeline, &loaded.row.progress, opened.tail.clone()),
            broken: loaded.row.progress.broken,
            deadlines,
            loaded,
            stats,
            saved: now(),
        }
    }

    /// The progress to save in the row.
    pub(super) fn progress(&self) -> Progress {
        Progress { broken: self.broken, ..self.outbound.acknowledged_after(&self.loaded.row.progress) }
    }

    /// The end of the bytes of this version that are due for quarantine at `time`, in milliseconds since the
    /// Unix epoch.
    pub(super) fn quarantine_due_to(&self, time: u64) -> Option<u64> {
        let progress = Progress { length: self.length, ..self.progress() };
        progress.quarantine_due_to(self.blob.hour_end(), time)
    }
}

/// How a run ended. `progress` counts even when `result` is an error.
pub(super) struct RunResult {
    pub(super) progress: Progress,
    /// Whether nothing is in flight any more.
    pub(super) finished: bool,
    pub(super) result: Result<(), ForwardError>,
}

impl RunResult {
    /// Nothing was sent.
    pub(super) fn unchanged(loaded: &LoadedRow, result: Result<(), ForwardError>) -> Self {
        Self { progress: loaded.row.progress.clone(), finished: false, result }
    }
}
