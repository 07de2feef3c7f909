//! Tells of links that are had and not had: in the log, once and then at most each minute, and as metrics.

use super::fault::Fault;
use crate::metrics::HubLink;
use std::time::Duration;
use tokio::time::Instant;

/// While no link can be had, the log has one line in this time.
const BETWEEN_LINES: Duration = Duration::from_mins(1);

/// What is known of the link.
#[derive(Debug)]
pub(super) struct Health {
    hub: String,
    metrics: HubLink,
    outage: Option<Outage>,
}

#[derive(Debug)]
struct Outage {
    since: Instant,
    told: Instant,
    failures: u64,
}

impl Health {
    pub(super) fn new(hub: String, metrics: HubLink) -> Self {
        metrics.connected.set(0);
        Self { hub, metrics, outage: None }
    }

    /// An attempt to get a link has failed.
    pub(super) fn failed(&mut self, fault: &Fault) {
        self.metrics.failures.inc();
        let (hub, reason, now) = (&self.hub, fault.reason(), Instant::now());
        match &mut self.outage {
            None => {
                self.outage = Some(Outage { since: now, told: now, failures: 1 });
                tracing::warn!(hub, "no link to the event hub at {reason}");
            }
            Some(outage) => {
                outage.failures += 1;
                if now - outage.told >= BETWEEN_LINES {
                    outage.told = now;
                    let (failures, seconds) = (outage.failures, (now - outage.since).as_secs());
                    tracing::warn!(
                        hub,
                        "still no link to the event hub, after {failures} attempts in {seconds} s; the last: {reason}"
                    );
                }
            }
        }
    }

    /// A link was attached, which takes transfers of up to `max_message_size` bytes.
    pub(super) fn attached(&mut self, max_message_size: usize) {
        self.metrics.connected.set(1);
        let hub = &self.hub;
        match self.outage.take() {
            None => tracing::info!(hub, max_message_size, "attached to the event hub"),
            Some(Outage { since, failures, .. }) => {
                let seconds = since.elapsed().as_secs();
                tracing::info!(
                    hub,
                    max_message_size,
                    "attached to the event hub again, after {failures} failed attempts in {seconds} s"
                );
            }
        }
    }

    /// The link has ended.
    pub(super) fn ended(&self) {
        self.metrics.connected.set(0);
    }
}

impl Drop for Health {
    fn drop(&mut self) {
        self.metrics.connected.set(0);
    }
}
