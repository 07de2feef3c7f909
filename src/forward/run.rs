//! One run under one claim: read → cut → batch → send → checkpoint.

use super::flight::Flight;
use super::open::Opened;
use super::outbound::Outbound;
use super::reader::Reader;
use super::{End, ForwardError, Forwarded, Forwarder, Times};
use crate::batch::{self, Added, Batcher, Packer};
use crate::checkpoint::{CheckpointStore, Progress};
use crate::config::PartitionKey;
use crate::cut::{CutError, Cutter};
use crate::flow_log::FlowLogBlob;
use crate::hub::{Hub, Origin};
use crate::ledger::Seen;
use crate::plan;
use crate::source::{BlobSource, ReadError};
use std::num::NonZeroUsize;
use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

/// How a run ended: `progress` holds whatever came of it.
pub(super) struct Ended {
    pub progress: Progress,
    pub result: Result<(), ForwardError>,
}

/// Where a run stopped reading.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Reached {
    /// The end of the version.
    End,
    /// The end of what an earlier run had set out to send: what follows has other message bounds.
    Doubt,
    /// The end of the budget.
    Budget,
    /// The end of the version's life: another one was committed.
    NewVersion,
    /// Bytes that are not flow-log records.
    Broken(CutError),
    /// A record that fits no message.
    Oversize(Range<u64>),
}

impl<B: BlobSource, C: CheckpointStore, H: Hub> Forwarder<B, C, H> {
    /// Sends what `opened` brings and says how far the hub accepted it.
    pub(super) async fn run(
        &self,
        blob: &FlowLogBlob,
        seen: &mut Seen,
        opened: Opened,
        times: Times,
        done: &mut Forwarded,
    ) -> Ended {
        let offset = seen.row.progress.offset;
        let (etag, length) = (opened.etag.clone(), opened.length);
        let origin = Arc::new(self.origin(blob, &etag, seen.row.progress.generation));
        let limits = match self.hub.limits(&origin, times.send_until).await {
            Ok(limits) => limits,
            Err(cause) => {
                let result = Err(ForwardError::send(blob, offset, cause));
                return Ended { progress: seen.row.progress.clone(), result };
            }
        };
        let packer =
            Packer::new(batch::max_body(limits, self.options.max_message_bytes.map(NonZeroUsize::get)));
        let flight = Flight::new(&*self.hub, times.send_until);
        let trail = opened.trail.clone();
        let mut outbound = Outbound::new(Batcher::new(limits, origin), flight, offset, trail);
        let reached = self.pump(blob, seen, opened, packer, times, &mut outbound, done).await;
        done.records += outbound.accepted().records;
        done.messages += outbound.accepted().messages;
        // What was accepted before a failure counts, too.
        let mut progress = outbound.landed_after(&seen.row.progress);
        progress.length = length;
        progress.etag = matches!(reached, Ok(Reached::End)).then_some(etag);
        if matches!(reached, Ok(Reached::Budget)) {
            done.end = End::LeftOver;
        }
        Ended { progress, result: reached.map(|_| ()) }
    }

    /// read → cut → batch → send, with the progress saved now and then.
    #[expect(clippy::too_many_arguments, reason = "the whole order of work in one place")]
    async fn pump(
        &self,
        blob: &FlowLogBlob,
        seen: &mut Seen,
        opened: Opened,
        mut packer: Packer,
        times: Times,
        outbound: &mut Outbound<'_, H>,
        done: &mut Forwarded,
    ) -> Result<Reached, ForwardError> {
        let offset = seen.row.progress.offset;
        let until = seen.row.in_doubt.unwrap_or(opened.length);
        let rest = plan::windows(offset + opened.first.len() as u64, opened.length, self.options.window);
        let mut reader = Reader::start(&self.source, blob, &opened.etag, rest);
        let mut cutter = if offset == 0 { Cutter::from_start() } else { Cutter::after_record(offset) };
        let mut window = opened.first;
        let mut saved = Instant::now();
        let reached = 'read: loop {
            window.pieces().for_each(|piece| cutter.push(piece.clone()));
            while let Some(record) = match cutter.next_record() {
                Err(broken) => break 'read Reached::Broken(broken),
                Ok(record) => record,
            } {
                if record.range.end > until {
                    break 'read Reached::Doubt;
                }
                match packer.add(&record) {
                    Added::Fits => {}
                    Added::Full(plan) => outbound.add(blob, plan, &mut cutter).await?,
                    Added::NeverFits(plan) => {
                        if let Some(plan) = plan {
                            outbound.add(blob, plan, &mut cutter).await?;
                        }
                        break 'read Reached::Oversize(record.range);
                    }
                }
            }
            if saved.elapsed() >= self.options.save_every {
                let progress = outbound.landed_after(&seen.row.progress);
                *seen = self.ledger.save(seen, &progress).await.map_err(ForwardError::checkpoint(blob))?;
                saved = Instant::now();
            }
            if Instant::now() >= times.work_until {
                break Reached::Budget;
            }
            window = match reader.next().await {
                Ok(Some(next)) => next,
                Ok(None) => break Reached::End,
                Err(ReadError::Changed) => break Reached::NewVersion,
                Err(cause) => return Err(ForwardError::read(blob)(cause)),
            };
            done.bytes_read += window.len() as u64;
        };
        // Where the data ends, the last message ends. Where only this run ends, what is packed but
        // not full is left for the next run to pack, with the bounds that it would have had here.
        if !matches!(reached, Reached::Budget | Reached::NewVersion)
            && let Some(plan) = packer.finish(cutter.closed())
        {
            outbound.add(blob, plan, &mut cutter).await?;
        }
        outbound.drain(blob).await?;
        match reached {
            Reached::Oversize(range) => {
                Err(ForwardError::Oversize { blob: blob.url(), range, limit: packer.max_record() })
            }
            Reached::Broken(cause) => Err(ForwardError::cut(blob, cutter.resume_offset(), cause)),
            reached => Ok(reached),
        }
    }

    fn origin(&self, blob: &FlowLogBlob, etag: &str, generation: u32) -> Origin {
        let by_nic = self.options.partition_key == PartitionKey::Nic;
        Origin {
            source: blob.url(),
            etag: etag.to_owned(),
            partition_key: by_nic.then(|| blob.mac().to_owned()),
            id_prefix: blob.id_prefix(generation),
        }
    }
}
