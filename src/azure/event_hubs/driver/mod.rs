//! The task that owns the link: sends what waits, in order; answers what is settled; opens a new link when
//! one ends, once for all who wait, and only while somebody does.

mod outcome;

use super::fault::Fault;
use super::health::Health;
use super::link::{Connector, Event, Link, Settlement};
use super::pace::Pace;
use super::request::{Job, Waiter};
use super::waiting::Waiting;
use super::window::Window;
use crate::metrics::HubLink;
use fe2o3_amqp::link::SendError;
use fe2o3_amqp::types::messaging::Outcome;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt as _, StreamExt as _};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until};

/// What callers ask of the driver.
pub(super) enum Command {
    /// Send a batch.
    Send(Job),
    /// Attach, unless attached, and say how much the link takes.
    Attach(Waiter<usize>),
    /// Finish what was asked before, part, and say when done.
    Close(oneshot::Sender<()>),
}

/// The largest transfer that the last attached link took; 0 before the first.
pub(super) type KnownLimit = Arc<AtomicUsize>;

/// State of the task.
pub(super) struct Driver {
    connector: Arc<Connector>,
    hub: String,
    commands: mpsc::UnboundedReceiver<Command>,
    /// No more commands will come.
    abandoned: bool,
    closing: Vec<oneshot::Sender<()>>,
    waiting: Waiting,
    limit: KnownLimit,
    pace: Pace,
    /// How often in a row the service refused our token.
    refusals: u32,
    health: Health,
}

impl Driver {
    pub(super) fn new(
        connector: Arc<Connector>,
        commands: mpsc::UnboundedReceiver<Command>,
        limit: KnownLimit,
        metrics: HubLink,
    ) -> Self {
        Self {
            health: Health::new(connector.address.to_string(), metrics),
            pace: Pace::new(connector.options.shortest_back_off, connector.options.longest_back_off),
            hub: connector.address.to_string(),
            connector,
            commands,
            abandoned: false,
            closing: Vec::new(),
            waiting: Waiting::default(),
            limit,
            refusals: 0,
        }
    }

    /// Works until closed, or until nobody is left who could ask.
    pub(super) async fn run(mut self) {
        while self.has_work().await {
            match self.connect().await {
                Some(Ok(link)) => self.serve(link).await,
                Some(Err(fault)) => {
                    self.health.failed(&fault);
                    self.cope_without_link(&fault);
                }
                None => {}
            }
        }
        for done in self.closing {
            let _ = done.send(());
        }
    }

    /// Waits until somebody wants something; false when that can't happen any more.
    async fn has_work(&mut self) -> bool {
        loop {
            self.waiting.forget_the_gone();
            if !self.waiting.is_empty() {
                return true;
            }
            if self.abandoned {
                return false;
            }
            let command = self.commands.recv().await;
            self.accept(command);
        }
    }

    fn accept(&mut self, command: Option<Command>) {
        match command {
            Some(Command::Send(job)) => {
                self.waiting.add(job);
                self.turn_away_the_hurried();
            }
            Some(Command::Attach(waiter)) => self.waiting.add_attaching(waiter),
            Some(Command::Close(done)) => {
                self.commands.close();
                self.closing.push(done);
            }
            None => self.abandoned = true,
        }
    }

    /// Opens a link when the pace allows; `None` when nobody waits for it any more.
    async fn connect(&mut self) -> Option<Result<Link, Fault>> {
        while let Some(until) = self.pace.held_until() {
            tokio::select! {
                () = sleep_until(until) => {}
                command = self.commands.recv(), if !self.abandoned => self.accept(command),
            }
            self.waiting.forget_the_gone();
            if self.waiting.is_empty() {
                return None;
            }
        }
        let mut opening = pin!(Arc::clone(&self.connector).open());
        loop {
            tokio::select! {
                result = &mut opening => return Some(result),
                command = self.commands.recv(), if !self.abandoned => self.accept(command),
            }
        }
    }

    /// Sends and settles until the link ends, or is no longer needed.
    async fn serve(&mut self, mut link: Link) {
        let limit = link.max_message_size;
        self.limit.store(limit, Ordering::Relaxed);
        self.health.attached(limit);
        let options = &self.connector.options;
        let mut window = Window::new(options.window_batches, options.window_bytes, options.stall);
        let mut settlements = FuturesUnordered::new();
        let fault = loop {
            self.waiting.attached(limit);
            self.fill(&mut link, &mut window);
            if self.abandoned && window.is_empty() && self.waiting.is_empty() {
                return link.close().await;
            }
            let wake = self.wake(&window);
            tokio::select! {
                event = link.event() => match event {
                    Event::Transferred(number, settlement) => settlements.push(settled(number, settlement)),
                    Event::NotTransferred(number, fault) => {
                        if let Some(job) = window.take(number) {
                            self.turned_down(number, job, &fault, limit);
                        }
                    }
                    Event::Ended(fault) => break fault,
                },
                Some((number, settlement)) = settlements.next() => {
                    if let Err(fault) = self.settle(&mut window, number, settlement, limit) {
                        break fault;
                    }
                }
                command = self.commands.recv(), if !self.abandoned => self.accept(command),
                () = sleep_until(wake) => {
                    if window.is_stalled() {
                        let stall = self.connector.options.stall;
                        break Fault::Passing(format!("the hub settled nothing for {stall:?}"));
                    }
                    self.waiting.forget_the_gone();
                }
            }
        };
        self.health.ended();
        let stalled = window.is_stalled();
        if !stalled {
            link.settle_down().await;
        }
        // What was settled before the end is not in doubt.
        while let Some(Some((number, settlement))) = settlements.next().now_or_never() {
            let _ = self.settle(&mut window, number, settlement, limit);
        }
        let (reason, in_flight) = (fault.reason(), window.len());
        tracing::info!(hub = self.hub, reason, in_flight, "the link to the event hub ended");
        if stalled {
            // Nobody listens: no parting either.
            drop(link);
        } else {
            tokio::spawn(link.close());
        }
        self.cope_with_ended_link(&fault, window, limit);
    }

    /// Hands the link the next batch, if it can take one, there is room in the window, and the pace allows.
    fn fill(&mut self, link: &mut Link, window: &mut Window) {
        let limit = link.max_message_size;
        while link.is_free() && self.pace.held_until().is_none() {
            let Some(size) = self.waiting.next_size() else { return };
            if size <= limit && !window.has_room_for(size) {
                return;
            }
            let Some((number, mut job)) = self.waiting.take_next() else { return };
            if size > limit {
                job.waiter.answer(Err(Fault::TooLarge.error(&self.hub, size, limit, Duration::ZERO)));
            } else {
                link.transfer(number, job.payload());
                job.waiter.under_way();
                window.put(number, job);
            }
        }
    }

    /// When to look again though nothing has happened.
    fn wake(&self, window: &Window) -> Instant {
        // Those whose deadline has come are let go, with their memory, within a second.
        let latest = Instant::now() + Duration::from_secs(if self.waiting.has_batches() { 1 } else { 3600 });
        let resume = self.pace.held_until().filter(|_| self.waiting.has_batches());
        latest.min(resume.unwrap_or(latest)).min(window.stalls_at().unwrap_or(latest))
    }
}

/// A settlement that knows whose it is.
async fn settled(number: u64, settlement: Settlement) -> (u64, Result<Outcome, SendError>) {
    (number, settlement.await)
}
