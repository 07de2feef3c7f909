//! The sweep's stored state of a container. Each number has a row of its own in the checkpoint table, so
//! that a version that knows fewer of them leaves the others alone.

use super::pages::RowPages;
use crate::checkpoint::{Checkpoint, Progress};
use crate::flow_log::{CheckpointKey, Container};
use crate::hour::Hour;
use crate::ports::checkpoints::{CheckpointTable, LARGEST_PAGE, RowVersion, Rows, StoreError};

/// What a number means. Times are milliseconds since the Unix epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StateKey {
    /// The hour before which everything is known to be forwarded.
    Watermark,
    /// The first hour that may be rescanned: the one at which the first sweep started, later the first whose
    /// rows are kept.
    FirstHour,
    /// The time up to which closed hours that came due were rescanned.
    RescannedUntil,
    /// When a sweep first found the watermark older than the retention.
    ExpiredSince,
}

impl StateKey {
    const ALL: [Self; 4] = [Self::Watermark, Self::FirstHour, Self::RescannedUntil, Self::ExpiredSince];

    /// The name in the table. Stored: never change it.
    fn row(self) -> &'static str {
        match self {
            Self::Watermark => "horizon",
            Self::FirstHour => "beginning",
            Self::RescannedUntil => "looked-again",
            Self::ExpiredSince => "overdue",
        }
    }

    fn key(self, container: &Container) -> CheckpointKey {
        CheckpointKey { row: self.row().to_owned(), ..container.sweep_key() }
    }

    /// The row: the number in place of a byte offset, and in words for people who read the table.
    fn encode(self, container: &Container, value: u64) -> Checkpoint {
        let hour = Hour::new(value);
        let text = match self {
            Self::Watermark => format!("{container}: all before {hour} is forwarded"),
            Self::FirstHour => format!("{container}: nothing before {hour} is rescanned"),
            Self::RescannedUntil => format!("{container}: closed hours due by {value} ms were rescanned"),
            Self::ExpiredSince => {
                format!("{container}: at {value} ms the watermark was older than the retention")
            }
        };
        let progress = Progress { offset: value, ..Progress::default() };
        Checkpoint { progress, ..Checkpoint::new(text) }
    }
}

/// The state of one container, as last read from the table or written to it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct SweepState {
    rows: Vec<(StateKey, u64, RowVersion)>,
}

impl SweepState {
    /// Reads the state of `container`.
    pub(super) async fn load(
        table: &impl CheckpointTable,
        container: &Container,
    ) -> Result<Self, StoreError> {
        let partition = container.sweep_key().partition;
        let rows = Rows::Of { partition, rows: "a".to_owned().."z".to_owned() };
        let mut state = Self::default();
        let mut pages = RowPages::new(table, rows);
        while let Some(rows) = pages.next(LARGEST_PAGE).await? {
            for stored in rows {
                if let Some(key) = StateKey::ALL.into_iter().find(|key| key.row() == stored.key.row) {
                    state.rows.push((key, stored.row.progress.offset, stored.version));
                }
            }
        }
        Ok(state)
    }

    /// The number of this `key`; none when no row is stored.
    pub(super) fn get(&self, key: StateKey) -> Option<u64> {
        self.rows.iter().find(|(stored, ..)| *stored == key).map(|(_, value, _)| *value)
    }

    pub(super) fn hour(&self, key: StateKey) -> Option<Hour> {
        self.get(key).map(Hour::new)
    }

    /// Writes `value`, unless another process wrote the row after this one read it. Returns whether it was
    /// written.
    pub(super) async fn store(
        &mut self,
        table: &impl CheckpointTable,
        container: &Container,
        key: StateKey,
        value: u64,
    ) -> Result<bool, StoreError> {
        let index = self.rows.iter().position(|(stored, ..)| *stored == key);
        let expected = index.map(|index| &self.rows[index].2);
        let row = key.encode(container, value);
        let version = match table.swap(&key.key(container), &row, expected).await {
            Err(StoreError::Conflict { .. }) => return Ok(false),
            answer => answer?,
        };
        if let Some(index) = index {
            self.rows.remove(index);
        }
        self.rows.push((key, value, version));
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use url::Url;

    #[test]
    fn a_row_describes_its_number() {
        let account = Url::parse("http://127.0.0.1:10000/account").unwrap();
        let container = Container::new(account, "logs".into());
        let row = StateKey::Watermark.encode(&container, 498_705);
        assert_eq!(row.blob, "http://127.0.0.1:10000/account/logs: all before 2026-11-22T09Z is forwarded");
        assert_eq!(row.progress.offset, 498_705);
        assert_eq!(StateKey::Watermark.key(&container), container.sweep_key(), "a stored name");
    }
}
