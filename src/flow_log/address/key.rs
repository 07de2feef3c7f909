//! The keys of the checkpoint table, and the ranges of keys that are hours and days.

use super::Container;
use ring::digest::{Context, SHA256};
use std::fmt::{self, Write as _};
use std::ops::Range;
use time::Date;

/// The key of a row in the checkpoint table, valid there whatever the blob's name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CheckpointKey {
    /// `{yyyy}{mm}{dd}-{16 hex digits of the flow log}`: the date first, so that a range of keys is a
    /// range of days.
    pub partition: String,
    /// `{hh}-{MAC}-{16 hex digits of the blob}`.
    pub row: String,
}

impl CheckpointKey {
    /// The key of the row that says how far `container` was swept. It begins with a letter, and so
    /// lies behind the rows of any day.
    #[must_use]
    pub fn of_sweep(container: &Container) -> Self {
        let account = container.account();
        let place = hash(&[account.authority(), account.path(), container.name()]);
        Self { partition: format!("sweep-{place}"), row: "horizon".to_owned() }
    }

    /// The row keys of the blobs of one hour of a day, `hour` from 0 to 23.
    #[must_use]
    pub fn rows_of_hour(hour: u8) -> Range<String> {
        // `.` follows `-` in ASCII.
        format!("{hour:02}-")..format!("{hour:02}.")
    }

    /// The `PartitionKey`s of all blobs of days before `date`.
    #[must_use]
    pub fn partitions_before(date: Date) -> Range<String> {
        "0".to_owned()..day(date)
    }
}

impl fmt::Display for CheckpointKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.partition, self.row)
    }
}

/// A day as keys begin with it.
pub(super) fn day(date: Date) -> String {
    let (year, month, day) = date.to_calendar_date();
    format!("{year:04}{:02}{day:02}", u8::from(month))
}

/// The first 16 hex digits of the SHA-256 over `parts`, each ended by a byte that none of them holds.
pub(super) fn hash(parts: &[&str]) -> String {
    let mut context = Context::new(&SHA256);
    for part in parts {
        context.update(part.as_bytes());
        context.update(&[0]);
    }
    context.finish().as_ref().iter().take(8).fold(String::with_capacity(16), |mut hex, byte| {
        // Writing to a String never fails.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}
