//! What is remembered about the sweep of a container: numbers in rows of the checkpoint table, one each, so
//! that a version that knows fewer of them leaves the others alone.

use crate::checkpoint::{Checkpoint, Progress};
use crate::flow_log::{CheckpointKey, Container};
use crate::hour::Hour;
use crate::ports::checkpoints::{CheckpointTable, LARGEST_PAGE, RowVersion, Rows, StoreError};

/// What a row says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The watermark: the hour before which everything is known to be forwarded.
    Watermark,
    /// The hour with which the first sweep began, or later the first one whose rows are kept. Earlier ones are
    /// never looked at.
    Beginning,
    /// How far the looks at closed hours have got: milliseconds since the Unix epoch.
    LookedAgain,
    /// When a sweep first found the watermark to be older than the retention: milliseconds since the Unix
    /// epoch.
    Overdue,
}

impl Kind {
    const ALL: [Self; 4] = [Self::Watermark, Self::Beginning, Self::LookedAgain, Self::Overdue];

    fn row(self) -> &'static str {
        match self {
            Self::Watermark => "horizon",
            Self::Beginning => "beginning",
            Self::LookedAgain => "looked-again",
            Self::Overdue => "overdue",
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
            Self::Beginning => format!("{container}: nothing before {hour} is ever looked at"),
            Self::LookedAgain => format!("{container}: closed hours due by {value} ms were looked at again"),
            Self::Overdue => format!("{container}: at {value} ms the watermark was older than the retention"),
        };
        let progress = Progress { offset: value, ..Progress::default() };
        Checkpoint { progress, ..Checkpoint::new(text) }
    }
}

/// The rows of one container, as last seen in the table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Marks {
    stored: Vec<(Kind, u64, RowVersion)>,
}

impl Marks {
    /// The rows of `container`.
    ///
    /// # Errors
    /// When the table can't answer.
    pub(super) async fn load(
        table: &impl CheckpointTable,
        container: &Container,
    ) -> Result<Self, StoreError> {
        let partition = container.sweep_key().partition;
        let rows = Rows::Of { partition, rows: "a".to_owned().."z".to_owned() };
        let (mut marks, mut after) = (Self::default(), None);
        loop {
            let page = table.scan(&rows, after.as_ref(), LARGEST_PAGE).await?;
            for stored in page.rows {
                if let Some(kind) = Kind::ALL.into_iter().find(|kind| kind.row() == stored.key.row) {
                    marks.stored.push((kind, stored.row.progress.offset, stored.version));
                }
            }
            after = page.next;
            if after.is_none() {
                return Ok(marks);
            }
        }
    }

    /// The number that the row of this kind holds; none when there is no such row.
    pub(super) fn get(&self, kind: Kind) -> Option<u64> {
        self.stored.iter().find(|(stored, ..)| *stored == kind).map(|(_, value, _)| *value)
    }

    /// The same as an hour.
    pub(super) fn hour(&self, kind: Kind) -> Option<Hour> {
        self.get(kind).map(Hour::new)
    }

    /// Writes `value` unless another process has written the row since it was loaded; whether it did.
    ///
    /// # Errors
    /// When the table can't answer.
    pub(super) async fn store(
        &mut self,
        table: &impl CheckpointTable,
        container: &Container,
        kind: Kind,
        value: u64,
    ) -> Result<bool, StoreError> {
        let place = self.stored.iter().position(|(stored, ..)| *stored == kind);
        let expected = place.map(|place| &self.stored[place].2);
        let row = kind.encode(container, value);
        let version = match table.swap(&kind.key(container), &row, expected).await {
            Err(StoreError::Conflict { .. }) => return Ok(false),
            answer => answer?,
        };
        if let Some(place) = place {
            self.stored.remove(place);
        }
        self.stored.push((kind, value, version));
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use url::Url;

    #[test]
    fn the_rows_say_what_they_mean() {
        let account = Url::parse("http://127.0.0.1:10000/account").unwrap();
        let container = Container::new(account, "logs".into());
        let row = Kind::Watermark.encode(&container, 498_705);
        assert_eq!(row.blob, "http://127.0.0.1:10000/account/logs: all before 2026-11-22T09Z is forwarded");
        assert_eq!(row.progress.offset, 498_705);
        assert_eq!(Kind::Watermark.key(&container), container.sweep_key(), "as it always was");
    }
}
