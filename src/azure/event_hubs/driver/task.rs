//! The task's loop: opens a link while requests wait for one, sends in order, passes on what the hub settles.

use super::backlog::{Backlog, KnownLimit};
use super::health::LinkHealth;
use super::request::{Responder, SendRequest};
use super::window::Window;
use crate::azure::event_hubs::fault::Fault;
use crate::azure::event_hubs::link::{Link, LinkConfig, LinkEvent, Settlement, open_link};
use crate::metrics::HubLink;
use fe2o3_amqp::link::SendError;
use fe2o3_amqp::types::messaging::Outcome;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt as _, StreamExt as _};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until};

/// How soon requests past their deadline release their memory.
const PRUNE_INTERVAL: Duration = Duration::from_secs(1);
/// Without requests there is no need to wake up.
const IDLE_INTERVAL: Duration = Duration::from_hours(1);

/// A request to the task.
pub(crate) enum Command {
    Send(SendRequest),
    /// Attach, unless attached, and answer with the link's limit.
    Attach(Responder<usize>),
    /// Finish all earlier requests, close the link, and report when done.
    Close(oneshot::Sender<()>),
}

pub(crate) struct Driver {
    config: Arc<LinkConfig>,
    commands: mpsc::UnboundedReceiver<Command>,
    /// No more commands will come.
    disconnected: bool,
    closing: Vec<oneshot::Sender<()>>,
    backlog: Backlog,
    health: LinkHealth,
}

impl Driver {
    pub(crate) fn new(
        config: Arc<LinkConfig>,
        commands: mpsc::UnboundedReceiver<Command>,
        limit: KnownLimit,
        metrics: HubLink,
    ) -> Self {
        Self {
            health: LinkHealth::new(config.address.to_string(), metrics),
            backlog: Backlog::new(Arc::clone(&config), limit),
            config,
            commands,
            disconnected: false,
            closing: Vec::new(),
        }
    }

    /// Works until closed, or until the producer is dropped and all requests are answered.
    pub(crate) async fn run(mut self) {
        while self.wait_for_request().await {
            match self.connect().await {
                Some(Ok(link)) => self.serve(link).await,
                Some(Err(fault)) => {
                    self.health.open_failed(&fault);
                    self.backlog.on_link_lost(&fault);
                }
                None => {}
            }
        }
        for done in self.closing {
            let _ = done.send(());
        }
    }

    /// Waits for a request; false when none can come any more.
    async fn wait_for_request(&mut self) -> bool {
        loop {
            self.backlog.queue.prune_cancelled();
            if !self.backlog.queue.is_empty() {
                return true;
            }
            if self.disconnected {
                return false;
            }
            let command = self.commands.recv().await;
            self.accept(command);
        }
    }

    fn accept(&mut self, command: Option<Command>) {
        match command {
            Some(Command::Send(request)) => {
                self.backlog.queue.push(request);
                self.backlog.fail_due_before_retry();
            }
            Some(Command::Attach(responder)) => self.backlog.queue.push_attach(responder),
            Some(Command::Close(done)) => {
                self.commands.close();
                self.closing.push(done);
            }
            None => self.disconnected = true,
        }
    }

    /// Opens a link once the retry gate is open; `None` when no request waits for it any more.
    async fn connect(&mut self) -> Option<Result<Link, Fault>> {
        while let Some(until) = self.backlog.gate.closed_until() {
            tokio::select! {
                () = sleep_until(until) => {}
                command = self.commands.recv(), if !self.disconnected => self.accept(command),
            }
            self.backlog.queue.prune_cancelled();
            if self.backlog.queue.is_empty() {
                return None;
            }
        }
        let mut opening = pin!(open_link(Arc::clone(&self.config)));
        loop {
            tokio::select! {
                result = &mut opening => return Some(result),
                command = self.commands.recv(), if !self.disconnected => self.accept(command),
            }
        }
    }

    /// Sends and settles until the link ends or is no longer needed.
    async fn serve(&mut self, mut link: Link) {
        let limit = link.max_message_size;
        self.backlog.set_limit(limit);
        self.health.attached(limit);
        let options = &self.config.options;
        let mut window = Window::new(options.window_batches, options.window_bytes, options.stall_timeout);
        let mut settlements = FuturesUnordered::new();
        let fault = loop {
            self.backlog.queue.answer_attaches(limit);
            self.fill(&mut link, &mut window);
            if self.disconnected && window.is_empty() && self.backlog.queue.is_empty() {
                return link.close().await;
            }
            let wake = self.wake_at(&window);
            tokio::select! {
                event = link.next_event() => match event {
                    LinkEvent::Sent(number, settlement) => settlements.push(numbered(number, settlement)),
                    LinkEvent::NotSent(number, fault) => {
                        if let Some(request) = window.remove(number) {
                            self.backlog.on_not_accepted(number, request, &fault, limit);
                        }
                    }
                    LinkEvent::Ended(fault) => break fault,
                },
                Some((number, settlement)) = settlements.next() => {
                    if let Err(fault) = self.backlog.on_settled(&mut window, number, settlement, limit) {
                        break fault;
                    }
                }
                command = self.commands.recv(), if !self.disconnected => self.accept(command),
                () = sleep_until(wake) => {
                    if window.is_stalled() {
                        let stall = self.config.options.stall_timeout;
                        break Fault::Transient(format!("the hub settled no batch for {stall:?}"));
                    }
                    self.backlog.queue.prune_cancelled();
                }
            }
        };
        self.health.ended();
        let stalled = window.is_stalled();
        if !stalled {
            link.drain().await;
        }
        // Settlements that arrived before the link ended.
        while let Some(Some((number, settlement))) = settlements.next().now_or_never() {
            let _ = self.backlog.on_settled(&mut window, number, settlement, limit);
        }
        let (reason, in_flight) = (fault.reason(), window.len());
        tracing::info!(
            hub = %self.config.address,
            reason,
            in_flight,
            "the link to the event hub ended"
        );
        if stalled {
            // The peer does not answer: closing would only time out.
            drop(link);
        } else {
            tokio::spawn(link.close());
        }
        self.backlog.on_link_ended(&fault, window, limit);
    }

    /// Sends the next batch, if the link is idle, the window has space and the retry gate is open.
    fn fill(&mut self, link: &mut Link, window: &mut Window) {
        let limit = link.max_message_size;
        while link.is_idle() && self.backlog.gate.closed_until().is_none() {
            let Some(size) = self.backlog.queue.next_size() else { return };
            if size <= limit && !window.has_space_for(size) {
                return;
            }
            let Some((number, mut request)) = self.backlog.queue.pop() else { return };
            if size > limit {
                self.backlog.fail_too_large(request, limit);
            } else {
                link.send(number, request.payload());
                request.responder.set_in_flight();
                window.insert(number, request);
            }
        }
    }

    /// When to continue even if nothing happens.
    fn wake_at(&self, window: &Window) -> Instant {
        let has_sends = self.backlog.queue.has_sends();
        let latest = Instant::now() + if has_sends { PRUNE_INTERVAL } else { IDLE_INTERVAL };
        let resume = self.backlog.gate.closed_until().filter(|_| has_sends);
        latest.min(resume.unwrap_or(latest)).min(window.stalls_at().unwrap_or(latest))
    }
}

async fn numbered(number: u64, settlement: Settlement) -> (u64, Result<Outcome, SendError>) {
    (number, settlement.await)
}
