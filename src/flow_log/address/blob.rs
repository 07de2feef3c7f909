//! One flow-log blob: its parts, its URL and its key in the checkpoint table.

use super::checkpoint_key::{CheckpointKey, day, hash};
use super::path::{NotFlowLog, Path};
use crate::flow_log::kind::LogKind;
use crate::hour::Hour;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use std::fmt;
use time::Date;
use url::Url;

/// Characters that are not percent-encoded: the unreserved ones, and the separators of blob names.
const PATH: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/').remove(b'=');

/// How much of the MAC address goes into the row key, bytes. A real one has 12 digits; the bound keeps the
/// key within Azure Table's 1 KiB, and the hash after it keeps keys unique.
const MAC_IN_KEY: usize = 32;

/// One `PT1H.json` in a configured account and container.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FlowLogBlob {
    account: Url,
    container: String,
    name: String,
    kind: &'static LogKind,
    flow_log: String,
    date: Date,
    hour: u8,
    mac: String,
}

impl FlowLogBlob {
    /// The blob `name` in `container` of `account`, as a listing names it. Check the URL of an event with
    /// [`Sources::locate`](super::Sources::locate) instead.
    ///
    /// # Errors
    /// [`NotFlowLog`], when the name is not that of a flow-log blob.
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

    /// The blob service's address, as configured.
    #[must_use]
    pub fn account(&self) -> &Url {
        &self.account
    }

    /// The container's name.
    #[must_use]
    pub fn container(&self) -> &str {
        &self.container
    }

    /// The blob's name, decoded, exactly as stored.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Which kind of resource the flow log watches.
    #[must_use]
    pub fn kind(&self) -> &'static LogKind {
        self.kind
    }

    /// The flow log's (or security group's) name: the text between the first key and the date.
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

    /// The blob's hour, counted from the Unix epoch.
    #[must_use]
    pub fn utc_hour(&self) -> Hour {
        Hour::at(self.hour_end().saturating_sub(1))
    }

    /// The end of the blob's hour, in milliseconds since the Unix epoch.
    #[must_use]
    pub fn hour_end(&self) -> u64 {
        let midnight = u64::try_from(self.date.midnight().assume_utc().unix_timestamp()).unwrap_or_default();
        (midnight + (u64::from(self.hour) + 1) * 3_600) * 1_000
    }

    /// The network interface's MAC address, upper case, without separators.
    #[must_use]
    pub fn mac(&self) -> &str {
        &self.mac
    }

    /// The blob's URL, percent-encoded, without a query.
    #[must_use]
    pub fn url(&self) -> String {
        format!("{}{}", self.account.origin().ascii_serialization(), self.path())
    }

    /// The key of the blob's row in the checkpoint table.
    ///
    /// The scheme is left out, so that an emulator has the same rows over http and https. So is the
    /// difference between the `dfs` and the `blob` address of an account.
    #[must_use]
    pub fn checkpoint_key(&self) -> CheckpointKey {
        let authority = self.account.authority();
        let flow_log = hash(&[authority, self.account.path(), &self.container, &self.flow_log]);
        let blob = hash(&[authority, &self.path()]);
        let mac = &self.mac[..self.mac.len().min(MAC_IN_KEY)];
        CheckpointKey {
            partition: format!("{}-{flow_log}", day(self.date)),
            row: format!("{:02}-{mac}-{blob}", self.hour),
        }
    }

    /// The first part of the ids of messages from this blob, after its `generation`-th rewrite:
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
