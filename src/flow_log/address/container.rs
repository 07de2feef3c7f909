//! A container that holds flow logs.

use super::blob::FlowLogBlob;
use super::checkpoint_key::{CheckpointKey, hash};
use super::path::NotFlowLog;
use std::fmt;
use url::Url;

/// A configured container in a configured account.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Container {
    account: Url,
    name: String,
}

impl Container {
    /// The container `name` of `account`.
    #[must_use]
    pub fn new(account: Url, name: String) -> Self {
        Self { account, name }
    }

    /// The blob service's address, as configured.
    #[must_use]
    pub fn account(&self) -> &Url {
        &self.account
    }

    /// The container's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The blob `name` in this container, as a listing names it.
    ///
    /// # Errors
    /// [`NotFlowLog`], when the name is not that of a flow-log blob.
    pub fn blob(&self, name: &str) -> Result<FlowLogBlob, NotFlowLog> {
        FlowLogBlob::new(&self.account, &self.name, name)
    }

    /// The key of the row that holds the sweep's watermark for this container. Its partition begins with a
    /// letter, so it sorts after the rows of all days.
    #[must_use]
    pub fn sweep_key(&self) -> CheckpointKey {
        let container = hash(&[self.account.authority(), self.account.path(), &self.name]);
        CheckpointKey { partition: format!("sweep-{container}"), row: "horizon".to_owned() }
    }
}

/// Shows the URL.
impl fmt::Display for Container {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.account.as_str().trim_end_matches('/'), self.name)
    }
}
