//! What opening a link needs.

use crate::azure::event_hubs::address::HubAddress;
use crate::azure::event_hubs::auth::{CbsToken, HubCredential};
use crate::azure::event_hubs::fault::Fault;
use crate::azure::event_hubs::options::HubOptions;

/// The hub, the credential and the options of every link that a producer opens.
pub(crate) struct LinkConfig {
    pub(crate) address: HubAddress,
    pub(crate) access: HubCredential,
    pub(crate) options: HubOptions,
}

impl LinkConfig {
    /// A token for the hub.
    pub(super) async fn token(&self) -> Result<CbsToken, Fault> {
        self.access.token(&self.address.audience(), self.options.signature_life).await
    }
}
