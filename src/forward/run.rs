//! One run under one claim: read → cut → batch → send → checkpoint.

use super::flight::Flight;
use super::open::Opened;
use super::outbound::Outbound;
use super::oversize::Dealt;
use super::reader::Supply;
use super::{End, ForwardError, Forwarded, Forwarder, Times};
use crate::batch::{self, Added, Batcher, Packer};
use crate::checkpoint::{Broken, CheckpointStore, Progress};
use crate::config::PartitionKey;
use crate::cut::{CutError, Cutter};
use crate::flow_log::FlowLogBlob;
use crate::hub::{Hub, HubError, Limits, Origin};
use crate::ledger::Seen;
use crate::quarantine::Quarantine;
use crate::source::BlobSource;
use std::num::NonZeroUsize;
use std::time::Instant;

/// How many bytes of a record that has no end yet are held. A longer one is read again in pieces.
const HELD: u64 = 8 << 20;

/// What one run is about.
pub(super) struct Job<'r> {
    pub(super) blob: &'r FlowLogBlob,
    /// The version that is read, without quotes.
    pub(super) etag: String,
    /// Its length, bytes.
    pub(super) length: u64,
    /// Records that end behind this byte are not this run's.
    pub(super) until: u64,
    pub(super) generation: u32,
    /// The most bytes that a message body may have.
    pub(super) max_body: u64,
    pub(super) times: Times,
}

/// How a run ended: `progress` holds whatever came of it.
pub(super) struct Ended {
    pub(super) progress: Progress,
    /// Whether nothing is in doubt any more.
    pub(super) finished: bool,
    pub(super) result: Result<(), ForwardError>,
}

impl Ended {
    /// Nothing was sent.
    pub(super) fn unchanged(seen: &Seen, result: Result<(), ForwardError>) -> Self {
        Self { progress: seen.row.progress.clone(), finished: false, result }
    }
}

/// Where reading stopped.
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
    /// A record that starts here and is too long to be held.
    Endless(u64),
    /// Bytes that are not flow-log records.
    Broken(CutError),
}

impl<B: BlobSource, C: CheckpointStore, H: Hub, Q: Quarantine> Forwarder<B, C, H, Q> {
    /// Sends what `opened` brings and says how far the hub accepted it.
    pub(super) async fn run(
        &self,
        blob: &FlowLogBlob,
        seen: &mut Seen,
        opened: Opened,
        limits: impl Future<Output = Result<Limits, HubError>>,
        times: Times,
        done: &mut Forwarded,
    ) -> Ended {
        let Opened { etag, length, origin, supply, trail, row, .. } = opened;
        let Progress { offset, generation, .. } = seen.row.progress;
        let limits = match limits.await {
            Ok(limits) => limits,
            Err(cause) => {
                return Ended::unchanged(seen, Err(ForwardError::send(blob, offset, cause)));
            }
        };
        let max_body = batch::max_body(limits, self.options.max_message_bytes.map(NonZeroUsize::get));
        let until = seen.row.in_doubt.unwrap_or(length);
        let job = Job { blob, etag, length, until, generation, max_body, times };
        let flight = Flight::new(&*self.hub, times.send_until);
        let mut outbound = Outbound::new(Batcher::new(limits, origin), flight, offset, trail);
        let mut reached = self.drive(&job, seen, supply, &mut outbound, done).await;
        if let Err(error) = &reached
            && !error.forbids_sending()
        {
            // What the hub accepts now need not be sent again; a failure shows by what has not landed.
            let drained = outbound.drain(blob).await;
            // Whichever read found the new version: of a window, of a record to be split, for quarantine.
            if error.is_new_version() {
                reached = drained.map(|()| Reached::NewVersion);
            }
        }
        done.records += outbound.accepted().records;
        done.messages += outbound.accepted().messages;
        // What was accepted before a failure counts, too.
        let mut progress = outbound.landed_after(&seen.row.progress);
        progress.length = length;
        progress.etag = None;
        // Cut short, it finished what it had sent; what an earlier run had sent lies ahead still.
        let cut_short = matches!(reached, Ok(Reached::Budget | Reached::NewVersion));
        let finished = reached.is_ok() && !(cut_short && row.in_doubt.is_some());
        let result = match reached {
            Ok(Reached::End) => {
                progress.etag = Some(job.etag);
                progress.broken = None;
                Ok(())
            }
            Ok(Reached::Broken(cause)) => match self.set_aside(&job, &mut progress, cause, done).await {
                Err(error) if error.is_new_version() => Ok(()),
                set_aside => set_aside,
            },
            Ok(reached) => {
                if reached == Reached::Budget {
                    done.end = End::LeftOver;
                }
                Ok(())
            }
            Err(error) => Err(error),
        };
        Ended { progress, finished: finished && result.is_ok(), result }
    }

    /// Pumps to the end, around records that are too long to be held; returns with nothing under way.
    async fn drive(
        &self,
        job: &Job<'_>,
        seen: &mut Seen,
        mut supply: Supply,
        outbound: &mut Outbound<'_, H>,
        done: &mut Forwarded,
    ) -> Result<Reached, ForwardError> {
        loop {
            let reached = match self.pump(job, seen, supply, outbound, done).await? {
                Reached::Endless(start) => match self.split_streamed(job, start, outbound, done).await {
                    Ok(Dealt::Done(end)) => {
                        supply = self.supply(job, end);
                        continue;
                    }
                    Ok(Dealt::Unfinished) => Reached::End,
                    Ok(Dealt::Beyond) => Reached::Doubt,
                    Ok(Dealt::Broken(cause)) => Reached::Broken(cause),
                    Err(error) => return Err(error),
                },
                reached => reached,
            };
            outbound.drain(job.blob).await?;
            return Ok(reached);
        }
    }

    /// read → cut → batch → send, with the progress saved now and then.
    async fn pump(
        &self,
        job: &Job<'_>,
        seen: &mut Seen,
        supply: Supply,
        outbound: &mut Outbound<'_, H>,
        done: &mut Forwarded,
    ) -> Result<Reached, ForwardError> {
        let blob = job.blob;
        let Supply { from, first: mut window, mut rest } = supply;
        let mut cutter = if from == 0 { Cutter::from_start() } else { Cutter::after_record(from) };
        let mut packer = Packer::new(job.max_body);
        let mut saved = Instant::now();
        let reached = 'read: loop {
            window.pieces().for_each(|piece| cutter.push(piece.clone()));
            while let Some(record) = match cutter.next_record() {
                Err(broken) => break 'read Reached::Broken(broken),
                Ok(record) => record,
            } {
                if record.range.end > job.until {
                    break 'read Reached::Doubt;
                }
                match packer.add(&record) {
                    Added::Fits => {}
                    Added::Full(plan) => outbound.add(blob, plan, &mut cutter).await?,
                    Added::NeverFits(before) => {
                        if let Some(plan) = before {
                            outbound.add(blob, plan, &mut cutter).await?;
                        }
                        self.split_held(job, &record.range, &mut cutter, outbound, done).await?;
                    }
                }
            }
            if saved.elapsed() >= self.options.save_every {
                let progress = outbound.landed_after(&seen.row.progress);
                *seen = self.ledger.save(seen, &progress).await.map_err(ForwardError::checkpoint(blob))?;
                saved = Instant::now();
            }
            if Instant::now() >= job.times.work_until {
                break Reached::Budget;
            }
            if let Some(start) = cutter.open_record()
                && cutter.pushed_to() - start > HELD.max(packer.max_record())
            {
                break Reached::Endless(start);
            }
            window = match rest.next().await {
                Ok(Some(next)) => next,
                Ok(None) => break Reached::End,
                Err(cause) => return Err(ForwardError::read(blob)(cause)),
            };
            done.bytes_read += window.len() as u64;
        };
        // Where the data ends, the last message ends. Where only this run ends, what is packed but
        // not full is left for the next run to pack, with the bounds that it would have had here.
        if reached != Reached::Budget
            && let Some(plan) = packer.finish(cutter.closed())
        {
            outbound.add(blob, plan, &mut cutter).await?;
        }
        if let Reached::Endless(start) = reached {
            outbound.pass_to(blob, start, &cutter)?;
        }
        Ok(reached)
    }

    /// Puts what follows the last good record into quarantine: once when it is found, and once more
    /// when the hour is over and the blob has grown since.
    async fn set_aside(
        &self,
        job: &Job<'_>,
        progress: &mut Progress,
        cause: CutError,
        done: &mut Forwarded,
    ) -> Result<(), ForwardError> {
        let known = progress.broken.filter(|broken| broken.at == cause.offset);
        let grown = known.is_none_or(|broken| broken.kept < job.length);
        if grown && (known.is_none() || job.blob.hour_end() <= self.ledger.now()) {
            self.quarantine(job, progress.offset..job.length, &cause.to_string(), done).await?;
            progress.broken = Some(Broken {
                at: cause.offset,
                kept: job.length,
                since: self.ledger.now(),
                unfinished: false,
            });
        }
        progress.etag = Some(job.etag.clone());
        Ok(())
    }

    /// What messages of `blob` say of where they come from.
    pub(super) fn origin(&self, blob: &FlowLogBlob, etag: &str, generation: u32) -> Origin {
        let by_nic = self.options.partition_key == PartitionKey::Nic;
        Origin {
            source: blob.url(),
            etag: etag.to_owned(),
            partition_key: by_nic.then(|| blob.mac().to_owned()),
            id_prefix: blob.id_prefix(generation),
        }
    }
}
