//! The address of one hour of flow logs: which blob it is, and whether it is ours to read.
//!
//! Network Watcher writes one blob per hour, network interface and flow log
//! (learn.microsoft.com, *Virtual network flow logs*, and *Read flow logs*):
//!
//! ```text
//! flowLogResourceID=/{SUBSCRIPTION}_{GROUP}/{WATCHER}_{FLOW LOG}/y=2026/m=05/d=09/h=13/m=00/macAddress={MAC}/PT1H.json
//! resourceId=/SUBSCRIPTIONS/…/NETWORKSECURITYGROUPS/{NSG}/y=2026/m=05/d=09/h=13/m=00/macAddress={MAC}/PT1H.json
//! ```
//!
//! A `=/` stands after the first key, and `m=` stands for the month first and for the minute later.

mod age;
mod container;
mod key;
mod locate;
mod path;

pub use age::{Untimely, timely};
pub use container::Container;
pub use key::CheckpointKey;
pub use locate::{LONGEST_URL, NotOurs, Sources};
pub use path::NotFlowLog;

use super::Kind;
use key::hash;
use path::Path;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use std::fmt;
use time::Date;
use url::Url;

/// What stays readable in a URL: the unreserved characters, and the two that hold a blob's name together.
const PATH: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/').remove(b'=');

/// Azure Table keys may hold 1 KiB; a network interface's address has 12 digits. What is longer is cut,
/// the hash beside it still tells blobs apart.
const MAC_IN_KEY: usize = 32;

/// One `PT1H.json` in one of the accounts and containers that the settings name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FlowLogBlob {
    account: Url,
    container: String,
    name: String,
    kind: Kind,
    flow_log: String,
    date: Date,
    hour: u8,
    mac: String,
}

impl FlowLogBlob {
    /// The blob `name` in `container` of `account`, as a listing finds it. A URL from outside goes
    /// through [`Sources::locate`] instead.
    ///
    /// # Errors
    /// [`NotFlowLog`], when the name is not that of an hour of flow logs.
    pub fn new(account: &Url, container: &str, name: &str) -> Result<Self, NotFlowLog> {
        let Path { kind, flow_log, date, hour, mac } = Path::parse(name)?;
        Ok(Self {
            account: account.clone(),
            container: container.to_owned(),
            name: name.to_owned(),
            kind,
            flow_log,
            date,
            hour,
            mac,
        })
    }

    /// The blob service's address, as the settings name it.
    #[must_use]
    pub fn account(&self) -> &Url {
        &self.account
    }

    /// The container's name.
    #[must_use]
    pub fn container(&self) -> &str {
        &self.container
    }

    /// The blob's name, decoded, exactly as it is stored.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Which kind of resource is watched.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// What names the flow log (or the security group): the text between the first key and the date.
    #[must_use]
    pub fn flow_log(&self) -> &str {
        &self.flow_log
    }

    /// The day of the hour, UTC.
    #[must_use]
    pub fn date(&self) -> Date {
        self.date
    }

    /// The hour, UTC, 0 to 23.
    #[must_use]
    pub fn hour(&self) -> u8 {
        self.hour
    }

    /// When the blob's hour ends, in milliseconds since the Unix epoch.
    #[must_use]
    pub fn hour_end(&self) -> u64 {
        let midnight = u64::try_from(self.date.midnight().assume_utc().unix_timestamp()).unwrap_or_default();
        (midnight + (u64::from(self.hour) + 1) * 3_600) * 1_000
    }

    /// The network interface's address, upper case, without separators.
    #[must_use]
    pub fn mac(&self) -> &str {
        &self.mac
    }

    /// The blob's URL, percent-encoded, without any query.
    #[must_use]
    pub fn url(&self) -> String {
        format!("{}{}", self.account.origin().ascii_serialization(), self.path())
    }

    /// The key of the blob's row in the checkpoint table.
    ///
    /// The scheme has no part in it: an account reached over https today and http tomorrow (an emulator)
    /// has the same rows. Nor has the `dfs` address of a hierarchical account, which is mapped to `blob`.
    #[must_use]
    pub fn checkpoint_key(&self) -> CheckpointKey {
        let authority = self.account.authority();
        let flow_log = hash(&[authority, self.account.path(), &self.container, &self.flow_log]);
        let blob = hash(&[authority, &self.path()]);
        let mac = &self.mac[..self.mac.len().min(MAC_IN_KEY)];
        CheckpointKey {
            partition: format!("{}-{flow_log}", key::day(self.date)),
            row: format!("{:02}-{mac}-{blob}", self.hour),
        }
    }

    /// The first part of the ids of messages made of this blob's bytes in its `generation`-th rewrite:
    /// `{16 hex digits of the blob}-{generation}`.
    #[must_use]
    pub fn id_prefix(&self, generation: u32) -> String {
        format!("{}-{generation}", hash(&[self.account.authority(), &self.path()]))
    }

    fn path(&self) -> String {
        let account = self.account.path().trim_end_matches('/');
        format!("{account}/{}/{}", self.container, utf8_percent_encode(&self.name, PATH))
    }
}

/// Shows the URL.
impl fmt::Display for FlowLogBlob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.url())
    }
}

#[cfg(test)]
mod tests;
