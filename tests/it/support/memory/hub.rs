//! A hub in memory. It enforces its limit and keeps what it accepts, in the order of the first polls.

use crate::support::received::{Received, received};
use crate::support::records::records_of;
use flowlog_forwarder::message::{Batch, Limits, Message, Origin};
use flowlog_forwarder::ports::hub::{Hub, HubError};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

#[derive(Clone, Debug)]
pub struct MemoryHub {
    limit: Arc<AtomicUsize>,
    sends: Arc<AtomicUsize>,
    accepted: Arc<Mutex<Vec<Received>>>,
}

impl Default for MemoryHub {
    fn default() -> Self {
        Self::with_limit(1 << 20)
    }
}

impl MemoryHub {
    /// A hub that accepts transfers of `limit` bytes.
    pub fn with_limit(limit: usize) -> Self {
        Self { limit: Arc::new(limit.into()), sends: Arc::default(), accepted: Arc::default() }
    }

    /// Changes the limit.
    pub fn set_limit(&self, limit: usize) {
        self.limit.store(limit, Ordering::Relaxed);
    }

    /// How many sends within the limit reached the hub.
    pub fn sends(&self) -> usize {
        self.sends.load(Ordering::Relaxed)
    }

    /// Everything accepted, in order.
    pub fn received(&self) -> Vec<Received> {
        self.accepted.lock().unwrap().clone()
    }

    /// The bodies accepted, in order.
    pub fn bodies(&self) -> Vec<Vec<u8>> {
        self.received().into_iter().map(|received| received.body).collect()
    }

    /// The ids of the messages accepted, in order.
    pub fn ids(&self) -> Vec<String> {
        self.received().into_iter().map(|received| received.id).collect()
    }

    /// The records of all bodies, in order, as they were written.
    pub fn records(&self) -> Vec<String> {
        self.bodies().iter().flat_map(|body| records_of(body)).collect()
    }
}

const ENVELOPE: usize = 16;
const PROPERTIES: usize = 100;

impl Hub for MemoryHub {
    async fn limits(&self, origin: &Origin, _: Instant) -> Result<Limits, HubError> {
        let texts = origin.source.len() + origin.etag.len() + origin.id_prefix.len();
        let transfer = self.limit.load(Ordering::Relaxed);
        Ok(Limits { transfer, envelope: ENVELOPE, message_overhead: PROPERTIES + texts })
    }

    async fn send(&self, batch: Batch, deadline: Instant) -> Result<(), HubError> {
        let limits = self.limits(&batch.origin, deadline).await?;
        let cost = |message: &Message| limits.message_overhead + message.body.len();
        let size = limits.envelope + batch.messages.iter().map(cost).sum::<usize>();
        if size > limits.transfer {
            return Err(HubError::TooLarge { hub: "memory".to_owned(), size, limit: limits.transfer });
        }
        self.sends.fetch_add(1, Ordering::Relaxed);
        self.accepted.lock().unwrap().extend(received(&batch));
        Ok(())
    }
}
