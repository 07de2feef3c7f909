//! What the process has done since it started, as Prometheus text for `GET /metrics`.
//!
//! Names end in `_total` where they only grow, and no label has more than a handful of values: never a
//! blob, a NIC or an error text. A counter moves when the matter is settled, so what will be tried
//! again is not counted as lost.

use crate::forward::{Completion, ForwardError, Forwarded};
use crate::sweep::{self, Swept};
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use std::sync::{Mutex, PoisonError};

/// The link to the event hub, as its task sees it. Clones share the numbers.
#[derive(Clone, Debug, Default)]
pub struct HubLink {
    /// Attempts that failed.
    pub failures: Counter,
    /// 1 while a link is attached, otherwise 0.
    pub connected: Gauge,
}

/// What came of a run over a blob, on behalf of an event or of the sweep.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Outcome {
    /// Records were forwarded, to the end of the newest version.
    Forwarded,
    /// The commit had been forwarded before.
    NothingNew,
    /// Part was forwarded, and the rest is left over.
    LeftOver,
    /// Another worker has the blob.
    Elsewhere,
    /// The blob is not there any more.
    Gone,
    /// It failed, and will be tried again.
    Failed,
}

impl EncodeLabelValue for Outcome {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> std::fmt::Result {
        let text = match self {
            Self::Forwarded => "forwarded",
            Self::NothingNew => "nothing_new",
            Self::LeftOver => "left_over",
            Self::Elsewhere => "elsewhere",
            Self::Gone => "gone",
            Self::Failed => "failed",
        };
        text.encode(encoder)
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    outcome: Outcome,
}

/// What came of a sweep.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SweepLabels {
    outcome: sweep::Outcome,
}

impl EncodeLabelValue for sweep::Outcome {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> std::fmt::Result {
        let text = match self {
            Self::Done => "done",
            Self::Partly => "partly",
            Self::Failed => "failed",
        };
        text.encode(encoder)
    }
}

/// What sweeps found.
#[derive(Debug)]
struct Sweeps {
    ended: Family<SweepLabels, Counter>,
    given_up: Counter,
    behind: Gauge,
    broken: Gauge,
    last: Gauge,
    newest_commit: Gauge,
}

impl Sweeps {
    fn new(registry: &mut Registry) -> Self {
        let ended = Family::default();
        registry.register("sweeps", "Sweeps by what came of them", ended.clone());
        let given_up = Counter::default();
        let help = "Hours that were never swept to their end and are older than the retention";
        registry.register("hours_given_up", help, given_up.clone());
        let mut gauge = |name: &str, help: &str| {
            let gauge = Gauge::default();
            registry.register(name, help, gauge.clone());
            gauge
        };
        let behind = gauge("behind_blobs", "Blobs that the last sweep found behind and did not forward");
        let broken = gauge("broken_blobs", "Blobs of which some can't be forwarded, as the last sweep found");
        let last =
            gauge("last_sweep_timestamp_seconds", "When the last sweep began that did not fail altogether");
        let newest_commit = gauge("newest_commit_timestamp_seconds", "When the newest commit was made");
        Self { ended, given_up, behind, broken, last, newest_commit }
    }
}

fn gauge_value(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// The counters.
#[derive(Debug)]
pub struct Metrics {
    registry: Mutex<Registry>,
    runs: Family<Labels, Counter>,
    not_ours: Counter,
    records: Counter,
    messages: Counter,
    read: Counter,
    rewrites: Counter,
    quarantined: Counter,
    sweeps: Sweeps,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("flowlog");
        let mut counter = |name: &str, help: &str| {
            let counter = Counter::default();
            registry.register(name, help, counter.clone());
            counter
        };
        let records = counter("records", "Records that the hub accepted");
        let messages = counter("messages", "Messages that the hub accepted");
        let read = counter("read_bytes", "Bytes read from flow-log blobs");
        let rewrites = counter("rewrites", "Blobs found rewritten and forwarded again from the start");
        let quarantined = counter("quarantined", "Stretches of bytes put into quarantine");
        let not_ours = counter("not_ours", "Events about blobs that the settings do not name");
        let runs = Family::default();
        registry.register("runs", "Runs over a blob by what came of them", runs.clone());
        let sweeps = Sweeps::new(&mut registry);
        let registry = Mutex::new(registry);
        Self { registry, runs, not_ours, records, messages, read, rewrites, quarantined, sweeps }
    }
}

impl Metrics {
    /// Shows the numbers of `link` too.
    pub fn show_hub_link(&self, link: &HubLink) {
        let mut registry = self.registry.lock().unwrap_or_else(PoisonError::into_inner);
        let failures = "Attempts to get a link to the event hub that failed";
        registry.register("hub_link_failures", failures, link.failures.clone());
        let connected = "Whether a link to the event hub is attached: 1, or 0";
        registry.register("hub_connected", connected, link.connected.clone());
    }

    /// Counts an event about a blob that the settings do not name.
    pub fn count_not_ours(&self) {
        self.not_ours.inc();
    }

    /// Counts a run and what it did, failed or not: what the hub accepted before a failure is not sent again.
    pub fn count_run(&self, done: &Forwarded, result: &Result<(), ForwardError>) {
        self.records.inc_by(done.records);
        self.messages.inc_by(done.messages);
        self.read.inc_by(done.bytes_read);
        self.rewrites.inc_by(u64::from(done.rewritten.is_some()));
        self.quarantined.inc_by(done.quarantined);
        if result.is_err() {
            return self.count(Outcome::Failed);
        }
        self.count(match done.completion {
            Completion::Complete if done.records + done.quarantined == 0 => Outcome::NothingNew,
            Completion::Complete => Outcome::Forwarded,
            Completion::LeftOver => Outcome::LeftOver,
            Completion::ClaimedElsewhere => Outcome::Elsewhere,
            Completion::Deleted => Outcome::Gone,
        });
    }

    /// Counts a sweep and shows what it found.
    pub fn count_sweep(&self, swept: &Swept) {
        let outcome = swept.outcome();
        self.sweeps.ended.get_or_create(&SweepLabels { outcome }).inc();
        self.sweeps.given_up.inc_by(swept.given_up);
        if outcome == sweep::Outcome::Failed && swept.saw_nothing() {
            return;
        }
        self.sweeps.behind.set(gauge_value(swept.still_behind()));
        self.sweeps.broken.set(gauge_value(swept.broken));
        if outcome != sweep::Outcome::Failed {
            self.sweeps.last.set(gauge_value(swept.at / 1_000));
        }
        if let Some(newest) = swept.newest {
            self.sweeps.newest_commit.set(gauge_value(newest / 1_000));
        }
    }

    fn count(&self, outcome: Outcome) {
        self.runs.get_or_create(&Labels { outcome }).inc();
    }

    /// The counters in `OpenMetrics` text form.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a String never fails.
        let _ = text::encode(&mut text, &self.registry.lock().unwrap_or_else(PoisonError::into_inner));
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_show_what_was_done() {
        let metrics = Metrics::default();
        let done =
            Forwarded { records: 7, messages: 2, bytes_read: 900, quarantined: 1, ..Forwarded::default() };
        metrics.count_run(&done, &Ok(()));
        metrics.count_run(&Forwarded { completion: Completion::Deleted, ..Forwarded::default() }, &Ok(()));
        let failed = Forwarded { records: 3, messages: 1, ..Forwarded::default() };
        metrics.count_run(&failed, &Err(ForwardError::Stopping { blob: "b".to_owned() }));
        metrics.count_not_ours();
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
