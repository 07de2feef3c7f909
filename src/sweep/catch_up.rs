//! The main step of a sweep: scans hours and forwards what is behind, side by side.

use super::container::ContainerSweep;
use super::deadlines::in_time;
use super::error::SweepError;
use super::progress::{BlobRun, CatchUpError, CatchUpProgress};
use super::report::SweepReport;
use super::run::SweepRun;
use super::scan::{ScannedPage, scan_page};
use super::schedule::{HourScan, PageQueue, PageScan, SCANS_AT_ONCE};
use crate::flow_log::Container;
use crate::forward::Forwarded;
use crate::ports::SweepPorts;
use futures_util::future::Either;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt as _, StreamExt as _};
use std::collections::VecDeque;
use std::panic::AssertUnwindSafe;
use tokio::time::Instant;

/// No scan starts while this many blobs wait to be forwarded. With the pages being scanned, this bounds the
/// memory for days of backlog.
const MAX_WAITING: usize = 1_000;

/// A scan or run that ended.
#[expect(clippy::large_enum_variant, reason = "taken apart at once")]
enum Ended {
    Scan(PageScan, Result<ScannedPage, SweepError>),
    Run(BlobRun, Result<Forwarded, CatchUpError>),
}

impl<P: SweepPorts> SweepRun<'_, P> {
    /// Scans the `hours` in order, and forwards stale blobs as they are found, several at once.
    pub(super) async fn catch_up(
        &self,
        containers: &[ContainerSweep],
        hours: &mut [HourScan],
        report: &mut SweepReport,
    ) {
        let (pages, blobs) = (PageQueue::default(), VecDeque::new());
        let mut progress = CatchUpProgress { containers, hours, report, pages, blobs };
        let mut under_way = FuturesUnordered::new();
        let (mut scans, mut runs) = (0, 0);
        loop {
            if self.may_start() {
                while runs < self.options.at_once
                    && let Some(run) = progress.blobs.pop_front()
                {
                    runs += 1;
                    under_way.push(Either::Left(self.forward(run)));
                }
                while scans < SCANS_AT_ONCE
                    && progress.blobs.len() < MAX_WAITING
                    && let Some(page) = progress.next_page()
                {
                    scans += 1;
                    let container = &containers[progress.hours[page.hour].container].container;
                    under_way.push(Either::Right(self.scan(container, page)));
                }
            }
            match under_way.next().await {
                Some(Ended::Run(run, result)) => {
                    runs -= 1;
                    progress.record_run(run, result);
                }
                Some(Ended::Scan(page, result)) => {
                    scans -= 1;
                    progress.record_scan(page, result);
                }
                None => break,
            }
        }
        progress.record_left_over();
    }

    fn may_start(&self) -> bool {
        Instant::now() < self.deadlines.start_until && !self.forwarder.is_stopping()
    }

    async fn scan(&self, container: &Container, mut page: PageScan) -> Ended {
        let page_size = self.options.page_size;
        let scan = scan_page(self.listing, self.table, container, &mut page.names, page_size, self.now);
        let result = in_time(self.deadlines.run_until, scan).await;
        Ended::Scan(page, result)
    }

    /// Forwards a blob in one attempt. A panic fails this blob alone.
    async fn forward(&self, mut run: BlobRun) -> Ended {
        let row = run.stale.row.take();
        let (blob, commit) = (&run.stale.listed.blob, &run.stale.listed.commit);
        let attempt = self.forwarder.catch_up(blob, commit, row, self.deadlines.run_until.into_std());
        let result = match AssertUnwindSafe(attempt).catch_unwind().await {
            Ok(result) => result.map_err(CatchUpError::Forward),
            Err(_) => Err(CatchUpError::Panicked { blob: blob.url() }),
        };
        Ended::Run(run, result)
    }
}
