//! The keys of the checkpoint table, and the key ranges of hours and days.

use crate::hex;
use ring::digest::{Context, SHA256};
use std::fmt;
use std::ops::Range;
use time::Date;

/// The key of a row in the checkpoint table. Valid there whatever the blob's name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CheckpointKey {
    /// `{yyyy}{mm}{dd}-{16 hex digits of the flow log}`: date first, so that a range of keys is a range of
    /// days.
    pub partition: String,
    /// `{hh}-{MAC}-{16 hex digits of the blob}`.
    pub row: String,
}

impl CheckpointKey {
    /// The row keys of one hour of a day, `hour` from 0 to 23.
    #[must_use]
    pub fn rows_of_hour(hour: u8) -> Range<String> {
        // `.` follows `-` in ASCII.
        format!("{hour:02}-")..format!("{hour:02}.")
    }

    /// The `PartitionKey`s of all days before `date`.
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

/// The date in keys, `{yyyy}{mm}{dd}`.
pub(super) fn day(date: Date) -> String {
    let (year, month, day) = date.to_calendar_date();
    format!("{year:04}{:02}{day:02}", u8::from(month))
}

/// The first 16 hex digits of the SHA-256 of `parts`, each followed by a zero byte, which no part contains.
pub(super) fn hash(parts: &[&str]) -> String {
    let mut context = Context::new(&SHA256);
    for part in parts {
        context.update(part.as_bytes());
        context.update(&[0]);
    }
    hex::encode(&context.finish().as_ref()[..8])
}
