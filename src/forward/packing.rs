//! Message bounds of a run: from the hub's limits, or those of messages that an earlier run left in flight.

use super::attempt::Attempt;
use super::error::Awaited;
use super::open::Opened;
use super::{ForwardError, Forwarder};
use crate::checkpoint::{Bounds, InFlightRange};
use crate::message::batch::PACKING_VERSION;
use crate::message::{self, Limits, Origin, PartitionKey};
use crate::ports::Ports;
use crate::ports::hub::Hub;
use std::num::NonZeroUsize;
use std::sync::Arc;

/// How a run packs records into messages.
pub(super) struct Packing {
    pub(super) limits: Limits,
    pub(super) bounds: Bounds,
    /// Application properties of the messages.
    pub(super) origin: Arc<Origin>,
}

impl<P: Ports> Forwarder<P> {
    /// Asks the hub for its limits. If an earlier run left messages in flight, its bounds are used again, even
    /// if settings have changed. Writes the bounds into the row of `opened`.
    pub(super) async fn packing(
        &self,
        attempt: &Attempt<'_>,
        opened: &mut Opened,
    ) -> Result<Packing, ForwardError> {
        let blob = attempt.blob;
        let in_flight = opened.row.in_flight;
        let stored = in_flight.and_then(|in_flight| in_flight.bounds);
        let by_nic = stored.map_or(self.options.partition_key == PartitionKey::Nic, |bounds| bounds.by_nic);
        let origin = Arc::new(Origin {
            source: blob.url(),
            etag: opened.etag.clone(),
            partition_key: by_nic.then(|| blob.mac().to_owned()),
            id_prefix: blob.id_prefix(opened.row.progress.generation),
        });
        let limits = self.hub.limits(&origin, attempt.deadlines.read_until);
        let limits = attempt.within(Awaited::Hub, limits).await?;
        let limits = limits.map_err(|cause| ForwardError::send(blob, opened.row.progress.offset, cause))?;
        let largest = message::max_body(limits, None);
        let most = self.options.max_message_bytes.map(NonZeroUsize::get);
        let own = Bounds { max_body: message::max_body(limits, most), by_nic, layout: PACKING_VERSION };
        let bounds = Bounds::for_run(stored, own, largest);
        if let Some(stored) = stored.filter(|stored| *stored != bounds) {
            tracing::warn!(
                %blob,
                "messages that an earlier run may have sent can't be repeated: their bodies have up to {} bytes and \
                 packing rules {}; the hub now accepts {largest} bytes and this build has packing rules \
                 {PACKING_VERSION}. Their records may arrive twice, under other message ids",
                stored.max_body,
                stored.layout
            );
        }
        opened.row.in_flight = in_flight.map(|in_flight| InFlightRange { bounds: Some(bounds), ..in_flight });
        Ok(Packing { limits, bounds, origin })
    }
}
