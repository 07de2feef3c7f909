//! The contract of a checkpoint table with the sweep: on the twin and on Azurite.

use crate::support::memory::MemoryTable;
use crate::support::rig::Rig;
use flowlog_forwarder::checkpoint::Checkpoint;
use flowlog_forwarder::flow_log::CheckpointKey;
use flowlog_forwarder::ports::checkpoints::{
    CheckpointTable, LARGEST_PAGE, RowVersion, Rows, StoreError, StoredRow,
};

fn key(partition: &str, row: &str) -> CheckpointKey {
    CheckpointKey { partition: partition.into(), row: row.into() }
}

/// All pages of a scan, `at_most` rows on each.
async fn all(table: &impl CheckpointTable, rows: &Rows, at_most: u32) -> Vec<StoredRow> {
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let page = table.scan(rows, after.as_ref(), at_most).await.unwrap();
        assert!(page.rows.len() <= at_most as usize);
        found.extend(page.rows);
        after = page.next;
        if after.is_none() {
            return found;
        }
    }
}

/// `suffix` ends the `PartitionKey`s of this test; no other test has days before 2001.
async fn a_table_scans_by_hour_and_day_and_deletes_rows(table: &impl CheckpointTable, suffix: &str) {
    let partition = |day: &str| format!("{day}-it's {suffix}");
    let (first, second) = (partition("20000101"), partition("20000102"));
    let hour = Rows::Of { partition: first.clone(), rows: CheckpointKey::rows_of_hour(9) };
    let day = Rows::Partitions("20000101".into().."20000102".into());
    let both = Rows::Partitions("0".into().."20000103".into());
    let (mut stored, sweep) = (Vec::new(), key(&format!("sweep-{suffix}"), "horizon"));
    assert_eq!(all(table, &hour, LARGEST_PAGE).await, [], "no rows, or no table");
    for key in [
        key(&first, "08-a-1"),
        key(&first, "09-a-1"),
        key(&first, "09-b-1"),
        key(&first, "09-c-1"),
        key(&first, "10-a-1"),
        key(&second, "09-a-1"),
        sweep.clone(),
    ] {
        let mut row = Checkpoint::new(format!("https://a/{key}"));
        row.progress.offset = 1 << 40;
        let version = table.swap(&key, &row, None).await.unwrap();
        stored.push(StoredRow { key, row, version });
    }
    for at_most in [LARGEST_PAGE, 2, 1] {
        assert_eq!(all(table, &hour, at_most).await, stored[1..4], "an hour, {at_most} a page");
        assert_eq!(all(table, &day, at_most).await, stored[..5], "a day, {at_most} a page");
        assert_eq!(all(table, &both, at_most).await, stored[..6], "days sort before letters");
    }
    assert_eq!(table.load(&sweep).await.unwrap().unwrap().0, stored[6].row);

    let StoredRow { key: old, version, .. } = &stored[0];
    let stale = RowVersion(stored[1].version.0.clone());
    let is_conflict = |result| matches!(result, Err(StoreError::Conflict { .. }));
    assert!(is_conflict(table.delete(old, &stale).await), "another version");
    assert!(table.load(old).await.unwrap().is_some());
    table.delete(old, version).await.unwrap();
    assert_eq!(table.load(old).await.unwrap(), None);
    assert!(is_conflict(table.delete(old, version).await), "deleted already");
    assert_eq!(all(table, &day, LARGEST_PAGE).await, stored[1..5]);
}

#[tokio::test]
async fn memory_scans_by_hour_and_day_and_deletes_rows() {
    let table = MemoryTable::default();
    a_table_scans_by_hour_and_day_and_deletes_rows(&table, "x").await;
}

#[tokio::test]
async fn the_azure_table_scans_by_hour_and_day_and_deletes_rows() {
    let rig = Rig::start().await;
    a_table_scans_by_hour_and_day_and_deletes_rows(&rig.table(), &rig.hub()).await;
}
