//! Blobs and contents that the scenarios share.

use flowlog_forwarder::clock::Clock;
use flowlog_forwarder::flow_log::{Container, FlowLogBlob};
use flowlog_forwarder::hour::Hour;
use std::sync::LazyLock;
use url::Url;

/// The container of virtual network flow logs.
pub const CONTAINER: &str = "insights-logs-flowlogflowevent";

/// The container of virtual network flow logs in the account that exists only in memory.
pub fn container() -> Container {
    Container::new(Url::parse("https://memory.blob.core.windows.net/").unwrap(), CONTAINER.to_owned())
}

/// The blob of the NIC `mac` in the storage account at `account`.
pub fn blob_of(account: &Url, mac: &str) -> FlowLogBlob {
    let name = format!(
        "flowLogResourceID=/00000000-0000-0000-0000-000000000000_NETWORKWATCHERRG/\
         NETWORKWATCHER_WESTEUROPE_VNET-RG-FLOWLOGS/y=2026/m=11/d=22/h=09/m=00/macAddress={mac}/PT1H.json"
    );
    FlowLogBlob::new(account, CONTAINER, &name).unwrap()
}

/// The blob of the NIC `mac` in the storage account at `account`, of the hour in which the tests began: a real
/// process forwards none that is old.
pub fn fresh_blob_of(account: &Url, mac: &str) -> FlowLogBlob {
    static HOUR: LazyLock<Hour> = LazyLock::new(|| Hour::at(Clock::system().now()));
    let name = name_in("VNET-RG-FLOWLOGS", *HOUR, mac);
    FlowLogBlob::new(account, CONTAINER, &name).unwrap()
}

/// The blob of the `nic`-th NIC of an account that exists only in memory.
pub fn blob(nic: u32) -> FlowLogBlob {
    blob_of(container().account(), &format!("6045BD{nic:06X}"))
}

/// The blob of the `nic`-th NIC in that account, of the `flow_log`-th flow log and of `hour`.
pub fn blob_in(flow_log: u32, hour: Hour, nic: u32) -> FlowLogBlob {
    container().blob(&name_in(&format!("VNET-{flow_log:03}"), hour, &format!("6045BD{nic:06X}"))).unwrap()
}

/// A blob's name.
fn name_in(flow_log: &str, hour: Hour, mac: &str) -> String {
    let (year, month, day) = hour.date().to_calendar_date();
    let (month, hour) = (u8::from(month), hour.of_day());
    format!(
        "flowLogResourceID=/00000000-0000-0000-0000-000000000000_NETWORKWATCHERRG/\
         NETWORKWATCHER_WESTEUROPE_{flow_log}/\
         y={year}/m={month:02}/d={day:02}/h={hour:02}/m=00/macAddress={mac}/PT1H.json"
    )
}

/// A record with `tuples` tuples, in the shape of flow log version 4.
pub fn record(number: u32, tuples: u32) -> String {
    let tuples: Vec<String> = (0..tuples)
        .map(|tuple| {
            format!("\"16631460{number:05},10.0.0.6,192.0.2.{},{tuple},443,6,O,B,NX,,,,\"", number % 250)
        })
        .collect();
    format!(
        "{{\"time\":\"2026-11-22T09:{:02}:52.5625085Z\",\"flowLogVersion\":4,\"flowLogGUID\":\"g-{number}\",\
         \"macAddress\":\"6045BD000001\",\"category\":\"FlowLogFlowEvent\",\"flowRecords\":{{\"flows\":[{{\
         \"aclID\":\"a\",\"flowGroups\":[{{\"rule\":\"r\",\"flowTuples\":[{}]}}]}}]}}}}",
        number % 60,
        tuples.join(",")
    )
}

/// A whole blob of these records, as Network Watcher lays it out.
pub fn content(records: &[String]) -> String {
    format!("{{\"records\":[{}]}}", records.join(","))
}
