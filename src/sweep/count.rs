//! Counts a sweep in the metrics, and shows its findings there.

use super::{Outcome, Swept};
use crate::metrics::SweepMetrics;

/// Adds a sweep to `metrics`. The findings of a sweep that could not look at anything are not shown: those
/// of the last sweep stay.
pub(super) fn count_sweep(metrics: &SweepMetrics, swept: &Swept) {
    let outcome = swept.outcome();
    metrics.count(match outcome {
        Outcome::Done => "done",
        Outcome::Partly => "partly",
        Outcome::Failed => "failed",
    });
    metrics.hours_given_up.inc_by(swept.given_up);
    if outcome == Outcome::Failed && swept.saw_nothing() {
        return;
    }
    metrics.behind_blobs.set(swept.still_behind());
    metrics.broken_blobs.set(swept.broken);
    if outcome != Outcome::Failed {
        metrics.last_sweep.set(swept.at / 1_000);
    }
    if let Some(newest) = swept.newest {
        metrics.newest_commit.set(newest / 1_000);
    }
}
