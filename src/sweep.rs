//! The guarantee behind the events: compares what is committed with what is checkpointed, hour by hour,
//! and forwards what is behind.
//!
//! Whatever an event did not bring (it was lost, its attempt was killed, its time was too short, the
//! commit was the last of the hour), a sweep finds, for a blob's `ETag` in a listing tells its newest
//! commit, and its row the last commit that was forwarded to its end. So this costs a listing and a
//! query for each flow log and hour, whatever the number of blobs, and reads nothing but what is behind.
//!
//! Which hours: from the container's *horizon*, before which everything is known to be forwarded, to the
//! open hour. The horizon is stored, so an app that was down for a weekend catches up with the weekend,
//! and a new installation begins with the hour before it was installed. ([`hours`])
//!
//! What it leaves alone: blobs that another worker has claimed. What it does beside: deletes rows that
//! are older than the retention.

mod behind;
mod catch_up;
mod discovery;
mod horizon;
pub mod hours;
mod look;
mod report;
mod retention;

pub use report::{Sweep, Swept};

use crate::checkpoint::CheckpointTable;
use crate::clock::Clock;
use crate::flow_log::Container;
use crate::forward::Forwarder;
use crate::hub::Hub;
use crate::quarantine::Quarantine;
use crate::source::{BlobListing, BlobSource, ListError};
use behind::Compared;
use catch_up::Task;
use discovery::{Discovery, FlowLog};
use futures_util::{StreamExt as _, stream};
use horizon::Horizon;
use hours::{Hour, Retention};
use look::{LookError, Looked, look};
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How many flow logs are looked at at once.
const LOOKS_AT_ONCE: usize = 8;

/// How many blobs are gathered before they are forwarded: bounds memory when days are to be caught up.
const GATHERED: usize = 1_000;

/// How a sweeper works; the defaults suit a timer of five minutes.
#[derive(Clone, Debug)]
pub struct Options {
    /// How long one sweep may take. Functions end after five minutes on the Consumption plan unless
    /// told otherwise (learn.microsoft.com, *Azure Functions hosting options*), and with the function
    /// ends the process.
    pub budget: Duration,
    /// How many blobs are forwarded at once. Two long ways to catch up leave a third of the memory that
    /// all runs share to events, which wait for nobody then.
    pub at_once: usize,
    /// For how long rows are kept.
    pub retention: Retention,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            budget: Duration::from_mins(4),
            at_once: 2,
            retention: Retention::of_days(Retention::DEFAULT_DAYS),
        }
    }
}

/// Sweeps the containers that the settings name.
pub struct Sweeper<B, C, H, Q> {
    containers: Vec<Container>,
    listing: Arc<B>,
    table: C,
    forwarder: Arc<Forwarder<B, C, H, Q>>,
    clock: Clock,
    options: Options,
    discovery: Discovery,
    /// Settled hours that this process found forwarded, behind one that is not: the horizon waits for
    /// that one, and they are not looked at again.
    done: Mutex<HashMap<Container, BTreeSet<Hour>>>,
    /// Held by the sweep under way.
    turn: tokio::sync::Mutex<()>,
}

/// A container in a sweep.
struct Place {
    container: Container,
    horizon: Horizon,
    flow_logs: Arc<[FlowLog]>,
    hours: Vec<Hour>,
}

/// One hour of one container in a sweep.
struct Step {
    place: usize,
    hour: Hour,
    /// How many of its blobs are not known to be forwarded; too many to count before it was looked at.
    open: u64,
}

impl<B, C, H, Q> Sweeper<B, C, H, Q>
where
    B: BlobSource + BlobListing,
    C: CheckpointTable,
    H: Hub,
    Q: Quarantine,
{
    /// A sweeper of `containers`, which compares `listing` with `table` and forwards through `forwarder`:
    /// the one that events use, so that a blob is never at work twice in this process.
    pub fn new(
        containers: Vec<Container>,
        listing: Arc<B>,
        table: C,
        forwarder: Arc<Forwarder<B, C, H, Q>>,
        clock: Clock,
        options: Options,
    ) -> Self {
        Self {
            containers,
            listing,
            table,
            forwarder,
            clock,
            options,
            discovery: Discovery::default(),
            done: Mutex::default(),
            turn: tokio::sync::Mutex::default(),
        }
    }

    /// Forwards what is behind, oldest hours first, until all is done or the time is up.
    ///
    /// A failure concerns the blob, the hour or the container that it befell: the rest goes on, and the
    /// next sweep tries again.
    pub async fn sweep(&self) -> Sweep {
        let Ok(_turn) = self.turn.try_lock() else { return Sweep::UnderWay };
        let (now, began) = (self.clock.now(), Instant::now());
        // What is begun before this has its whole time.
        let until = began + self.options.budget.saturating_sub(self.forwarder.budget());
        let mut swept = Swept::default();
        let places = self.open(now, &mut swept).await;
        let mut steps = in_turns(&places);
        let (mut queue, mut out_of_reach) = (VecDeque::new(), BTreeSet::new());
        for step in 0..steps.len() {
            if Instant::now() >= until {
                swept.left_over += (steps.len() - step) as u64;
                break;
            }
            let place = steps[step].place;
            if out_of_reach.contains(&place) {
                continue;
            }
            if !self.look_at(step, &places, &mut steps, &mut queue, now, &mut swept).await {
                out_of_reach.insert(place);
            }
            if queue.len() >= GATHERED {
                self.forward(&mut queue, &mut steps, until, &mut swept).await;
            }
        }
        self.forward(&mut queue, &mut steps, until, &mut swept).await;
        swept.left_over += queue.len() as u64;
        self.close(&places, &steps, now, &mut swept).await;
        let end = began + self.options.budget;
        match retention::delete_old_rows(&self.table, self.options.retention, now, end).await {
            Ok(deleted) => swept.deleted = deleted,
            Err(error) => {
                tracing::warn!("old checkpoints were not deleted: {error}");
                swept.note(error);
            }
        }
        Sweep::Done(swept)
    }

    /// Finds each container's flow logs and its hours.
    async fn open(&self, now: u64, swept: &mut Swept) -> Vec<Place> {
        let mut places = Vec::new();
        for container in &self.containers {
            match self.place(container, now).await {
                Ok(place) => {
                    swept.flow_logs += place.flow_logs.len() as u64;
                    places.push(place);
                }
                Err(LookError::List(ListError::NoContainer { container })) => {
                    tracing::warn!("there is no container {container}: no flow log has written to it yet");
                    swept.missing.push(container);
                }
                Err(error) => {
                    tracing::warn!(%container, "not swept: {error}");
                    swept.unseen += 1;
                    swept.note(error);
                }
            }
        }
        let hours = || places.iter().flat_map(|place| place.hours.iter().copied());
        swept.hours = hours().min().zip(hours().max());
        places
    }

    async fn place(&self, container: &Container, now: u64) -> Result<Place, LookError> {
        let flow_logs = self.discovery.flow_logs(&*self.listing, container, now).await?;
        let horizon = Horizon::load(&self.table, container, now).await?;
        let oldest = self.options.retention.first_hour(now);
        if horizon.hour < oldest {
            tracing::error!(%container, "hours from {} to {oldest} were never swept to their end, and are older \
                than the retention: they are left as they are", horizon.hour);
        }
        let done = self.done_in(container);
        let hours = hours::to_sweep(now, horizon.hour, self.options.retention).into_iter();
        let hours = hours.filter(|hour| !done.contains(hour)).collect();
        Ok(Place { container: container.clone(), horizon, flow_logs, hours })
    }

    /// Lists and compares one hour of one container, and queues what is behind. Whether anything could be
    /// looked at: where nothing can, other hours need not be tried.
    async fn look_at(
        &self,
        step: usize,
        places: &[Place],
        steps: &mut [Step],
        queue: &mut VecDeque<Task>,
        now: u64,
        swept: &mut Swept,
    ) -> bool {
        let (place, hour) = (&places[steps[step].place], steps[step].hour);
        let looks = place.flow_logs.iter();
        let looks: Vec<_> = looks
            .map(|flow_log| look(&*self.listing, &self.table, &place.container, flow_log, hour, now))
            .collect();
        let mut looks = stream::iter(looks).buffer_unordered(LOOKS_AT_ONCE);
        let (mut open, mut seen) = (0, 0);
        while let Some(looked) = looks.next().await {
            match looked {
                Ok(Looked { listed, compared: Compared { behind, at_work } }) => {
                    let count = behind.len() as u64;
                    seen += 1;
                    swept.listed += listed;
                    swept.behind += count + at_work;
                    swept.at_work += at_work;
                    open += count + at_work;
                    queue.extend(behind.into_iter().map(|behind| Task { step, behind }));
                }
                Err(error) => {
                    tracing::warn!(container = %place.container, %hour, "not looked at: {error}");
                    open += 1;
                    swept.unseen += 1;
                    swept.note(error);
                }
            }
        }
        steps[step].open = open;
        swept.looked_at += seen;
        seen > 0 || place.flow_logs.is_empty()
    }

    fn done_in(&self, container: &Container) -> BTreeSet<Hour> {
        let done = self.done.lock().unwrap_or_else(PoisonError::into_inner);
        done.get(container).cloned().unwrap_or_default()
    }

    /// Moves each container's horizon over the hours in which nothing is open.
    async fn close(&self, places: &[Place], steps: &[Step], now: u64, swept: &mut Swept) {
        for (number, place) in places.iter().enumerate() {
            let of_place = steps.iter().filter(|step| step.place == number && step.open == 0);
            let mut done = self.done_in(&place.container);
            done.extend(of_place.map(|step| step.hour).filter(|hour| hour.is_settled(now)));
            let old = place.horizon.hour;
            let new = hours::moved(now, old, self.options.retention, &done);
            done.retain(|hour| *hour >= new);
            self.done.lock().unwrap_or_else(PoisonError::into_inner).insert(place.container.clone(), done);
            if new == old {
                continue;
            }
            if let Err(error) = place.horizon.store(&self.table, &place.container, new).await {
                tracing::warn!(container = %place.container, "the horizon {new} was not stored: {error}");
                swept.note(error);
            }
        }
    }
}

/// The hours of all places: each place's oldest first, the places in turns, so that one with days to
/// catch up does not keep the others waiting.
fn in_turns(places: &[Place]) -> Vec<Step> {
    let longest = places.iter().map(|place| place.hours.len()).max().unwrap_or(0);
    (0..longest)
        .flat_map(|turn| {
            let hour_of = move |(number, place): (usize, &Place)| {
                Some(Step { place: number, hour: *place.hours.get(turn)?, open: u64::MAX })
            };
            places.iter().enumerate().filter_map(hour_of)
        })
        .collect()
}
