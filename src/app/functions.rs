//! The functions that the host calls: forward a commit, sweep, show metrics.

use super::answer::{Redelivery, event_result};
use crate::checkpoint::BlobVersion;
use crate::clock::Clock;
use crate::flow_log::{Sources, check_hour};
use crate::forward::Forwarder;
use crate::host::event::Commit;
use crate::host::{Functions, Handled, SweepLine};
use crate::hour::Retention;
use crate::ports::SweepPorts;
use crate::sweep::{SweepOutcome, SweepResult, Sweeper};
use std::sync::Arc;
use std::time::Instant;

/// Forwards commits of the configured blobs, and sweeps.
pub struct FlowLogFunctions<P: SweepPorts> {
    sources: Sources,
    forwarder: Arc<Forwarder<P>>,
    sweeper: Sweeper<P>,
    clock: Clock,
    retention: Retention,
}

impl<P: SweepPorts> FlowLogFunctions<P> {
    /// Accepts events about blobs of `sources` whose checkpoint rows are still within `retention`. `clock` must
    /// be the clock of `forwarder` and `sweeper`.
    pub fn new(
        sources: Sources,
        forwarder: Arc<Forwarder<P>>,
        sweeper: Sweeper<P>,
        clock: Clock,
        retention: Retention,
    ) -> Self {
        Self { sources, forwarder, sweeper, clock, retention }
    }
}

impl<P: SweepPorts> Functions for FlowLogFunctions<P> {
    async fn handle(&self, commit: Commit) -> Handled {
        let arrived = Instant::now();
        let blob = match self.sources.locate(&commit.url) {
            Ok(blob) => blob,
            Err(reason) => {
                self.forwarder.metrics().not_ours.inc();
                return Handled::Nothing(reason.to_string());
            }
        };
        if let Err(reason) = check_hour(&blob, self.clock.now(), self.retention) {
            return Handled::Refused(format!("{blob}: {reason}"));
        }
        let version =
            BlobVersion { etag: commit.etag.unwrap_or_default(), length: commit.length.unwrap_or_default() };
        match self.forwarder.forward(&blob, &version, arrived).await {
            Ok(stats) => {
                let settled = blob.utc_hour().is_settled(self.clock.now());
                event_result(&stats, &blob.url(), Redelivery::needed(settled, self.forwarder.is_stopping()))
            }
            Err(error) => Handled::Failed(error.to_string()),
        }
    }

    fn metrics(&self) -> String {
        self.forwarder.metrics().text()
    }

    fn stop(&self) {
        self.forwarder.stop();
    }

    async fn sweep(&self) -> Result<SweepLine, String> {
        match self.sweeper.sweep().await {
            SweepResult::AlreadyRunning => {
                Ok(SweepLine { text: "another sweep is running".to_owned(), is_worrying: false })
            }
            SweepResult::Finished(swept) if swept.outcome() == SweepOutcome::Failed => Err(swept.to_string()),
            SweepResult::Finished(swept) => {
                Ok(SweepLine { text: swept.to_string(), is_worrying: swept.needs_attention() })
            }
        }
    }
}
