//! A hub in memory: enforces its limit, keeps what it accepts, and fails, and settles in the order, that it is
//! told to.

use crate::contract::hub::Received;
use flowlog_forwarder::message::{Batch, Limits, Message, Origin};
use flowlog_forwarder::ports::hub::{Hub, HubError};
use serde_json::value::RawValue;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;
use tokio::sync::watch;

/// What becomes of one send.
#[derive(Clone, Debug)]
pub enum Failure {
    /// Not kept, and the error is returned.
    Before(HubError),
    /// Kept, and the error is returned all the same: the answer was lost.
    After(HubError),
    /// Not kept, and no answer before the deadline.
    Hang,
}

/// A hub in memory.
#[derive(Debug)]
pub struct MemoryHub {
    limit: AtomicUsize,
    state: Mutex<State>,
    /// The numbers of the sends that are settled.
    settled: watch::Sender<BTreeSet<usize>>,
}

#[derive(Debug, Default)]
struct State {
    sends: usize,
    failures: BTreeMap<usize, Failure>,
    /// After which other send one is settled, by its number.
    after: BTreeMap<usize, usize>,
    kept: Vec<(usize, Received)>,
}

impl Default for MemoryHub {
    fn default() -> Self {
        Self::with_limit(1 << 20)
    }
}

impl MemoryHub {
    /// A hub that takes transfers of `limit` bytes.
    pub fn with_limit(limit: usize) -> Self {
        Self { limit: limit.into(), state: Mutex::default(), settled: watch::Sender::default() }
    }

    /// From now on takes transfers of `limit` bytes.
    pub fn set_limit(&self, limit: usize) {
        self.limit.store(limit, Ordering::Relaxed);
    }

    /// Lets the send number `number`, counted from 0 over the hub's life, fail.
    pub fn fail(&self, number: usize, failure: Failure) {
        self.state.lock().unwrap().failures.insert(number, failure);
    }

    /// Settles the send number `number` only when the send number `other` is settled. What is accepted is kept
    /// in the order of the first polls all the same.
    pub fn settle_after(&self, number: usize, other: usize) {
        self.state.lock().unwrap().after.insert(number, other);
    }

    /// How many sends were tried.
    pub fn sends(&self) -> usize {
        self.state.lock().unwrap().sends
    }

    /// Everything received, in order.
    pub fn received(&self) -> Vec<Received> {
        self.state.lock().unwrap().kept.iter().map(|(_, received)| received.clone()).collect()
    }

    /// The bodies received, in order.
    pub fn bodies(&self) -> Vec<Vec<u8>> {
        self.received().into_iter().map(|received| received.body).collect()
    }

    /// The ids of the messages received, in order.
    pub fn ids(&self) -> Vec<String> {
        self.received().into_iter().map(|received| received.id).collect()
    }

    /// The records of all bodies, in order, as they were written.
    pub fn records(&self) -> Vec<String> {
        self.bodies().iter().flat_map(|body| records_of(body)).collect()
    }
}

/// The records of a body as they were written, as an independent JSON library finds them.
pub fn records_of(body: &[u8]) -> Vec<String> {
    #[derive(serde::Deserialize)]
    struct Body<'a> {
        #[serde(borrow)]
        records: Vec<&'a RawValue>,
    }
    let body: Body<'_> = serde_json::from_slice(body).expect("a body is valid JSON");
    body.records.iter().map(|record| record.get().to_owned()).collect()
}

const ENVELOPE: usize = 16;
const PROPERTIES: usize = 100;

fn limits(origin: &Origin, transfer: usize) -> Limits {
    let texts = origin.source.len() + origin.etag.len() + origin.id_prefix.len();
    Limits { transfer, envelope: ENVELOPE, message_overhead: PROPERTIES + texts }
}

fn received(origin: &Origin, message: &Message) -> Received {
    Received {
        id: format!("{}-{}-{}", origin.id_prefix, message.range.start, message.range.end),
        source: origin.source.clone(),
        etag: origin.etag.clone(),
        range: message.range.clone(),
        partition_key: origin.partition_key.clone(),
        body: message.body.to_bytes().to_vec(),
    }
}

impl Hub for MemoryHub {
    async fn limits(&self, origin: &Origin, _: Instant) -> Result<Limits, HubError> {
        Ok(limits(origin, self.limit.load(Ordering::Relaxed)))
    }

    async fn send(&self, batch: Batch, deadline: Instant) -> Result<(), HubError> {
        let hub = "memory".to_owned();
        let limits = limits(&batch.origin, self.limit.load(Ordering::Relaxed));
        let cost = |message: &Message| limits.message_overhead + message.body.len();
        let size = limits.envelope + batch.messages.iter().map(cost).sum::<usize>();
        if size > limits.transfer {
            return Err(HubError::TooLarge { hub, size, limit: limits.transfer });
        }
        let (number, failure, after) = {
            let mut state = self.state.lock().unwrap();
            let number = state.sends;
            state.sends += 1;
            let failure = state.failures.remove(&number);
            let after = state.after.remove(&number);
            if matches!(failure, None | Some(Failure::After(_))) {
                let kept = batch.messages.iter().map(|message| (number, received(&batch.origin, message)));
                state.kept.extend(kept);
            }
            (number, failure, after)
        };
        if let Some(other) = after {
            let mut settled = self.settled.subscribe();
            let turn = settled.wait_for(|settled| settled.contains(&other));
            // When its turn does not come before the deadline, it is settled all the same.
            let _ = tokio::time::timeout_at(deadline.into(), turn).await;
        }
        if !matches!(failure, Some(Failure::Hang)) {
            self.settled.send_modify(|settled| {
                settled.insert(number);
            });
        }
        match failure {
            None => Ok(()),
            Some(Failure::Before(error) | Failure::After(error)) => Err(error),
            Some(Failure::Hang) => {
                tokio::time::sleep_until(deadline.into()).await;
                Err(HubError::Unsettled { hub, reason: "no answer in time".to_owned() })
            }
        }
    }
}
