//! Counts a run in the metrics.

use super::error::ForwardError;
use super::forwarded::{Completion, Forwarded};
use crate::metrics::RunMetrics;

/// Adds a run to `metrics`, failed or not: the hub keeps what it accepted before a failure.
pub(super) fn count_run(metrics: &RunMetrics, stats: &Forwarded, result: &Result<(), ForwardError>) {
    metrics.records.inc_by(stats.records);
    metrics.messages.inc_by(stats.messages);
    metrics.read_bytes.inc_by(stats.bytes_read);
    metrics.rewrites.inc_by(u64::from(stats.rewritten.is_some()));
    metrics.quarantined.inc_by(stats.quarantined);
    metrics.count(match (result, stats.completion) {
        (Err(_), _) => "failed",
        (Ok(()), Completion::Complete) if stats.records + stats.quarantined == 0 => "nothing_new",
        (Ok(()), Completion::Complete) => "forwarded",
        (Ok(()), Completion::LeftOver) => "left_over",
        (Ok(()), Completion::ClaimedElsewhere) => "elsewhere",
        (Ok(()), Completion::Deleted) => "gone",
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Metrics;

    #[test]
    fn counters_add_up_runs_and_their_outcomes() {
        let metrics = Metrics::default();
        let count = |stats: Forwarded, result| count_run(&metrics.runs, &stats, &result);
        count(
            Forwarded { records: 7, messages: 2, bytes_read: 900, quarantined: 1, ..Forwarded::default() },
            Ok(()),
        );
        count(Forwarded { completion: Completion::Deleted, ..Forwarded::default() }, Ok(()));
        count(
            Forwarded { records: 3, messages: 1, ..Forwarded::default() },
            Err(ForwardError::Stopping { blob: "b".to_owned() }),
        );
        metrics.not_ours.inc();
        let text = metrics.text();
        for line in [
            "flowlog_records_total 10",
            "flowlog_messages_total 3",
            "flowlog_read_bytes_total 900",
            "flowlog_quarantined_total 1",
            "flowlog_rewrites_total 0",
            "flowlog_not_ours_total 1",
            "flowlog_runs_total{outcome=\"forwarded\"} 1",
            "flowlog_runs_total{outcome=\"gone\"} 1",
            "flowlog_runs_total{outcome=\"failed\"} 1",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} in:\n{text}");
        }
    }
}
