//! Query strings of the Table service: keys, filters and continuations.

use crate::ports::checkpoints::{Continuation, Rows};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use std::ops::Range;

/// The query string for at most `at_most` of `rows`, from the continuation `after` on.
/// (REST reference, *Querying tables and entities*.)
pub(super) fn query(rows: &Rows, after: Option<&Continuation>, at_most: u32) -> String {
    let within = |key: &str, range: &Range<String>| {
        format!("{key} ge {} and {key} lt {}", literal(&range.start), literal(&range.end))
    };
    let filter = match rows {
        Rows::Of { partition, rows } => {
            format!("PartitionKey eq {} and {}", literal(partition), within("RowKey", rows))
        }
        Rows::Partitions(range) => within("PartitionKey", range),
    };
    // Encodes everything: a space must be %20, and a continuation may hold any character.
    let encoded = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let mut query = format!("$filter={}&$top={at_most}", encoded(&filter));
    if let Some(Continuation { partition, row }) = after {
        query = format!("{query}&NextPartitionKey={}", encoded(partition));
        if let Some(row) = row {
            query = format!("{query}&NextRowKey={}", encoded(row));
        }
    }
    query
}

/// `text` as a string literal of a key or a filter.
pub(super) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_literals_and_the_query_is_encoded() {
        let of = Rows::Of { partition: "it's".into(), rows: "09-".into().."09.".into() };
        let decoded =
            |query: &str| percent_encoding::percent_decode_str(query).decode_utf8().unwrap().into_owned();
        let first = query(&of, None, 1000);
        assert!(!first.contains([' ', '+', '\'']), "{first}");
        assert_eq!(
            decoded(&first),
            "$filter=PartitionKey eq 'it''s' and RowKey ge '09-' and RowKey lt '09.'&$top=1000"
        );
        let days = Rows::Partitions("0".into().."20261115".into());
        let after = Continuation { partition: "1!8!a=".into(), row: Some("1!4!b".into()) };
        assert_eq!(
            query(&days, Some(&after), 7).split_once("&$top").unwrap().1,
            "=7&NextPartitionKey=1%218%21a%3D&NextRowKey=1%214%21b"
        );
    }
}
