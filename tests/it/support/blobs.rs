//! Names of blobs and containers.

use flowlog_forwarder::clock::Clock;
use flowlog_forwarder::flow_log::{Container, FlowLogBlob};
use flowlog_forwarder::hour::Hour;
use std::sync::LazyLock;
use url::Url;

/// 2026-11-22T09Z, a Sunday.
pub const NINE: Hour = Hour::new(498_705);

/// The container of virtual network flow logs.
pub const CONTAINER: &str = "insights-logs-flowlogflowevent";
/// The last part of the name of a flow log.
pub const FLOW_LOG: &str = "VNET-RG-FLOWLOGS";

/// The container of virtual network flow logs in an account that exists only in memory.
pub fn container() -> Container {
    Container::new(Url::parse("https://memory.blob.core.windows.net/").unwrap(), CONTAINER.to_owned())
}

/// The blob of the NIC `mac` at nine o'clock, in the storage account at `account`.
pub fn blob_of(account: &Url, mac: &str) -> FlowLogBlob {
    blob_of_hour(account, NINE, mac)
}

/// The same in the hour in which the tests began: a real process does not forward old blobs.
pub fn fresh_blob_of(account: &Url, mac: &str) -> FlowLogBlob {
    static HOUR: LazyLock<Hour> = LazyLock::new(|| Hour::at(Clock::system().now()));
    blob_of_hour(account, *HOUR, mac)
}

fn blob_of_hour(account: &Url, hour: Hour, mac: &str) -> FlowLogBlob {
    FlowLogBlob::new(account, CONTAINER, &name(FLOW_LOG, hour, mac)).unwrap()
}

/// The blob of the `nic`-th NIC at nine o'clock, in the account that exists only in memory.
pub fn blob(nic: u32) -> FlowLogBlob {
    blob_of(container().account(), &format!("6045BD{nic:06X}"))
}

/// The blob of the `nic`-th NIC in `hour`, in the `flow_log`-th flow log of that account.
pub fn blob_in(flow_log: u32, hour: Hour, nic: u32) -> FlowLogBlob {
    container().blob(&name(&format!("VNET-{flow_log:03}"), hour, &format!("6045BD{nic:06X}"))).unwrap()
}

/// The name of a blob as Network Watcher writes it.
pub fn name(flow_log: &str, hour: Hour, mac: &str) -> String {
    let (year, month, day) = hour.date().to_calendar_date();
    let (month, hour) = (u8::from(month), hour.of_day());
    format!(
        "flowLogResourceID=/00000000-0000-0000-0000-000000000000_NETWORKWATCHERRG/\
         NETWORKWATCHER_WESTEUROPE_{flow_log}/\
         y={year}/m={month:02}/d={day:02}/h={hour:02}/m=00/macAddress={mac}/PT1H.json"
    )
}
