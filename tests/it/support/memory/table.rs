//! A checkpoint table in memory.

use flowlog_forwarder::checkpoint::Checkpoint;
use flowlog_forwarder::clock::Clock;
use flowlog_forwarder::flow_log::CheckpointKey;
use flowlog_forwarder::ports::checkpoints::{
    CheckpointStore, CheckpointTable, Continuation, RowPage, RowVersion, Rows, StoreError, StoredRow,
};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

#[derive(Clone, Debug, Default)]
pub struct MemoryTable {
    rows: Arc<Mutex<BTreeMap<CheckpointKey, (u64, Checkpoint)>>>,
    /// A version is never used again, not even after a row was deleted.
    versions: Arc<Mutex<u64>>,
    calls: Arc<Mutex<u64>>,
    clock: Option<(Arc<AtomicU64>, Clock)>,
}

impl MemoryTable {
    /// The same table, but each answer sets `clock` to `now`, as the `Date` of the real service does.
    pub fn setting_clock(&self, now: &Arc<AtomicU64>, clock: &Clock) -> Self {
        Self { clock: Some((Arc::clone(now), clock.clone())), ..self.clone() }
    }

    /// Deletes the table with all its rows.
    pub fn delete_all(&self) {
        self.rows.lock().unwrap().clear();
    }

    fn called(&self) {
        *self.calls.lock().unwrap() += 1;
        if let Some((now, clock)) = &self.clock {
            clock.observe(now.load(Ordering::Relaxed));
        }
    }

    pub fn row(&self, key: &CheckpointKey) -> Option<Checkpoint> {
        self.rows.lock().unwrap().get(key).map(|(_, row)| row.clone())
    }

    /// The keys of all rows, in order.
    pub fn keys(&self) -> Vec<CheckpointKey> {
        self.rows.lock().unwrap().keys().cloned().collect()
    }

    /// How many calls were made since the last call of this.
    pub fn take_calls(&self) -> u64 {
        std::mem::take(&mut self.calls.lock().unwrap())
    }
}

impl CheckpointStore for MemoryTable {
    async fn load(&self, key: &CheckpointKey) -> Result<Option<(Checkpoint, RowVersion)>, StoreError> {
        self.called();
        let rows = self.rows.lock().unwrap();
        Ok(rows.get(key).map(|(version, row)| (row.clone(), RowVersion(version.to_string()))))
    }

    async fn swap(
        &self,
        key: &CheckpointKey,
        row: &Checkpoint,
        expected: Option<&RowVersion>,
    ) -> Result<RowVersion, StoreError> {
        self.called();
        let mut rows = self.rows.lock().unwrap();
        let stored = rows.get(key).map(|(version, _)| version.to_string());
        if stored.as_deref() != expected.map(|version| version.0.as_str()) {
            return Err(StoreError::Conflict { key: key.clone() });
        }
        let mut versions = self.versions.lock().unwrap();
        *versions += 1;
        rows.insert(key.clone(), (*versions, row.clone()));
        Ok(RowVersion(versions.to_string()))
    }
}

impl CheckpointTable for MemoryTable {
    async fn scan(
        &self,
        wanted: &Rows,
        after: Option<&Continuation>,
        at_most: u32,
    ) -> Result<RowPage, StoreError> {
        tokio::task::yield_now().await;
        self.called();
        let rows = self.rows.lock().unwrap();
        let is_wanted = |key: &CheckpointKey| match wanted {
            Rows::Of { partition, rows } => key.partition == *partition && rows.contains(&key.row),
            Rows::Partitions(partitions) => partitions.contains(&key.partition),
        };
        let begin = |key: &CheckpointKey| {
            after.is_none_or(|after| {
                (key.partition.as_str(), Some(key.row.as_str()))
                    >= (after.partition.as_str(), after.row.as_deref())
            })
        };
        let mut found = rows.iter().filter(|(key, _)| is_wanted(key) && begin(key));
        let page = found.by_ref().take(usize::try_from(at_most).unwrap()).map(|(key, (version, row))| {
            StoredRow { key: key.clone(), row: row.clone(), version: RowVersion(version.to_string()) }
        });
        let page = page.collect();
        let next = found
            .next()
            .map(|(key, _)| Continuation { partition: key.partition.clone(), row: Some(key.row.clone()) });
        Ok(RowPage { rows: page, next })
    }

    async fn delete(&self, key: &CheckpointKey, expected: &RowVersion) -> Result<(), StoreError> {
        self.called();
        let mut rows = self.rows.lock().unwrap();
        if rows.get(key).is_none_or(|(version, _)| version.to_string() != expected.0) {
            return Err(StoreError::Conflict { key: key.clone() });
        }
        rows.remove(key);
        Ok(())
    }
}
