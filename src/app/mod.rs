//! Builds the process from its settings.

mod answer;
mod functions;
#[cfg(test)]
mod operator_texts;

pub use functions::FlowLogFunctions;

use crate::azure::event_hubs::{EventHub, HubAddress, HubCredential, HubOptions};
use crate::azure::storage::{
    AzureBlobs, AzureQuarantine, AzureTable, AzureWatermarkCopy, StorageSetupError, http_client,
};
use crate::azure::{AzurePorts, describe_error};
use crate::clock::Clock;
use crate::config::{Config, SWEEP_SCHEDULE};
use crate::flow_log::Sources;
use crate::forward::lease_store::LeaseStore;
use crate::forward::{Forwarder, ForwarderOptions};
use crate::host::SWEEP_FUNCTION;
use crate::random;
use crate::sweep::{Sweeper, SweeperOptions};
use std::sync::Arc;

/// The parts of the process that `main` uses.
pub struct App {
    /// Serves the host's invocations.
    pub functions: Arc<FlowLogFunctions<AzurePorts>>,
    /// Close it before the process exits.
    pub hub: Arc<EventHub>,
}

/// Builds everything that `config` describes. Opens no connection, so the process can answer its host at
/// once.
///
/// # Errors
/// When TLS or an identity can't be set up.
pub fn build(config: &Config) -> Result<App, StorageSetupError> {
    // Fails only when a provider is already installed.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let http = http_client()?;
    let source = Arc::new(AzureBlobs::new(&config.sources, &http)?);
    let clock = Clock::system();
    let table = AzureTable::new(&config.checkpoints, &http)?.with_clock(clock.clone());
    let quarantine = AzureQuarantine::new(&config.checkpoints, &http)?;
    let watermark_copy = AzureWatermarkCopy::new(&config.checkpoints, &http)?;
    let access = HubCredential::of(&config.hub.access).map_err(|error| StorageSetupError::Sdk {
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
            "{SWEEP_SCHEDULE} is not set: the Functions host can't run {SWEEP_FUNCTION}, so records whose events are lost \
             are not forwarded"
        );
    }
    let functions = FlowLogFunctions::new(sources, forwarder, sweeper, clock, config.retention);
    Ok(App { functions: Arc::new(functions), hub })
}

/// Must be unique per process: it names the owner of a claim.
fn worker_name() -> String {
    // If the random part is missing, the process id still distinguishes the processes of one instance.
    format!("{}-{}", random::id(), std::process::id())
}
