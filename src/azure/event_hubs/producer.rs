//! The producer that callers use: passes their requests to the task that owns the link.

use super::address::HubAddress;
use super::auth::HubCredential;
use super::driver::{Command, Driver, KnownLimit, SendRequest, request};
use super::link::LinkConfig;
use super::options::HubOptions;
use super::wire::encode;
use crate::message::{Batch, Limits, Origin};
use crate::metrics::HubLink;
use crate::ports::hub::{Hub, HubError};
use std::fmt;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;
use tokio::sync::mpsc::error::SendError;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout_at;

/// A producer for one event hub. Share it behind an [`Arc`]; dropping it closes the connection.
pub struct EventHub {
    hub: String,
    config: Arc<LinkConfig>,
    limit: KnownLimit,
    metrics: HubLink,
    task: Mutex<Task>,
}

/// The task that owns the link.
#[derive(Default)]
struct Task {
    /// The task's queue; `None` before the first use.
    commands: Option<mpsc::UnboundedSender<Command>>,
    /// The producer is closed: the task must not be started again.
    closed: bool,
}

impl fmt::Debug for EventHub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventHub").field("hub", &self.hub).finish_non_exhaustive()
    }
}

impl EventHub {
    /// A producer for the hub at `address`. Connects at the first use.
    #[must_use]
    pub fn new(address: HubAddress, access: HubCredential, options: HubOptions) -> Self {
        Self {
            hub: address.to_string(),
            config: Arc::new(LinkConfig { address, access, options }),
            limit: KnownLimit::default(),
            metrics: HubLink::default(),
            task: Mutex::default(),
        }
    }

    /// Metrics: whether a link is attached, and how many attempts to open one failed.
    #[must_use]
    pub fn link(&self) -> &HubLink {
        &self.metrics
    }

    /// Finishes the requests made before, then closes the connection; waits until `deadline` at most. Later sends
    /// fail.
    pub async fn close(&self, deadline: Instant) {
        let (done, closed) = oneshot::channel();
        {
            let mut task = self.task.lock().unwrap_or_else(PoisonError::into_inner);
            task.closed = true;
            if let Some(commands) = task.commands.take() {
                let _ = commands.send(Command::Close(done));
            }
        }
        // An error means that the producer was closed before, or was never used.
        let _ = timeout_at(deadline.into(), closed).await;
    }

    /// Passes the command to the task. Starts the task at the first use and after a panic. When the producer is
    /// closed, drops the command; the caller's `Pending` notices.
    fn submit(&self, command: Command) {
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
                        "the event hub's task ended unexpectedly: starting a new one"
                    );
                    command
                }
            },
        };
        let (sender, commands) = mpsc::unbounded_channel();
        // Can't fail: the receiver is in scope.
        let _ = sender.send(command);
        task.commands = Some(sender);
        let driver =
            Driver::new(Arc::clone(&self.config), commands, Arc::clone(&self.limit), self.metrics.clone());
        tokio::spawn(driver.run());
    }

    fn known_limit(&self) -> Option<usize> {
        Some(self.limit.load(Ordering::Relaxed)).filter(|limit| *limit > 0)
    }
}

impl Hub for EventHub {
    /// Answers from memory once a link was attached.
    async fn limits(&self, origin: &Origin, deadline: Instant) -> Result<Limits, HubError> {
        let transfer = if let Some(limit) = self.known_limit() {
            limit
        } else {
            let (responder, pending) = request(deadline);
            self.submit(Command::Attach(responder));
            pending.wait(&self.hub).await?
        };
        Ok(encode::limits(origin, transfer))
    }

    async fn send(&self, batch: Batch, deadline: Instant) -> Result<(), HubError> {
        let (responder, pending) = request(deadline);
        let request = SendRequest::new(batch, responder);
        if let Some(limit) = self.known_limit().filter(|limit| request.size > *limit) {
            return Err(HubError::TooLarge { hub: self.hub.clone(), size: request.size, limit });
        }
        self.submit(Command::Send(request));
        pending.wait(&self.hub).await
    }
}
