//! A pipelined producer for Azure Event Hubs, on AMQP 1.0.
//!
//! [`EventHub`] keeps one link to one hub, owned by one task: it connects at the first use (TCP, TLS, SASL
//! ANONYMOUS, a token by `$cbs`), keeps many batches under way at once, and opens a new link when one ends.
//! Only the hub's *accepted* counts as success.
//!
//! Read `request` for what callers wait for, `driver` for what is done about it, `link` for the protocol,
//! `fault` for what is retried and what is not.

mod access;
mod address;
mod attempt;
mod cbs;
mod claims;
mod driver;
mod encode;
mod fault;
pub(super) mod guard;
mod health;
mod link;
mod pace;
mod request;
mod sas;
mod stream;
mod waiting;
mod window;

pub use access::{HUB_SCOPE, HubAccess};
pub use address::HubAddress;

use crate::message::{Batch, Limits, Origin};
use crate::metrics::HubLink;
use crate::ports::hub::{Hub, HubError};
use driver::{Command, Driver, KnownLimit};
use link::Connector;
use request::{Job, request};
use std::fmt;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::mpsc::error::SendError;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout_at;

/// How an [`EventHub`] goes about it. The defaults suit Azure.
#[derive(Clone, Debug)]
pub struct Options {
    /// How many batches may be under way, unsettled.
    pub window_batches: usize,
    /// How many encoded bytes may be under way. Each is held twice: once by us, to send it again on
    /// another link, and once by `fe2o3-amqp`.
    pub window_bytes: usize,
    /// For one attempt to connect, show a token and attach.
    pub connect_timeout: Duration,
    /// When batches are under way and the hub settles none of them for so long, the link is given up.
    pub stall: Duration,
    /// The wait after `server-busy` where the service names none. It usually names 4 or 10 seconds;
    /// Microsoft's Java client asks for at least 4 (documentation of its `ServerBusyException`).
    pub busy_wait: Duration,
    /// About the wait after a first failure; it doubles with each one that follows.
    pub shortest_back_off: Duration,
    /// Where that doubling ends. Event Grid waits 30 s in all, so it is to stay well below.
    pub longest_back_off: Duration,
    /// After so long without a frame from the service the connection counts as lost; the service sends
    /// empty frames to prevent that. (Microsoft's JavaScript client says 60 s as well.)
    pub idle_timeout: Duration,
    /// How long the signatures live that are made from a key.
    pub signature_life: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            window_batches: 16,
            window_bytes: 8 << 20,
            connect_timeout: Duration::from_secs(10),
            stall: Duration::from_secs(15),
            busy_wait: Duration::from_secs(4),
            shortest_back_off: Duration::from_millis(100),
            longest_back_off: Duration::from_secs(5),
            idle_timeout: Duration::from_mins(1),
            signature_life: Duration::from_hours(1),
        }
    }
}

/// One event hub, to send to. Share it behind an [`Arc`]; the connection ends when it is dropped.
pub struct EventHub {
    hub: String,
    connector: Arc<Connector>,
    limit: KnownLimit,
    link: HubLink,
    task: Mutex<Task>,
}

/// The task that owns the link.
#[derive(Default)]
struct Task {
    /// How it is asked; none before the first use.
    commands: Option<mpsc::UnboundedSender<Command>>,
    /// It is not to be started any more.
    closed: bool,
}

impl fmt::Debug for EventHub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventHub").field("hub", &self.hub).finish_non_exhaustive()
    }
}

impl EventHub {
    /// A producer for the hub at `address`. Nothing is connected before the first use.
    #[must_use]
    pub fn new(address: HubAddress, access: HubAccess, options: Options) -> Self {
        let hub = address.to_string();
        let connector = Arc::new(Connector { address, access, options });
        Self {
            hub,
            connector,
            limit: KnownLimit::default(),
            link: HubLink::default(),
            task: Mutex::default(),
        }
    }

    /// Whether a link is attached, and how often none could be had.
    #[must_use]
    pub fn link(&self) -> &HubLink {
        &self.link
    }

    /// Lets what was asked before come to its end, then parts from the service. Later sends fail. Gives up
    /// waiting at `deadline`.
    pub async fn close(&self, deadline: Instant) {
        let (done, closed) = oneshot::channel();
        {
            let mut task = self.task.lock().unwrap_or_else(PoisonError::into_inner);
            task.closed = true;
            if let Some(commands) = task.commands.take() {
                let _ = commands.send(Command::Close(done));
            }
        }
        // Closed before, or not in time: either way there is no more to do.
        let _ = timeout_at(deadline.into(), closed).await;
    }

    /// Hands the command to the task, which is started if it is not there: at the first use, or after a
    /// panic. When the producer is closed the command is dropped, which its caller notices.
    fn ask(&self, command: Command) {
        let mut task = self.task.lock().unwrap_or_else(PoisonError::into_inner);
        if task.closed {
            return;
        }
        let command = match &task.commands {
            None => command,
            Some(commands) => match commands.send(command) {
                Ok(()) => return,
                Err(SendError(command)) => {
                    tracing::error!(
                        hub = self.hub,
                        "the task that sends had ended unexpectedly: it begins anew"
                    );
                    command
                }
            },
        };
        let (sender, commands) = mpsc::unbounded_channel();
        // The receiver is at hand.
        let _ = sender.send(command);
        task.commands = Some(sender);
        let driver =
            Driver::new(Arc::clone(&self.connector), commands, Arc::clone(&self.limit), self.link.clone());
        tokio::spawn(driver.run());
    }

    fn known_limit(&self) -> Option<usize> {
        Some(self.limit.load(Ordering::Relaxed)).filter(|limit| *limit > 0)
    }
}

impl Hub for EventHub {
    /// Once a link was attached its limit is remembered, and costs no call.
    async fn limits(&self, origin: &Origin, deadline: Instant) -> Result<Limits, HubError> {
        let transfer = if let Some(limit) = self.known_limit() {
            limit
        } else {
            let (waiter, ticket) = request(deadline);
            self.ask(Command::Attach(waiter));
            ticket.answer(&self.hub).await?
        };
        Ok(encode::limits(origin, transfer))
    }

    async fn send(&self, batch: Batch, deadline: Instant) -> Result<(), HubError> {
        let (waiter, ticket) = request(deadline);
        let job = Job::new(batch, waiter);
        if let Some(limit) = self.known_limit().filter(|limit| job.size > *limit) {
            return Err(HubError::TooLarge { hub: self.hub.clone(), size: job.size, limit });
        }
        self.ask(Command::Send(job));
        ticket.answer(&self.hub).await
    }
}
