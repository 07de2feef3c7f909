//! What decides the messages of a run: the hub's limits, and the bounds that an earlier run went by.

use super::attempt::within;
use super::deadlines::Deadlines;
use super::error::Awaited;
use super::open::Opened;
use super::{ForwardError, Forwarder};
use crate::checkpoint::{Bounds, InFlightRange};
use crate::flow_log::FlowLogBlob;
use crate::message;
use crate::message::PartitionKey;
use crate::message::batch::PACKING_VERSION;
use crate::message::{Limits, Origin};
use crate::ports::Ports;
use crate::ports::hub::Hub;
use std::num::NonZeroUsize;
use std::sync::Arc;

/// How a run packs.
pub(super) struct Packing {
    pub(super) limits: Limits,
    pub(super) bounds: Bounds,
    /// What messages say of where they come from.
    pub(super) origin: Arc<Origin>,
}

impl<P: Ports> Forwarder<P> {
    /// Asks the hub for its limits, and goes by the bounds of what an earlier run left in flight, if any:
    /// settings may have changed since. `opened`'s row then names the bounds that this run goes by.
    pub(super) async fn packing(
        &self,
        blob: &FlowLogBlob,
        opened: &mut Opened,
        times: &Deadlines,
    ) -> Result<Packing, ForwardError> {
        let in_flight = opened.row.in_flight;
        let stored = in_flight.and_then(|in_flight| in_flight.bounds);
        let by_nic = stored.map_or(self.options.partition_key == PartitionKey::Nic, |bounds| bounds.by_nic);
        let origin = Arc::new(Origin {
            source: blob.url(),
            etag: opened.etag.clone(),
            partition_key: by_nic.then(|| blob.mac().to_owned()),
            id_prefix: blob.id_prefix(opened.row.progress.generation),
        });
        let asked = self.hub.limits(&origin, times.read_until);
        let limits = within(blob, times, Awaited::Hub, asked).await?;
        let limits = limits.map_err(|cause| ForwardError::send(blob, opened.row.progress.offset, cause))?;
        let largest = message::max_body(limits, None);
        let bounds = match stored {
            Some(stored) if stored.layout == PACKING_VERSION && stored.max_body <= largest => stored,
            other => {
                if let Some(stored) = other {
                    tracing::warn!(
                        %blob,
                        "messages that an earlier run may have sent can't be built again: it used bodies of up to \
                         {} bytes and layout {}, the hub takes {largest} now and this build uses layout {PACKING_VERSION}. \
                         Their records may arrive a second time under other message ids",
                        stored.max_body,
                        stored.layout
                    );
                }
                let most = self.options.max_message_bytes.map(NonZeroUsize::get);
                Bounds { max_body: message::max_body(limits, most), by_nic, layout: PACKING_VERSION }
            }
        };
        opened.row.in_flight = in_flight.map(|in_flight| InFlightRange { bounds: Some(bounds), ..in_flight });
        Ok(Packing { limits, bounds, origin })
    }
}
