//! Counters and gauges of this process since its start, as `OpenMetrics` text for `GET /metrics`.
//!
//! This module only holds numbers: the module that produces a result counts it. Names end in `_total` when
//! they only grow. A label has a handful of values: never a blob, a NIC or an error text. A counter moves
//! when a result is final, so work that will be retried is not counted as lost.

use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Metric, Registry};
use std::sync::{Mutex, PoisonError};

/// All metrics of the process.
#[derive(Debug)]
pub struct Metrics {
    registry: Mutex<Registry>,
    /// Runs of the forwarder.
    pub runs: RunMetrics,
    /// Sweeps.
    pub sweeps: SweepMetrics,
    /// Events about blobs that the settings do not name.
    pub not_ours: Counter,
}

/// Totals of all runs.
#[derive(Clone, Debug)]
pub struct RunMetrics {
    outcomes: Family<OutcomeLabel, Counter>,
    /// Records that the hub accepted.
    pub records: Counter,
    /// Messages that the hub accepted.
    pub messages: Counter,
    /// Bytes read from flow-log blobs.
    pub read_bytes: Counter,
    /// Blobs found rewritten.
    pub rewrites: Counter,
    /// Byte ranges put into quarantine.
    pub quarantined: Counter,
}

/// Totals of all sweeps, and the findings of the last one.
#[derive(Clone, Debug)]
pub struct SweepMetrics {
    outcomes: Family<OutcomeLabel, Counter>,
    /// Hours that passed the retention period before a sweep completed them.
    pub hours_given_up: Counter,
    /// Blobs still behind their checkpoints after the last sweep.
    pub behind_blobs: UnsignedGauge,
    /// Blobs with data that can't be forwarded.
    pub broken_blobs: UnsignedGauge,
    /// Start of the last sweep that did not fail, Unix seconds.
    pub last_sweep: UnsignedGauge,
    /// Time of the newest commit seen, Unix seconds.
    pub newest_commit: UnsignedGauge,
}

/// The link to the event hub. Clones share the numbers.
#[derive(Clone, Debug, Default)]
pub struct HubLink {
    /// Failed attempts to attach a link.
    pub failures: Counter,
    /// 1 while a link is attached, otherwise 0.
    pub connected: Gauge,
}

/// A gauge set from unsigned numbers. Clones share the number.
#[derive(Clone, Debug, Default)]
pub struct UnsignedGauge(Gauge);

impl UnsignedGauge {
    /// Sets the gauge; `OpenMetrics` integers end at `i64::MAX`.
    pub fn set(&self, value: u64) {
        self.0.set(i64::try_from(value).unwrap_or(i64::MAX));
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabel {
    outcome: &'static str,
}

impl RunMetrics {
    fn register(registry: &mut Registry) -> Self {
        Self {
            records: registered(registry, "records", "Records accepted by the event hub"),
            messages: registered(registry, "messages", "Messages accepted by the event hub"),
            read_bytes: registered(registry, "read_bytes", "Bytes read from flow-log blobs"),
            rewrites: registered(registry, "rewrites", "Blobs found rewritten and forwarded again from 0"),
            quarantined: registered(registry, "quarantined", "Byte ranges put into quarantine"),
            outcomes: registered(registry, "runs", "Runs over a blob, by outcome"),
        }
    }

    /// Counts a run whose outcome has the label `outcome`.
    pub fn count(&self, outcome: &'static str) {
        self.outcomes.get_or_create(&OutcomeLabel { outcome }).inc();
    }
}

impl SweepMetrics {
    fn register(registry: &mut Registry) -> Self {
        let last_sweep = "Start of the last sweep that did not fail, Unix time";
        Self {
            outcomes: registered(registry, "sweeps", "Sweeps, by outcome"),
            hours_given_up: registered(
                registry,
                "hours_given_up",
                "Hours that passed the retention period before a sweep completed them",
            ),
            behind_blobs: gauge(
                registry,
                "behind_blobs",
                "Blobs still behind their checkpoints after the last sweep",
            ),
            broken_blobs: gauge(
                registry,
                "broken_blobs",
                "Blobs with data that can't be forwarded, as of the last sweep",
            ),
            last_sweep: gauge(registry, "last_sweep_timestamp_seconds", last_sweep),
            newest_commit: gauge(
                registry,
                "newest_commit_timestamp_seconds",
                "Time of the newest commit seen by a sweep, Unix time",
            ),
        }
    }

    /// Counts a sweep whose outcome has the label `outcome`.
    pub fn count(&self, outcome: &'static str) {
        self.outcomes.get_or_create(&OutcomeLabel { outcome }).inc();
    }
}

fn registered<M: Metric + Clone + Default>(registry: &mut Registry, name: &str, help: &str) -> M {
    let metric = M::default();
    registry.register(name, help, metric.clone());
    metric
}

fn gauge(registry: &mut Registry, name: &str, help: &str) -> UnsignedGauge {
    UnsignedGauge(registered(registry, name, help))
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("flowlog");
        Self {
            runs: RunMetrics::register(&mut registry),
            not_ours: registered(
                &mut registry,
                "not_ours",
                "Events about blobs that the settings do not name",
            ),
            sweeps: SweepMetrics::register(&mut registry),
            registry: Mutex::new(registry),
        }
    }
}

impl Metrics {
    /// Adds the numbers of `link`.
    pub fn show_hub_link(&self, link: &HubLink) {
        let mut registry = self.registry.lock().unwrap_or_else(PoisonError::into_inner);
        let failures = "Failed attempts to attach a link to the event hub";
        registry.register("hub_link_failures", failures, link.failures.clone());
        let connected = "1 while a link to the event hub is attached, otherwise 0";
        registry.register("hub_connected", connected, link.connected.clone());
    }

    /// All metrics in `OpenMetrics` text form.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a String never fails.
        let _ = text::encode(&mut text, &self.registry.lock().unwrap_or_else(PoisonError::into_inner));
        text
    }
}
