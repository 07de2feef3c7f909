//! The queues of a sweep, and the record of what its scans and runs did.

use super::compare::{Comparison, StaleBlob};
use super::container::ContainerSweep;
use super::error::SweepError;
use super::report::SweepReport;
use super::scan::ScannedPage;
use super::schedule::{HourScan, PageQueue, PageScan};
use crate::forward::{Completion, ForwardError, Forwarded};
use std::collections::VecDeque;

/// How many failed blobs are logged as warnings. The others are logged for debugging.
const WARNINGS: u64 = 10;

/// A blob to forward.
pub(super) struct BlobRun {
    /// The index of its hour.
    pub(super) hour: usize,
    pub(super) stale: StaleBlob,
}

/// Why a blob was not forwarded.
#[derive(Debug, thiserror::Error)]
pub(super) enum CatchUpError {
    #[error(transparent)]
    Forward(ForwardError),
    #[error("{blob}: the forwarder panicked, which is a defect: report the log's line about the panic")]
    Panicked { blob: String },
}

/// How far a sweep has caught up.
pub(super) struct CatchUpProgress<'r> {
    pub(super) containers: &'r [ContainerSweep],
    pub(super) hours: &'r mut [HourScan],
    pub(super) report: &'r mut SweepReport,
    pub(super) pages: PageQueue,
    pub(super) blobs: VecDeque<BlobRun>,
}

impl CatchUpProgress<'_> {
    /// Takes the next page to scan.
    pub(super) fn next_page(&mut self) -> Option<PageScan> {
        self.pages.next(self.containers, self.hours)
    }

    /// Records a scan of `page`, and queues the stale blobs that it found and the next page of the listing.
    pub(super) fn record_scan(&mut self, page: PageScan, result: Result<ScannedPage, SweepError>) {
        let hour = &mut self.hours[page.hour];
        let container = &self.containers[hour.container].container;
        let is_first_failure = self.pages.note_scan(hour.container, result.is_err());
        let ScannedPage { listed, newest_commit, comparison } = match result {
            Ok(scanned) => scanned,
            Err(error) => {
                hour.failed_scans += 1;
                self.report.failed_scans += 1;
                if is_first_failure {
                    tracing::warn!(%container, hour = %hour.hour, "hour not scanned: {error}");
                } else {
                    tracing::debug!(%container, hour = %hour.hour, "hour not scanned: {error}");
                }
                self.report.note_failure(error);
                return;
            }
        };
        let Comparison { stale, claimed_elsewhere, broken, first_broken } = comparison;
        let behind = stale.len() as u64 + claimed_elsewhere;
        hour.listed += listed;
        hour.behind += behind;
        self.report.behind += behind;
        self.report.claimed_elsewhere += claimed_elsewhere;
        self.report.newest_commit = self.report.newest_commit.max(newest_commit);
        self.report.add_broken(broken, first_broken);
        if !hour.is_closed {
            self.report.listed += listed;
        } else if behind > 0 {
            self.report.behind_in_closed += behind;
            tracing::warn!(
                %container,
                "{behind} blobs of the closed hour {} were behind: they were committed late, and their event was \
                 lost or answered before everything was forwarded",
                hour.hour
            );
        }
        self.blobs.extend(stale.into_iter().map(|stale| BlobRun { hour: page.hour, stale }));
        if page.names.has_more() {
            self.pages.push(page);
            return;
        }
        hour.flow_logs_left -= 1;
        if !hour.is_closed {
            self.report.scanned += 1;
        } else if hour.is_scanned() {
            self.report.rescanned += 1;
        }
    }

    /// Records a run over a blob. A blob with work left over is queued again, behind the others.
    pub(super) fn record_run(&mut self, run: BlobRun, result: Result<Forwarded, CatchUpError>) {
        let StaleBlob { listed, broken, .. } = &run.stale;
        match result {
            Ok(forwarded) => {
                self.report.records += forwarded.records;
                self.report.messages += forwarded.messages;
                self.report.quarantined += forwarded.quarantined;
                match forwarded.completion {
                    Completion::LeftOver => {
                        self.blobs.push_back(run);
                        return;
                    }
                    Completion::ClaimedElsewhere => {
                        self.report.claimed_elsewhere += 1;
                        self.report.note_behind(listed.modified);
                    }
                    Completion::Complete | Completion::Deleted => {
                        self.report.caught_up += 1;
                        self.hours[run.hour].behind -= 1;
                    }
                }
                let broken =
                    forwarded.broken || *broken && forwarded.completion == Completion::ClaimedElsewhere;
                self.report.add_broken(broken.into(), broken.then(|| listed.blob.url()));
            }
            Err(CatchUpError::Forward(ForwardError::Stopping { .. })) => self.report.left_over += 1,
            Err(error) => {
                self.report.failed += 1;
                self.report.note_behind(listed.modified);
                self.report.add_broken((*broken).into(), broken.then(|| listed.blob.url()));
                if self.report.failed <= WARNINGS {
                    tracing::warn!("blob not forwarded: {error}");
                } else {
                    tracing::debug!("blob not forwarded: {error}");
                }
                self.report.note_failure(error);
            }
        }
    }

    /// Records what is left for the next sweep.
    pub(super) fn record_left_over(self) {
        for run in &self.blobs {
            self.report.note_behind(run.stale.listed.modified);
            self.report.broken += u64::from(run.stale.broken);
        }
        let left = self.hours.iter().filter(|hour| {
            let is_unfinished = hour.flow_logs_left > 0 && hour.failed_scans == 0;
            is_unfinished && !hour.is_closed && !self.pages.is_unreachable(hour.container)
        });
        self.report.left_over += (self.blobs.len() + left.count()) as u64;
    }
}
