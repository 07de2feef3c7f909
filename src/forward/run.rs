//! One run under one claim: read → cut → batch → send → checkpoint.

use super::open::Opened;
use super::outbound::{Outbound, OutboundError};
use super::reader::Reader;
use super::{End, ForwardError, Forwarded, Forwarder, Times};
use crate::batch::{self, Added, Packer};
use crate::checkpoint::{CheckpointStore, Progress};
use crate::config::PartitionKey;
use crate::cut::Cutter;
use crate::flow_log::FlowLogBlob;
use crate::hub::{Hub, Limits, Origin};
use crate::ledger::Seen;
use crate::plan;
use crate::source::{BlobSource, ReadError};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Instant;

/// How a run ended: `progress` holds whatever came of it.
pub(super) struct Ended {
    pub progress: Progress,
    pub result: Result<(), ForwardError>,
}

/// Where a run stopped reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reached {
    /// The end of the version.
    End,
    /// The end of what an earlier run had set out to send: what follows has other message bounds.
    Doubt,
    /// The end of the budget.
    Budget,
    /// The end of the version's life: another one was committed.
    NewVersion,
}

impl<B: BlobSource, C: CheckpointStore, H: Hub> Forwarder<B, C, H> {
    /// Sends what `opened` brings and says how far the hub accepted it.
    async fn run(
        &self,
        blob: &FlowLogBlob,
        seen: &mut Seen,
        opened: Opened,
        times: Times,
        done: &mut Forwarded,
    ) -> Ended {
        let offset = seen.row.progress.offset;
        let origin = Arc::new(self.origin(blob, &opened.etag, seen.row.progress.generation));
        let limits = match self.hub.limits(&origin, times.send_until).await {
            Ok(limits) => limits,
            Err(cause) => {
                let result = Err(ForwardError::Send { blob: blob.to_string(), from: offset, cause });
                return Ended { progress: seen.row.progress.clone(), result };
            }
        };
        let length = opened.length;
        let etag = opened.etag.clone();
        let flight = Flight::new(&*self.hub, times.send_until);
        let mut outbound = Outbound::new(limits, origin, flight, offset, opened.trail.clone());
        let pumped = self.pump(blob, seen, opened, limits, times, &mut outbound).await;
        let mut progress = seen.row.progress.clone();
        // What was accepted before a failure counts, too.
        if let Some(mark) = outbound.take_landed() {
            (progress.offset, progress.guard) = (mark.offset, Some(mark.guard));
        }
        done.records += outbound.accepted().records;
        done.messages += outbound.accepted().messages;
        done.bytes_read += outbound.bytes_read;
        progress.length = length;
        let result = pumped.map(|reached| {
            progress.etag = (reached == Reached::End).then_some(etag);
            if reached == Reached::Budget {
                done.end = End::LeftOver;
            }
        });
        Ended { progress, result }
    }

    /// read → cut → batch → send, with the progress saved now and then.
    async fn pump(
        &self,
        blob: &FlowLogBlob,
        seen: &mut Seen,
        opened: Opened,
        limits: Limits,
        times: Times,
        outbound: &mut Outbound<'_, H>,
    ) -> Result<Reached, ForwardError> {
        let offset = seen.row.progress.offset;
        let until = seen.row.in_doubt.unwrap_or(opened.length);
        let rest = plan::windows(offset + opened.first.len() as u64, opened.length, self.options.window);
        let mut reader = Reader::start(&self.source, blob, &opened.etag, rest);
        let mut cutter = if offset == 0 { Cutter::from_start() } else { Cutter::after_record(offset) };
        let mut packer = Packer::new(batch::max_body(limits, self.options.max_message_bytes.map(NonZeroUsize::get)));
        let mut window = opened.first;
        let reached = 'read: loop {
            cutter.push_all(&window);
            while let Some(record) = cutter.next_record().map_err(|cause| cut(blob, &cutter, cause))? {
                if record.range.end > until {
                    break 'read Reached::Doubt;
                }
                match packer.add(&record) {
                    Added::Fits => {}
                    Added::Full(plan) => outbound.add(plan, &mut cutter).await.map_err(|e| sent(blob, e))?,
                    Added::NeverFits(plan) => return Err(oversize(blob, record.range)),
                }
            }
            self.save(blob, seen, outbound).await?;
            if Instant::now() >= times.work_until {
                break Reached::Budget;
            }
            window = match reader.next().await {
                Ok(Some(next)) => next,
                Ok(None) => break Reached::End,
                Err(ReadError::Changed) => break Reached::NewVersion,
                Err(cause) => return Err(ForwardError::Read { blob: blob.to_string(), cause }),
            };
        };
        // Where the data ended, the last message ends too. Where the run only stopped, what is packed
        // is packed again by the next one, with the same bounds.
        if matches!(reached, Reached::End | Reached::Doubt) {
            if let Some(plan) = packer.finish(cutter.closed()) {
                outbound.add(plan, &mut cutter).await.map_err(|e| sent(blob, e))?;
            }
        }
        outbound.drain().await.map_err(|e| sent(blob, e))?;
        Ok(reached)
    }

    fn origin(&self, blob: &FlowLogBlob, etag: &str, generation: u32) -> Origin {
        Origin {
            source: blob.to_string(),
            etag: etag.to_owned(),
            partition_key: (self.options.partition_key == PartitionKey::Nic).then(|| blob.mac.clone()),
            id_prefix: blob.message_id_prefix(generation),
        }
    }
}
