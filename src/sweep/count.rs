//! Counts a sweep in the metrics, and shows its findings there.

use super::report::{SweepOutcome, SweepReport};
use crate::metrics::SweepMetrics;

/// Adds a sweep to `metrics`. A sweep that could not scan anything leaves the findings of the one before.
pub(super) fn count_sweep(metrics: &SweepMetrics, report: &SweepReport) {
    let outcome = report.outcome();
    metrics.count(match outcome {
        SweepOutcome::Done => "done",
        SweepOutcome::Partly => "partly",
        SweepOutcome::Failed => "failed",
    });
    metrics.hours_given_up.inc_by(report.given_up);
    if outcome == SweepOutcome::Failed && report.scanned_nothing() {
        return;
    }
    metrics.behind_blobs.set(report.still_behind());
    metrics.broken_blobs.set(report.broken);
    if outcome != SweepOutcome::Failed {
        metrics.last_sweep.set(report.started / 1_000);
    }
    if let Some(newest) = report.newest_commit {
        metrics.newest_commit.set(newest / 1_000);
    }
}
