//! Sweeps while the hub or storage fails.

use super::{fail_sends, hour, sweep, world_at};
use crate::support::blobs::{NINE, blob_in};
use crate::support::faults::{Action, Call, When};
use crate::support::records::{own_records, records};
use flowlog_forwarder::sweep::SweepOutcome;

#[tokio::test]
async fn a_failing_hub_keeps_the_hour_open_until_it_is_back() {
    let (world, sweeper) = world_at(0).await;
    for nic in 0..3 {
        world.commit(&blob_in(1, NINE, nic), &own_records(nic, 1));
    }
    fail_sends(&world, 0..3);
    world.set_clock(hour(2), 0);
    let swept = sweep(&sweeper).await;
    assert_eq!((swept.behind, swept.failed, swept.caught_up), (3, 3, 0), "{swept}");
    assert!(swept.first_failure.as_ref().unwrap().contains("PT1H.json"), "{swept}");
    assert!(!swept.scanned_nothing());
    assert_eq!(world.watermark(), NINE);
    assert_eq!(sweep(&sweeper).await.records, 3);
    assert_eq!(world.watermark(), hour(1));
}

#[tokio::test]
async fn unreachable_storage_is_reported_and_moves_no_watermark() {
    let (world, sweeper) = world_at(0).await;
    world.commit(&blob_in(1, NINE, 1), &records(2));
    world.commit(&blob_in(2, NINE, 1), &own_records(2, 1));
    world.set_clock(hour(3), 0);
    world.faults.all_of(Call::List, "", Action::Fail(When::After));
    world.forget_calls();
    let swept = sweep(&sweeper).await;
    assert!(swept.scanned_nothing(), "{swept}");
    assert!(swept.to_string().contains("injected"), "{swept}");
    assert_eq!((swept.outcome(), world.watermark()), (SweepOutcome::Failed, hour(-1)));
    assert_eq!(world.blobs.take_lists(), 1 + 5, "the root, and five hours of the known flow log");

    world.faults.clear();
    let broken = blob_in(2, NINE, 1).name().split("/y=").next().unwrap().to_owned();
    world.faults.all_of(Call::List, &format!("{broken}/y="), Action::Fail(When::After));
    let swept = sweep(&sweeper).await;
    assert_eq!(
        (swept.scanned_nothing(), swept.records, swept.failed_scans),
        (false, 2, 5),
        "one flow log, five hours: {swept}"
    );
    assert_eq!(world.watermark(), hour(-1));
    world.faults.clear();
    assert_eq!(sweep(&sweeper).await.records, 1);
    assert_eq!(world.watermark(), hour(2));
}
