//! Puts the parts together as the settings say, and answers the server with the forwarder and the
//! sweeper.

mod answer;

use crate::azure::event_hubs::{EventHub, HubAccess, HubAddress, HubOptions};
use crate::azure::storage::{
    AzureBlobs, AzureQuarantine, AzureTable, AzureWatermarkCopy, StorageSetupError, http_client,
};
use crate::azure::{AzurePorts, describe_error};
use crate::checkpoint::BlobVersion;
use crate::clock::Clock;
use crate::config::{Config, SWEEP_SCHEDULE};
use crate::flow_log::{Sources, timely};
use crate::forward::lease_store::LeaseStore;
use crate::forward::{Forwarder, ForwarderOptions};
use crate::host::event::Commit;
use crate::host::{Functions, Handled, SWEEP_FUNCTION, SweepLine};
use crate::hour::{Hour, Retention};
use crate::ports::SweepPorts;
use crate::random;
use crate::sweep::{Outcome, Sweep, Sweeper, SweeperOptions};
use answer::{Circumstances, told};
use std::sync::Arc;
use std::time::Instant;

/// What the process is made of.
pub struct App {
    /// Answers the host.
    pub handler: Arc<Handler<AzurePorts>>,
    /// To be closed at the end.
    pub hub: Arc<EventHub>,
}

/// Builds everything that `config` describes. Nothing is sent before the first commit arrives, so
/// that the process answers its host at once.
///
/// # Errors
/// When TLS or an identity can't be set up.
pub fn build(config: &Config) -> Result<App, StorageSetupError> {
    // Fails only when a provider is installed already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let http = http_client()?;
    let source = Arc::new(AzureBlobs::new(&config.sources, &http)?);
    let clock = Clock::system();
    let table = AzureTable::new(&config.checkpoints, &http)?.with_clock(clock.clone());
    let quarantine = AzureQuarantine::new(&config.checkpoints, &http)?;
    let watermark_copy = AzureWatermarkCopy::new(&config.checkpoints, &http)?;
    let access = HubAccess::of(&config.hub.access).map_err(|error| StorageSetupError::Sdk {
        what: "setting up the managed identity for the event hub",
        reason: describe_error(&error),
    })?;
    let hub = Arc::new(EventHub::new(HubAddress::of(&config.hub), access, HubOptions::default()));
    let leases = LeaseStore::new(table.clone(), worker_name(), clock.clone());
    let options = ForwarderOptions {
        partition_key: config.partition_key,
        max_message_bytes: config.max_message_bytes,
        ..ForwarderOptions::default()
    };
    let forwarder =
        Forwarder::<AzurePorts>::new(Arc::clone(&source), leases, Arc::clone(&hub), quarantine, options);
    forwarder.metrics().show_hub_link(hub.link());
    let accounts = config.sources.iter().map(|account| account.blob_service.clone());
    let (forwarder, sources) = (Arc::new(forwarder), Sources::new(accounts, &config.containers));
    let sweeper = Sweeper::new(
        sources.containers(),
        source,
        table,
        watermark_copy,
        Arc::clone(&forwarder),
        clock.clone(),
        SweeperOptions { retention: config.retention, ..SweeperOptions::default() },
    );
    if !config.sweep_is_scheduled {
        tracing::warn!(
            "{SWEEP_SCHEDULE} is not set: the Functions host can't run {SWEEP_FUNCTION}, and what an event does not \
             bring is not forwarded"
        );
    }
    let handler = Handler::new(sources, forwarder, sweeper, clock, config.retention);
    Ok(App { handler: Arc::new(handler), hub })
}

/// A name that no other process has or had: two claims are told apart by it.
fn worker_name() -> String {
    // Without randomness the process id still tells this instance's processes apart.
    format!("{}-{}", random::hex(), std::process::id())
}

/// Forwards the commits of blobs that the settings name, and sweeps.
pub struct Handler<P: SweepPorts> {
    sources: Sources,
    forwarder: Arc<Forwarder<P>>,
    sweeper: Sweeper<P>,
    clock: Clock,
    retention: Retention,
}

impl<P: SweepPorts> Handler<P> {
    /// A handler of events about blobs of `sources`, whose rows are kept for `retention`; `clock` is the one
    /// that forwarder and sweeper go by.
    pub fn new(
        sources: Sources,
        forwarder: Arc<Forwarder<P>>,
        sweeper: Sweeper<P>,
        clock: Clock,
        retention: Retention,
    ) -> Self {
        Self { sources, forwarder, sweeper, clock, retention }
    }
}

impl<P: SweepPorts> Functions for Handler<P> {
    async fn handle(&self, commit: Commit) -> Handled {
        let arrived = Instant::now();
        let blob = match self.sources.locate(&commit.url) {
            Ok(blob) => blob,
            Err(reason) => {
                self.forwarder.metrics().count_not_ours();
                return Handled::Nothing(reason.to_string());
            }
        };
        if let Err(reason) = timely(&blob, self.clock.now(), self.retention) {
            return Handled::Refused(format!("{blob}: {reason}"));
        }
        let wanted =
            BlobVersion { etag: commit.etag.unwrap_or_default(), length: commit.length.unwrap_or_default() };
        match self.forwarder.forward(&blob, &wanted, arrived).await {
            Ok(done) => {
                let hour = Hour::at(blob.hour_end().saturating_sub(1));
                let settled = hour.is_settled(self.clock.now());
                told(&done, &blob.url(), Circumstances { settled, stopping: self.forwarder.is_stopping() })
            }
            Err(error) => Handled::Failed(error.to_string()),
        }
    }

    fn metrics(&self) -> String {
        self.forwarder.metrics().text()
    }

    fn stop(&self) {
        self.forwarder.stop();
    }

    async fn sweep(&self) -> Result<SweepLine, String> {
        match self.sweeper.sweep().await {
            Sweep::UnderWay => {
                Ok(SweepLine { text: "another sweep is under way".to_owned(), is_worrying: false })
            }
            Sweep::Done(swept) if swept.outcome() == Outcome::Failed => Err(swept.to_string()),
            Sweep::Done(swept) => Ok(SweepLine { text: swept.to_string(), is_worrying: swept.is_worrying() }),
        }
    }
}
