//! A checkpoint row as the Table service's JSON.
//!
//! 64-bit numbers travel as strings with a type annotation beside them, as `OData` wants it.

use crate::checkpoint::{BlobVersion, Bounds, Broken, Checkpoint, Claim, InFlightRange, Progress};
use crate::flow_log::CheckpointKey;
use crate::flow_log::fingerprint::Fingerprint;
use crate::ports::checkpoints::{RowVersion, StoredRow};
use serde::de::{Deserializer, Error as _, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};
use std::fmt;

const INT64: &str = "Edm.Int64";

/// The entity's properties. Those that are not set are left out: a replace removes them.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct Entity {
    partition_key: String,
    row_key: String,
    /// The version, where an answer holds several entities and no header can say it.
    #[serde(rename = "odata.etag", skip_serializing)]
    version: Option<String>,
    blob: String,
    offset: String,
    #[serde(rename = "Offset@odata.type", skip_deserializing)]
    offset_type: &'static str,
    length: String,
    #[serde(rename = "Length@odata.type", skip_deserializing)]
    length_type: &'static str,
    generation: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    guard: Option<String>,
    #[serde(rename = "BlobETag", skip_serializing_if = "Option::is_none")]
    etag: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    broken_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    quarantined_to: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    broken_since: Option<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    unfinished: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    partial: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    resume_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    skipped_bytes: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    in_doubt: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    in_doubt_max_body: Option<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    in_doubt_by_nic: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    in_doubt_layout: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    owner: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    claimed_until: Option<String>,
    #[serde(rename = "WantedETag", skip_serializing_if = "Option::is_none")]
    wanted_etag: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    wanted_length: Option<String>,
}

/// Why an entity could not be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum EntityError {
    /// Not the JSON of an entity.
    #[error("the row is not a checkpoint: {0}")]
    Json(#[from] serde_json::Error),
    /// A number that is none.
    #[error("the row's {property} is not a whole number")]
    Number {
        /// The property's name.
        property: &'static str,
    },
    /// No version, without which the row can't be changed safely.
    #[error("the row comes without its ETag")]
    NoVersion,
}

/// A row that can't be read, and why.
pub(super) type Unreadable = (CheckpointKey, EntityError);

/// The most rows that an answer holds. (REST reference, *Query timeout and pagination*.)
const MOST_ROWS: usize = 1_000;

#[derive(Deserialize)]
struct QueryAnswer {
    #[serde(deserialize_with = "rows")]
    value: Vec<Entity>,
}

/// Reads no more rows than an answer can hold: a row in memory is much larger than `{}` in the answer.
fn rows<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Entity>, D::Error> {
    struct Rows;

    impl<'de> Visitor<'de> for Rows {
        type Value = Vec<Entity>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "up to {MOST_ROWS} rows")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Self::Value, A::Error> {
            let mut rows = Vec::new();
            while let Some(row) = sequence.next_element()? {
                if rows.len() == MOST_ROWS {
                    return Err(A::Error::custom(format!("more than {MOST_ROWS} rows in one answer")));
                }
                rows.push(row);
            }
            Ok(rows)
        }
    }

    deserializer.deserialize_seq(Rows)
}

impl Entity {
    /// The request body that stores `row` under `key`.
    #[expect(
        clippy::disallowed_methods,
        reason = "a checkpoint row is ours to serialise; it holds no record bytes"
    )]
    pub(super) fn encode(key: &CheckpointKey, row: &Checkpoint) -> Result<Vec<u8>, EntityError> {
        let Progress { offset, fingerprint, etag, length, generation, broken, skipped_bytes } = &row.progress;
        let bounds = row.in_flight.and_then(|in_flight| in_flight.bounds);
        let entity = Self {
            partition_key: key.partition.clone(),
            row_key: key.row.clone(),
            version: None,
            blob: row.blob.clone(),
            offset: offset.to_string(),
            offset_type: INT64,
            length: length.to_string(),
            length_type: INT64,
            generation: *generation,
            guard: fingerprint.as_ref().map(|fingerprint| fingerprint.as_str().to_owned()),
            etag: etag.clone(),
            broken_at: broken.map(|broken| broken.at.to_string()),
            quarantined_to: broken.map(|broken| broken.quarantined_to.to_string()),
            broken_since: broken.map(|broken| broken.since.to_string()),
            unfinished: broken.is_some_and(|broken| broken.unfinished),
            partial: broken.is_some_and(|broken| broken.partial),
            resume_at: broken.and_then(|broken| broken.resume_at).map(|block| block.to_string()),
            skipped_bytes: (*skipped_bytes > 0).then(|| skipped_bytes.to_string()),
            in_doubt: row.in_flight.map(|in_flight| in_flight.until.to_string()),
            in_doubt_max_body: bounds.map(|bounds| bounds.max_body.to_string()),
            in_doubt_by_nic: bounds.is_some_and(|bounds| bounds.by_nic),
            in_doubt_layout: bounds.map(|bounds| bounds.layout),
            owner: row.claim.as_ref().map(|claim| claim.owner.clone()),
            claimed_until: row.claim.as_ref().map(|claim| claim.until.to_string()),
            wanted_etag: row.wanted.as_ref().map(|wanted| wanted.etag.clone()),
            wanted_length: row.wanted.as_ref().map(|wanted| wanted.length.to_string()),
        };
        Ok(serde_json::to_vec(&entity)?)
    }

    /// The row in an answer's body.
    pub(super) fn decode(body: &[u8]) -> Result<Checkpoint, EntityError> {
        serde_json::from_slice::<Self>(body)?.into_row()
    }

    /// The rows in the body of a query's answer; those that can't be read with the reason.
    pub(super) fn decode_all(body: &[u8]) -> Result<Vec<Result<StoredRow, Unreadable>>, EntityError> {
        let answer: QueryAnswer = serde_json::from_slice(body)?;
        let stored = |mut entity: Self| {
            let key = CheckpointKey {
                partition: std::mem::take(&mut entity.partition_key),
                row: std::mem::take(&mut entity.row_key),
            };
            let version = entity.version.take().ok_or(EntityError::NoVersion).map(RowVersion);
            match version.and_then(|version| Ok((entity.into_row()?, version))) {
                Ok((row, version)) => Ok(StoredRow { key, row, version }),
                Err(error) => Err((key, error)),
            }
        };
        Ok(answer.value.into_iter().map(stored).collect())
    }

    fn into_row(self) -> Result<Checkpoint, EntityError> {
        let entity = self;
        let claim = match (entity.owner, entity.claimed_until) {
            (Some(owner), Some(until)) => Some(Claim { owner, until: number("ClaimedUntil", &until)? }),
            _ => None,
        };
        let wanted = match (entity.wanted_etag, entity.wanted_length) {
            (Some(etag), Some(length)) => {
                Some(BlobVersion { etag, length: number("WantedLength", &length)? })
            }
            _ => None,
        };
        let broken = match (entity.broken_at, entity.quarantined_to) {
            (Some(at), Some(quarantined_to)) => Some(Broken {
                at: number("BrokenAt", &at)?,
                quarantined_to: number("QuarantinedTo", &quarantined_to)?,
                since: optional("BrokenSince", entity.broken_since.as_deref())?,
                unfinished: entity.unfinished,
                partial: entity.partial,
                resume_at: entity.resume_at.map(|block| number("ResumeAt", &block)).transpose()?,
            }),
            _ => None,
        };
        let progress = Progress {
            offset: number("Offset", &entity.offset)?,
            fingerprint: entity.guard.map(Fingerprint::from),
            etag: entity.etag,
            length: number("Length", &entity.length)?,
            generation: entity.generation,
            broken,
            skipped_bytes: optional("SetAside", entity.skipped_bytes.as_deref())?,
        };
        let bounds = match (entity.in_doubt_max_body, entity.in_doubt_layout) {
            (Some(max_body), Some(layout)) => Some(Bounds {
                max_body: number("InDoubtMaxBody", &max_body)?,
                by_nic: entity.in_doubt_by_nic,
                layout,
            }),
            // Written by a build that did not store them.
            _ => None,
        };
        let until = entity.in_doubt.map(|end| number("InDoubt", &end)).transpose()?;
        let in_flight = until.map(|until| InFlightRange { until, bounds });
        Ok(Checkpoint { blob: entity.blob, progress, in_flight, claim, wanted })
    }
}

/// A number that rows of earlier versions do not have.
fn optional(property: &'static str, text: Option<&str>) -> Result<u64, EntityError> {
    text.map_or(Ok(0), |text| number(property, text))
}

fn number(property: &'static str, text: &str) -> Result<u64, EntityError> {
    text.parse().map_err(|_| EntityError::Number { property })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_survives_the_journey_to_json_and_back() {
        let key = CheckpointKey { partition: "p".into(), row: "r".into() };
        let full = Checkpoint {
            blob: "https://a/b".into(),
            progress: Progress {
                offset: u64::from(u32::MAX) + 7,
                fingerprint: Some(Fingerprint::over(b"x")),
                etag: Some("0x8D".into()),
                length: 12,
                generation: 3,
                broken: Some(Broken {
                    at: 5,
                    quarantined_to: 9,
                    since: 1_700_000_000_000,
                    unfinished: true,
                    partial: true,
                    resume_at: Some(8),
                }),
                skipped_bytes: 17,
            },
            in_flight: Some(InFlightRange {
                until: 9,
                bounds: Some(Bounds { max_body: u64::from(u32::MAX) + 1, by_nic: true, layout: 2 }),
            }),
            claim: Some(Claim { owner: "me".into(), until: 1_800_000_000_000 }),
            wanted: Some(BlobVersion { etag: "0x8E".into(), length: 44 }),
        };
        for row in [full, Checkpoint::new("https://a/b".into())] {
            assert_eq!(Entity::decode(&Entity::encode(&key, &row).unwrap()).unwrap(), row);
        }
    }

    #[test]
    fn a_row_that_cant_be_read_does_not_hide_the_others() {
        let body = br#"{"odata.metadata":"m","value":[
            {"odata.etag":"W/\"1\"","PartitionKey":"p","RowKey":"a","Blob":"b","Offset":"7","Length":"9"},
            {"odata.etag":"W/\"2\"","PartitionKey":"p","RowKey":"b","Blob":"b","Offset":"x","Length":"9"},
            {"PartitionKey":"p","RowKey":"c","Blob":"b","Offset":"7","Length":"9"}]}"#;
        let rows = Entity::decode_all(body).unwrap();
        let good = rows[0].as_ref().unwrap();
        assert_eq!((good.key.to_string().as_str(), good.row.progress.offset), ("p/a", 7));
        assert_eq!(good.version, RowVersion("W/\"1\"".into()));
        let errors: Vec<_> = rows[1..]
            .iter()
            .map(|row| row.as_ref().unwrap_err())
            .map(|(key, error)| format!("{key}: {error}"))
            .collect();
        assert_eq!(
            errors,
            ["p/b: the row's Offset is not a whole number", "p/c: the row comes without its ETag"]
        );
    }

    #[test]
    fn a_row_without_the_newer_columns_is_read_as_it_was_meant() {
        let body = br#"{"odata.metadata":"m","PartitionKey":"p","RowKey":"r","Blob":"b","Offset":"7",
            "Offset@odata.type":"Edm.Int64","Length":"9","Length@odata.type":"Edm.Int64","Generation":2,
            "BrokenAt":"8","QuarantinedTo":"9","InDoubt":"30","Owner":"w","ClaimedUntil":"5"}"#;
        let row = Entity::decode(body).unwrap();
        let broken =
            Broken { at: 8, quarantined_to: 9, since: 0, unfinished: false, partial: false, resume_at: None };
        assert_eq!((row.progress.broken, row.progress.skipped_bytes), (Some(broken), 0));
        assert_eq!(row.in_flight, Some(InFlightRange { until: 30, bounds: None }));
    }

    #[test]
    fn a_row_with_a_broken_number_is_an_error_that_names_it() {
        let error = Entity::decode(br#"{"Blob":"b","Offset":"twelve","Length":"0"}"#).unwrap_err();
        assert_eq!(error.to_string(), "the row's Offset is not a whole number");
    }
}
