//! The guarantee behind the events: compares what is committed with what is checkpointed, hour by hour,
//! and forwards what is behind.
//!
//! Whatever an event did not bring (it was lost, its attempt was killed, its time was too short, the
//! commit was the last of the hour), a sweep finds, for a blob's `ETag` in a listing tells its newest
//! commit, and its row the last commit that was forwarded to its end. So this costs a listing and a
//! query for each flow log, hour and thousand blobs, and reads nothing but what is behind. Names and rows
//! are compared page by page: how much memory that takes does not depend on how many blobs there are.
//!
//! Which hours: from the container's *watermark*, before which everything is known to be forwarded, to the
//! open hour. The watermark is stored, so an app that was down for a weekend catches up with the weekend,
//! and a new installation begins with the hour before it was installed. Hours before the watermark are
//! closed, and looked at again once a day for as long as their rows are kept. ([`hours`], [`WatermarkCopy`])
//!
//! What it leaves alone: blobs that another worker has claimed. What it does beside: deletes rows that
//! are older than the retention.

mod again;
mod behind;
mod close;
mod count;
mod discovery;
mod folders;
mod hours;
mod look;
mod marks;
mod open;
mod place;
mod report;
mod retention;
mod work;

pub use report::{Outcome, Sweep, Swept};

use crate::clock::Clock;
use crate::flow_log::Container;
use crate::forward::Forwarder;
use crate::hour::Retention;
use crate::ports::SweepPorts;
use discovery::Discovery;
use place::Memory;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// How a sweeper works; the defaults suit a timer of five minutes.
#[derive(Clone, Debug)]
pub struct SweeperOptions {
    /// How long one sweep may take. Functions end after five minutes on the Consumption plan unless
    /// told otherwise (learn.microsoft.com, *Azure Functions hosting options*), and with the function
    /// ends the process.
    pub budget: Duration,
    /// How many blobs are forwarded at once. What they hold in memory is bounded by the forwarder, so that
    /// this covers the waits for storage: with 20 ms a call it makes hundreds of small blobs a second.
    pub at_once: usize,
    /// How many names are listed and compared with their rows at a time, at most 1,000: as many rows as
    /// the table puts into one page.
    pub page: u32,
    /// For how long rows are kept.
    pub retention: Retention,
}

impl Default for SweeperOptions {
    fn default() -> Self {
        Self {
            budget: Duration::from_mins(4),
            at_once: 32,
            page: crate::ports::checkpoints::LARGEST_PAGE,
            retention: Retention::DEFAULT,
        }
    }
}

/// Sweeps the containers that the settings name.
pub struct Sweeper<P: SweepPorts> {
    containers: Vec<Container>,
    listing: Arc<P::Blobs>,
    table: P::Checkpoints,
    copy: P::WatermarkCopy,
    forwarder: Arc<Forwarder<P>>,
    clock: Clock,
    options: SweeperOptions,
    discovery: Discovery,
    memory: Mutex<HashMap<Container, Memory>>,
    /// Held by the sweep under way.
    turn: tokio::sync::Mutex<()>,
}

/// The parts of a sweep's time: each leaves enough for what comes after it.
#[derive(Clone, Copy, Debug)]
struct Times {
    /// The flow logs are to be found by then.
    discover_until: Instant,
    /// No look and no run begins after this: a run has its whole time.
    begin_until: Instant,
    /// Looks and runs end by then; what is left is for the watermarks and for old rows.
    run_until: Instant,
    /// Whatever is not done by then is left.
    end: Instant,
}

impl Times {
    fn within(began: Instant, budget: Duration, run: Duration) -> Self {
        let run_until = budget * 15 / 16;
        Self {
            discover_until: began + budget / 4,
            begin_until: began + run_until.saturating_sub(run),
            run_until: began + run_until,
            end: began + budget,
        }
    }
}

impl<P: SweepPorts> Sweeper<P> {
    /// A sweeper of `containers`, which compares `listing` with `table`, keeps its watermarks there and in
    /// `copy`, and forwards through `forwarder`: the one that events use, so that a blob is never at work
    /// twice in this process.
    pub fn new(
        containers: Vec<Container>,
        listing: Arc<P::Blobs>,
        table: P::Checkpoints,
        copy: P::WatermarkCopy,
        forwarder: Arc<Forwarder<P>>,
        clock: Clock,
        options: SweeperOptions,
    ) -> Self {
        Self {
            containers,
            listing,
            table,
            copy,
            forwarder,
            clock,
            options,
            discovery: Discovery::default(),
            memory: Mutex::default(),
            turn: tokio::sync::Mutex::default(),
        }
    }

    /// Forwards what is behind, oldest hours first, until all is done or the time is up.
    ///
    /// A failure concerns the blob, the hour or the container that it befell: the rest goes on, and the
    /// next sweep tries again.
    pub async fn sweep(&self) -> Sweep {
        let Ok(_turn) = self.turn.try_lock() else { return Sweep::UnderWay };
        let times = Times::within(Instant::now(), self.options.budget, self.forwarder.budget());
        // First, for the table's answers set the clock right.
        let marks = self.load_marks(times).await;
        let now = self.clock.now();
        let mut swept = Swept { at: now, ..Swept::default() };
        let (mut places, all_are_known) = self.open(marks, now, times, &mut swept).await;
        let mut steps = place::steps(&places, now, self.options.retention);
        self.work(&places, &mut steps, now, times, &mut swept).await;
        let first_kept = self.first_kept(&places, now).filter(|_| all_are_known);
        self.close(&mut places, &steps, now, times, &mut swept).await;
        if let Some(first_kept) = first_kept {
            match retention::delete_old_rows(&self.table, first_kept, now, times.end).await {
                Ok(deleted) => swept.deleted = deleted,
                Err(error) => {
                    tracing::warn!("old checkpoints were not deleted: {error}");
                    swept.note(error);
                }
            }
        }
        count::count_sweep(&self.forwarder.metrics().sweeps, &swept);
        Sweep::Done(swept)
    }

    /// What this process remembers of `container`.
    fn memory_of(&self, container: &Container) -> Memory {
        let memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        memory.get(container).cloned().unwrap_or_default()
    }

    fn remember(&self, container: &Container, memory: Memory) {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner).insert(container.clone(), memory);
    }
}
