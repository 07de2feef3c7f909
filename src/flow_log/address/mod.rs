//! The address of a flow-log blob, and whether this forwarder may read it.
//!
//! Network Watcher writes one blob per hour, network interface and flow log
//! (learn.microsoft.com, *Virtual network flow logs*, and *Read flow logs*):
//!
//! ```text
//! flowLogResourceID=/{SUBSCRIPTION}_{GROUP}/{WATCHER}_{FLOW LOG}/y=2026/m=05/d=09/h=13/m=00/macAddress={MAC}/PT1H.json
//! resourceId=/SUBSCRIPTIONS/…/NETWORKSECURITYGROUPS/{NSG}/y=2026/m=05/d=09/h=13/m=00/macAddress={MAC}/PT1H.json
//! ```
//!
//! The first key is followed by `=/`; the first `m=` is the month and the second one the minute.

mod blob;
mod checkpoint_key;
mod container;
mod hour_check;
mod locate;
mod path;
#[cfg(test)]
mod tests;

pub use blob::FlowLogBlob;
pub use checkpoint_key::CheckpointKey;
pub use container::Container;
pub use hour_check::{HourOutOfRange, check_hour};
pub use locate::{LONGEST_URL, RejectedUrl, Sources};
pub use path::NotFlowLog;
