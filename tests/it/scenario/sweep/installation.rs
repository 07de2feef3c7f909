//! What the first sweeps find.

use super::{fail_sends, hour, received, sorted, sweep};
use crate::support::blobs::{NINE, blob_in, container};
use crate::support::records::{own_records, records};
use crate::support::world::World;
use flowlog_forwarder::flow_log::Container;
use flowlog_forwarder::sweep::SweeperOptions;
use std::sync::Arc;
use url::Url;

#[tokio::test]
async fn a_fresh_installation_begins_with_the_hour_before_it() {
    let (world, mut expected) = (World::default(), Vec::new());
    for after in [-2000, -25, -2, -1, 0] {
        let records = own_records(u32::try_from(3000 + after).unwrap(), 2);
        world.commit(&blob_in(1, hour(after), 1), &records);
        if after >= -1 {
            expected.extend(records);
        }
    }
    world.set_clock(NINE, 1);
    let sweeper = world.sweeper_named("a");
    assert_eq!(sweep(&sweeper).await.hours, Some((hour(-1), NINE)));
    assert_eq!(received(&world), sorted(expected));
}

#[tokio::test]
async fn a_fresh_installation_that_fails_at_first_keeps_its_beginning() {
    let (world, blob) = (World::default(), blob_in(1, hour(-1), 1));
    world.commit(&blob, &records(3));
    world.set_clock(NINE, 1);
    let sweeper = world.sweeper_named("a");
    fail_sends(&world, [0]);
    assert_eq!(sweep(&sweeper).await.failed, 1);
    world.set_clock(hour(5), 0);
    let swept = sweep(&sweeper).await;
    assert_eq!((swept.hours, swept.records), (Some((hour(-1), hour(5))), 3));
    assert_eq!(world.received(), records(3));
}

#[tokio::test]
async fn a_missing_container_is_reported_and_does_not_stop_the_others() {
    let world = World::default();
    let nowhere = Container::new(Url::parse("https://other.blob.core.windows.net/").unwrap(), "logs".into());
    world.set_clock(NINE, 0);
    world.commit(&blob_in(1, NINE, 1), &records(2));
    let containers = vec![nowhere.clone(), container()];
    let sweeper = world.sweeper_of(containers, &Arc::new(world.process("a")), SweeperOptions::default());
    let swept = sweep(&sweeper).await;
    assert_eq!((swept.missing.as_slice(), swept.records), (&[nowhere.to_string()][..], 2));
    assert!(!swept.scanned_nothing());
    assert_eq!(world.table.row(&nowhere.sweep_key()), None, "it begins when it is there");
}

#[tokio::test]
async fn both_layouts_are_found_in_either_case_among_other_names() {
    let world = World::default();
    world.set_clock(NINE, 0);
    let day = "y=2026/m=11/d=22/h=09/m=00/macAddress=A1/PT1H.json";
    let names = [
        format!("flowLogResourceID=/SUB_NETWORKWATCHERRG/NETWORKWATCHER_X_Y/{day}"),
        format!(
            "flowLogResourceID=/OTHER_NETWORKWATCHERRG/NETWORKWATCHER_X_Y/{}",
            day.replace("m=", "M=").replace("y=", "Y=").replace("d=", "D=").replace("h=", "H=")
        ),
        format!(
            "resourceId=/SUBSCRIPTIONS/S/RESOURCEGROUPS/R/PROVIDERS/MICROSOFT.NETWORK/NETWORKSECURITYGROUPS/N/{day}"
        ),
    ];
    let mut all = Vec::new();
    for (name, seed) in names.iter().zip(1..) {
        let records = own_records(seed, 2);
        world.commit(&container().blob(name).unwrap(), &records);
        all.extend(records);
    }
    let beside = "flowLogResourceID=/SUB_NETWORKWATCHERRG/NETWORKWATCHER_X_Y/y=2026/m=11/d=22/h=09/notes.txt";
    for name in ["notes.txt", "backup/y=2026/m=11/d=22/h=09/m=00/macAddress=A1/PT1H.json", "y=2026/x", beside]
    {
        world.blobs.put(&container(), name);
    }
    let swept = sweep(&world.sweeper_named("a")).await;
    assert_eq!((swept.flow_logs, swept.listed, swept.failed_scans), (3, 3, 0), "{swept}");
    assert_eq!(received(&world), sorted(all));
}
