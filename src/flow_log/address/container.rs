//! A container to look into for flow logs.

use super::{FlowLogBlob, NotFlowLog};
use std::fmt;
use url::Url;

/// A container in one of the accounts that the settings name.
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

    /// The blob service's address, as the settings name it.
    #[must_use]
    pub fn account(&self) -> &Url {
        &self.account
    }

    /// The container's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The blob `name` in this container, as a listing finds it.
    ///
    /// # Errors
    /// [`NotFlowLog`], when the name is not that of an hour of flow logs.
    pub fn blob(&self, name: &str) -> Result<FlowLogBlob, NotFlowLog> {
        FlowLogBlob::new(&self.account, &self.name, name)
    }
}

/// Shows the URL.
impl fmt::Display for Container {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.account.as_str().trim_end_matches('/'), self.name)
    }
}
