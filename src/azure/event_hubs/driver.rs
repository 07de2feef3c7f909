//! The task that owns the link: sends what waits, in order; answers what is settled; opens a new link when
//! one ends, once for all who wait, and only while somebody does.

use super::fault::Fault;
use super::link::{Connector, Event, Link, Settlement};
use super::pace::Pace;
use super::request::{Job, Waiter};
use super::window::Window;
use crate::hub::HubError;
use fe2o3_amqp::link::SendError;
use fe2o3_amqp::types::messaging::Outcome;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt as _, StreamExt as _};
use std::collections::BTreeMap;
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

/// State of the task. Batches are numbered as they come, and keep their number when sent again.
pub(super) struct Driver {
    connector: Arc<Connector>,
    hub: String,
    commands: mpsc::UnboundedReceiver<Command>,
    /// No caller is left that could ask for more.
    abandoned: bool,
    closing: Vec<oneshot::Sender<()>>,
    next_number: u64,
    waiting: BTreeMap<u64, Job>,
    attaching: Vec<Waiter<usize>>,
    limit: KnownLimit,
    pace: Pace,
    /// How often in a row the service refused our token.
    refusals: u32,
}

impl Driver {
    pub(super) fn new(
        connector: Connector,
        commands: mpsc::UnboundedReceiver<Command>,
        limit: KnownLimit,
    ) -> Self {
        let options = &connector.options;
        Self {
            pace: Pace::new(options.shortest_back_off, options.longest_back_off),
            hub: connector.address.to_string(),
            connector: Arc::new(connector),
            commands,
            abandoned: false,
            closing: Vec::new(),
            next_number: 0,
            waiting: BTreeMap::new(),
            attaching: Vec::new(),
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
                    tracing::warn!(hub = self.hub, reason = fault.reason(), "no link to the event hub");
                    self.cope_without_link(&fault);
                }
                None => {}
            }
        }
        self.commands.close();
        for done in self.closing {
            let _ = done.send(());
        }
    }

    /// Waits until somebody wants something; false when that can't happen any more.
    async fn has_work(&mut self) -> bool {
        loop {
            self.forget_the_gone();
            if !self.waiting.is_empty() || !self.attaching.is_empty() {
                return true;
            }
            if self.abandoned || !self.closing.is_empty() {
                return false;
            }
            let command = self.commands.recv().await;
            self.accept(command);
        }
    }

    fn accept(&mut self, command: Option<Command>) {
        match command {
            Some(Command::Send(job)) => {
                self.waiting.insert(self.next_number, job);
                self.next_number += 1;
                self.turn_away_the_hurried();
            }
            Some(Command::Attach(waiter)) => self.attaching.push(waiter),
            Some(Command::Close(done)) => {
                self.commands.close();
                self.closing.push(done);
            }
            None => self.abandoned = true,
        }
    }

    fn forget_the_gone(&mut self) {
        self.waiting.retain(|_, job| !job.waiter.is_gone());
        self.attaching.retain(|waiter| !waiter.is_gone());
    }

    /// Opens a link when the pace allows; `None` when nobody waits for it any more.
    async fn connect(&mut self) -> Option<Result<Link, Fault>> {
        while let Some(until) = self.pace.held_until() {
            tokio::select! {
                () = sleep_until(until) => {}
                command = self.commands.recv(), if !self.abandoned => self.accept(command),
            }
            self.forget_the_gone();
            if self.waiting.is_empty() && self.attaching.is_empty() {
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
        let max_message_size = link.max_message_size;
        self.limit.store(max_message_size, Ordering::Relaxed);
        tracing::info!(hub = self.hub, max_message_size, "attached to the event hub");
        self.attaching.drain(..).for_each(|waiter| waiter.answer(Ok(max_message_size)));
        let options = &self.connector.options;
        let mut window = Window::new(options.window_batches, options.window_bytes, options.stall);
        let mut settlements = FuturesUnordered::new();
        let fault = loop {
            self.fill(&mut link, &mut window);
            if window.is_empty() && (self.abandoned || !self.closing.is_empty()) && self.waiting.is_empty() {
                return link.close().await;
            }
            let wake = self.wake(&window);
            tokio::select! {
                event = link.event() => match event {
                    Event::Transferred(number, settlement) => settlements.push(settled(number, settlement)),
                    Event::NotTransferred(number, fault) => {
                        if let Some(job) = window.take(number) {
                            self.turned_down(number, job, &fault, max_message_size);
                        }
                    }
                    Event::Ended(fault) => break fault,
                },
                Some((number, settlement)) = settlements.next() => {
                    if let Err(fault) = self.settle(&mut window, number, settlement, max_message_size) {
                        break fault;
                    }
                }
                command = self.commands.recv(), if !self.abandoned => {
                    self.accept(command);
                    self.attaching.drain(..).for_each(|waiter| waiter.answer(Ok(max_message_size)));
                }
                () = sleep_until(wake) => {
                    if window.is_stalled() {
                        break Fault::Passing(format!("the hub settled nothing for {:?}", self.connector.options.stall));
                    }
                    self.forget_the_gone();
                }
            }
        };
        let stalled = window.is_stalled();
        if !stalled {
            link.settle_down().await;
        }
        // What was settled before the end is no longer in doubt.
        while let Some(Some((number, settlement))) = settlements.next().now_or_never() {
            let _ = self.settle(&mut window, number, settlement, max_message_size);
        }
        tracing::info!(
            hub = self.hub,
            reason = fault.reason(),
            unsettled = window.len(),
            "the link has ended"
        );
        if stalled {
            // Nobody listens: no parting either.
            drop(link);
        } else {
            tokio::spawn(link.close());
        }
        self.cope_with_ended_link(&fault, window, max_message_size);
    }

    /// Hands the link the next batch, if it can take one, there is room in the window, and the pace allows.
    fn fill(&mut self, link: &mut Link, window: &mut Window) {
        while link.is_free() && self.pace.held_until().is_none() {
            let Some(entry) = self.waiting.first_entry() else { return };
            if entry.get().waiter.is_gone() {
                entry.remove();
            } else if entry.get().size > link.max_message_size {
                let job = entry.remove();
                let error = Fault::TooLarge.error(&self.hub, job.size, link.max_message_size, Duration::ZERO);
                job.waiter.answer(Err(error));
            } else if window.has_room_for(entry.get().size) {
                let (number, mut job) = entry.remove_entry();
                link.transfer(number, job.payload());
                job.waiter.under_way();
                window.put(number, job);
            } else {
                return;
            }
        }
    }

    /// When to look again though nothing has happened.
    fn wake(&self, window: &Window) -> Instant {
        // Those whose deadline has come are let go, with their memory, within a second.
        let latest = Instant::now() + Duration::from_secs(if self.waiting.is_empty() { 3600 } else { 1 });
        let resume = self.pace.held_until().filter(|_| !self.waiting.is_empty());
        latest.min(resume.unwrap_or(latest)).min(window.stalls_at().unwrap_or(latest))
    }

    /// Answers the batch that was settled; an error is a fault of the whole link.
    fn settle(
        &mut self,
        window: &mut Window,
        number: u64,
        settlement: Result<Outcome, SendError>,
        limit: usize,
    ) -> Result<(), Fault> {
        let outcome = match settlement {
            Ok(outcome) => Fault::of_outcome(outcome),
            Err(error) if Fault::spares_the_link(&error) => Err(Fault::from(&error)),
            Err(error) => return Err(Fault::from(&error)),
        };
        let Some(job) = window.take(number) else { return Ok(()) };
        match outcome {
            Ok(()) => {
                self.pace.succeeded();
                self.refusals = 0;
                job.waiter.answer(Ok(()));
                Ok(())
            }
            Err(fault @ Fault::Unauthorized(_)) => {
                job.waiter.turned_down();
                self.waiting.insert(number, job);
                Err(fault)
            }
            Err(fault) => {
                self.turned_down(number, job, &fault, limit);
                Ok(())
            }
        }
    }

    /// The hub does not hold this batch: it waits for another turn where that can help.
    fn turned_down(&mut self, number: u64, job: Job, fault: &Fault, limit: usize) {
        job.waiter.turned_down();
        match fault {
            Fault::Passing(_) | Fault::Busy { .. } => {
                tracing::debug!(
                    hub = self.hub,
                    number,
                    reason = fault.reason(),
                    "the hub did not accept a batch"
                );
                self.pace.after(fault, self.connector.options.busy_wait);
                job.waiter.note(self.error(fault));
                self.waiting.insert(number, job);
                self.turn_away_the_hurried();
            }
            _ => {
                let error = fault.error(&self.hub, job.size, limit, Duration::ZERO);
                job.waiter.answer(Err(error));
            }
        }
    }

    /// The link ended: what was under way may have arrived, and is sent again unless that can't help.
    fn cope_with_ended_link(&mut self, fault: &Fault, mut window: Window, limit: usize) {
        match fault {
            // One of those under way must have caused it: the largest, most likely.
            Fault::TooLarge => {
                if let Some(job) = window.take_largest() {
                    job.waiter.answer(Err(fault.error(&self.hub, job.size, limit, Duration::ZERO)));
                }
            }
            // Any of those under way may have caused it; the others are not to suffer for it.
            Fault::Refused { .. } if !window.is_empty() => {
                let error = self.error(fault);
                window.drain().for_each(|(_, job)| job.waiter.answer(Err(error.clone())));
                return self.pace.back_off();
            }
            _ => {}
        }
        for (number, job) in window.drain() {
            job.waiter.in_doubt();
            self.waiting.insert(number, job);
        }
        self.cope_without_link(fault);
    }

    /// There is no link: all who wait learn why, and those are answered whom waiting can't help.
    fn cope_without_link(&mut self, fault: &Fault) {
        self.pace.after(fault, self.connector.options.busy_wait);
        self.refusals = if matches!(fault, Fault::Unauthorized(_)) { self.refusals + 1 } else { 0 };
        let final_refusal = self.refusals > u32::from(self.connector.access.is_renewable());
        let error = self.error(fault);
        if final_refusal || matches!(fault, Fault::Refused { .. }) {
            self.refusals = 0;
            for job in std::mem::take(&mut self.waiting).into_values() {
                job.waiter.answer(Err(error.clone()));
            }
            self.attaching.drain(..).for_each(|waiter| waiter.answer(Err(error.clone())));
        } else {
            self.waiting.values().for_each(|job| job.waiter.note(error.clone()));
            self.attaching.iter().for_each(|waiter| waiter.note(error.clone()));
            self.turn_away_the_hurried();
        }
    }

    /// While the service wants us to wait, whoever has less time than that is answered at once.
    fn turn_away_the_hurried(&mut self) {
        let Some((until, reason)) = self.pace.throttling() else { return };
        let retry_after = until - Instant::now();
        let hurried = |deadline: std::time::Instant| Instant::from(deadline) <= until;
        let error = || HubError::Busy { hub: self.hub.clone(), reason: reason.to_owned(), retry_after };
        let turned_away = self.waiting.extract_if(.., |_, job| hurried(job.waiter.deadline));
        turned_away.for_each(|(_, job)| job.waiter.answer(Err(error())));
        let turned_away = self.attaching.extract_if(.., |waiter| hurried(waiter.deadline));
        turned_away.for_each(|waiter| waiter.answer(Err(error())));
    }

    fn error(&self, fault: &Fault) -> HubError {
        let retry_after = self.pace.held_until().map_or(Duration::ZERO, |until| until - Instant::now());
        fault.error(&self.hub, 0, self.limit.load(Ordering::Relaxed), retry_after)
    }
}

/// A settlement that knows whose it is.
async fn settled(number: u64, settlement: Settlement) -> (u64, Result<Outcome, SendError>) {
    (number, settlement.await)
}
