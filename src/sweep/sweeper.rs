//! Sweeps the containers that the settings name.

use super::begin::load_states;
use super::container::ContainerCaches;
use super::count::count_sweep;
use super::deadlines::SweepDeadlines;
use super::options::SweeperOptions;
use super::report::{SweepReport, SweepResult};
use super::run::SweepRun;
use super::schedule::schedule;
use crate::clock::Clock;
use crate::flow_log::Container;
use crate::forward::Forwarder;
use crate::ports::SweepPorts;
use std::sync::Arc;
use tokio::time::Instant;

/// Compares what is committed with what is checkpointed, and forwards what is behind.
pub struct Sweeper<P: SweepPorts> {
    containers: Vec<Container>,
    listing: Arc<P::Blobs>,
    table: P::Checkpoints,
    watermark_copy: P::WatermarkCopy,
    forwarder: Arc<Forwarder<P>>,
    clock: Clock,
    options: SweeperOptions,
    caches: ContainerCaches,
    /// Held while a sweep is under way.
    running: tokio::sync::Mutex<()>,
}

impl<P: SweepPorts> Sweeper<P> {
    /// A sweeper of `containers`, which keeps its watermarks in `table` and `watermark_copy`. Events must use
    /// the same `forwarder`, so that this process never works on a blob twice at once.
    pub fn new(
        containers: Vec<Container>,
        listing: Arc<P::Blobs>,
        table: P::Checkpoints,
        watermark_copy: P::WatermarkCopy,
        forwarder: Arc<Forwarder<P>>,
        clock: Clock,
        options: SweeperOptions,
    ) -> Self {
        let (caches, running) = (ContainerCaches::default(), tokio::sync::Mutex::default());
        Self { containers, listing, table, watermark_copy, forwarder, clock, options, caches, running }
    }

    /// Forwards everything that is behind, oldest hours first, until nothing is or the time is up.
    ///
    /// A failure affects one blob, hour or container: the others go on, and the next sweep tries again.
    pub async fn sweep(&self) -> SweepResult {
        let Ok(_running) = self.running.try_lock() else { return SweepResult::AlreadyRunning };
        let deadlines = SweepDeadlines::new(Instant::now(), self.options.budget, self.forwarder.budget());
        // Before the time is read: the table's answers correct the clock.
        let states = load_states(&self.table, &self.containers, deadlines.discover_until).await;
        let run = self.start(deadlines);
        let mut report = SweepReport { started: run.now, ..SweepReport::default() };
        let mut containers = run.begin(&self.containers, states, &mut report).await;
        let mut hours = schedule(&containers, run.now, self.options.retention);
        run.catch_up(&containers, &mut hours, &mut report).await;
        run.finish(&mut containers, &hours, &mut report).await;
        // A container that was not opened may still need its rows.
        if containers.len() + report.missing.len() == self.containers.len() {
            run.delete_old_rows(&containers, &mut report).await;
        }
        count_sweep(&self.forwarder.metrics().sweeps, &report);
        SweepResult::Finished(report)
    }

    fn start(&self, deadlines: SweepDeadlines) -> SweepRun<'_, P> {
        SweepRun {
            listing: &self.listing,
            table: &self.table,
            watermark_copy: &self.watermark_copy,
            forwarder: &self.forwarder,
            options: &self.options,
            caches: &self.caches,
            now: self.clock.now(),
            deadlines,
        }
    }
}
