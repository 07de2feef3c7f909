//! An Event Hub in memory.

use flowlog_forwarder::hub::{Batch, Hub, HubError, Limits, Origin};
use serde_json::value::RawValue;
use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Instant;

/// One event as a consumer would see it.
#[derive(Clone, Debug)]
pub struct Event {
    pub id: String,
    pub body: Vec<u8>,
    pub origin: Origin,
}

/// What happens to a send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// The hub never sees it, and the sender hears of an error.
    LostBefore,
    /// The hub has it, and the sender hears of an error all the same.
    LostAfter,
}

/// Takes batches, keeps their events, and fails where it is told to.
#[derive(Debug)]
pub struct MemoryHub {
    limit: usize,
    events: Mutex<Vec<Event>>,
    sends: Mutex<u64>,
    fates: Mutex<HashMap<u64, Fate>>,
}

/// Encoded costs in the order of magnitude of the real ones.
const ENVELOPE: usize = 60;
const OVERHEAD: usize = 400;

impl Default for MemoryHub {
    fn default() -> Self {
        Self::with_limit(1 << 20)
    }
}

impl MemoryHub {
    /// A hub whose link takes transfers of up to `limit` bytes.
    pub fn with_limit(limit: usize) -> Self {
        Self { limit, events: Mutex::default(), sends: Mutex::default(), fates: Mutex::default() }
    }

    /// Decides on the `n`-th send from the start, counted from 1.
    pub fn fail(&self, n: u64, fate: Fate) {
        self.fates.lock().unwrap().insert(n, fate);
    }

    pub fn events(&self) -> Vec<Event> {
        self.events.lock().unwrap().clone()
    }

    pub fn bodies(&self) -> Vec<Vec<u8>> {
        self.events().into_iter().map(|event| event.body).collect()
    }

    pub fn ids(&self) -> Vec<String> {
        self.events().into_iter().map(|event| event.id).collect()
    }

    /// Every record's bytes, in order of arrival.
    pub fn records(&self) -> Vec<String> {
        self.bodies().iter().flat_map(|body| records_of(body)).collect()
    }
}

/// The records of a message body, as an independent JSON library finds them.
pub fn records_of(body: &[u8]) -> Vec<String> {
    #[derive(serde::Deserialize)]
    struct Body<'a> {
        #[serde(borrow)]
        records: Vec<&'a RawValue>,
    }
    let body: Body<'_> = serde_json::from_slice(body).expect("every body is valid JSON with records");
    body.records.iter().map(|record| record.get().to_owned()).collect()
}

impl Hub for MemoryHub {
    async fn limits(&self, _: &Origin, _: Instant) -> Result<Limits, HubError> {
        Ok(Limits { transfer: self.limit, envelope: ENVELOPE, message_overhead: OVERHEAD })
    }

    async fn send(&self, batch: Batch, _: Instant) -> Result<(), HubError> {
        let size =
            ENVELOPE + batch.messages.iter().map(|message| OVERHEAD + message.body.len()).sum::<usize>();
        if size > self.limit {
            return Err(HubError::TooLarge { hub: "memory".into(), size, limit: self.limit });
        }
        let number = {
            let mut sends = self.sends.lock().unwrap();
            *sends += 1;
            *sends
        };
        let fate = self.fates.lock().unwrap().get(&number).copied();
        if fate != Some(Fate::LostBefore) {
            let origin = Origin::clone(&batch.origin);
            self.events.lock().unwrap().extend(batch.messages.iter().map(|message| Event {
                id: format!("{}-{}-{}", origin.id_prefix, message.range.start, message.range.end),
                body: message.body.to_bytes().to_vec(),
                origin: origin.clone(),
            }));
        }
        // Lets others in, as a network would.
        tokio::task::yield_now().await;
        match fate {
            None => Ok(()),
            Some(_) => Err(HubError::Unsettled { hub: "memory".into(), reason: "as told".into() }),
        }
    }
}
