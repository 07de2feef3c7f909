//! The rows in the answer to a query.

use super::entity::{Entity, EntityError, UnreadableRow};
use crate::ports::checkpoints::{LARGEST_PAGE, StoredRow};
use serde::Deserialize;
use serde::de::{Deserializer, Error as _, SeqAccess, Visitor};
use std::fmt;

#[derive(Deserialize)]
struct Page {
    #[serde(deserialize_with = "bounded_rows")]
    value: Vec<Entity>,
}

/// Refuses more rows than a page can hold: in memory a row is much larger than `{}` in the answer.
fn bounded_rows<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Entity>, D::Error> {
    struct BoundedRows;

    impl<'de> Visitor<'de> for BoundedRows {
        type Value = Vec<Entity>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "up to {LARGEST_PAGE} rows")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Self::Value, A::Error> {
            let mut rows = Vec::new();
            while let Some(row) = sequence.next_element()? {
                if rows.len() == LARGEST_PAGE as usize {
                    return Err(A::Error::custom(format!("more than {LARGEST_PAGE} rows in one answer")));
                }
                rows.push(row);
            }
            Ok(rows)
        }
    }

    deserializer.deserialize_seq(BoundedRows)
}

/// The rows that `body` holds, each readable or with the reason why not.
pub(crate) fn read_rows(body: &[u8]) -> Result<Vec<Result<StoredRow, UnreadableRow>>, EntityError> {
    let page: Page = serde_json::from_slice(body)?;
    Ok(page.value.into_iter().map(Entity::into_stored_row).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::checkpoints::RowVersion;

    #[test]
    fn an_unreadable_row_does_not_hide_the_others() {
        let body = br#"{"odata.metadata":"m","value":[
            {"odata.etag":"W/\"1\"","PartitionKey":"p","RowKey":"a","Blob":"b","Offset":"7","Length":"9"},
            {"odata.etag":"W/\"2\"","PartitionKey":"p","RowKey":"b","Blob":"b","Offset":"x","Length":"9"},
            {"PartitionKey":"p","RowKey":"c","Blob":"b","Offset":"7","Length":"9"}]}"#;
        let rows = read_rows(body).unwrap();
        let good = rows[0].as_ref().unwrap();
        assert_eq!((good.key.to_string().as_str(), good.row.progress.offset), ("p/a", 7));
        assert_eq!(good.version, RowVersion("W/\"1\"".into()));
        let errors: Vec<_> = rows[1..]
            .iter()
            .map(|row| row.as_ref().unwrap_err())
            .map(|(key, error)| format!("{key}: {error}"))
            .collect();
        assert_eq!(errors, ["p/b: the row's Offset is not a whole number", "p/c: the row has no ETag"]);
    }
}
