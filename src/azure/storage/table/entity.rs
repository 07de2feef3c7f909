//! A checkpoint row as JSON of the Table service.
//!
//! `OData` writes 64-bit numbers as strings, with a type annotation in a property of its own.

use crate::checkpoint::{BlobVersion, Bounds, Broken, Checkpoint, Claim, InFlightRange, Progress};
use crate::flow_log::CheckpointKey;
use crate::flow_log::fingerprint::Fingerprint;
use crate::ports::checkpoints::{RowVersion, StoredRow};
use serde::{Deserialize, Serialize};

const INT64: &str = "Edm.Int64";

/// The entity's properties. Unset ones are left out, so that a replace removes them.
///
/// The names are those of the stored columns (`Guard`, `InDoubt`, …): renaming one would orphan stored rows.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct Entity {
    partition_key: String,
    row_key: String,
    /// The version, in answers with several entities; otherwise it is in a header.
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
    #[serde(rename = "SetAside", skip_serializing_if = "Option::is_none")]
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
pub(crate) enum EntityError {
    #[error("the row is not a checkpoint: {0}")]
    Json(#[from] serde_json::Error),
    #[error("the row's {property} is not a whole number")]
    Number { property: &'static str },
    /// Without its version a row can't be changed safely.
    #[error("the row has no ETag")]
    NoVersion,
}

/// The key of a row that can't be read, and why.
pub(crate) type UnreadableRow = (CheckpointKey, EntityError);

impl Entity {
    /// The request body that stores `row` under `key`.
    #[expect(
        clippy::disallowed_methods,
        reason = "a checkpoint row is ours to serialise; it holds no record bytes"
    )]
    pub(crate) fn encode(key: &CheckpointKey, row: &Checkpoint) -> Result<Vec<u8>, EntityError> {
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

    /// The row in the body of an answer.
    pub(crate) fn decode(body: &[u8]) -> Result<Checkpoint, EntityError> {
        serde_json::from_slice::<Self>(body)?.into_row()
    }

    /// The row with its key and version; with the reason when it can't be read.
    pub(super) fn into_stored_row(mut self) -> Result<StoredRow, UnreadableRow> {
        let key = CheckpointKey {
            partition: std::mem::take(&mut self.partition_key),
            row: std::mem::take(&mut self.row_key),
        };
        let version = self.version.take().ok_or(EntityError::NoVersion).map(RowVersion);
        match version.and_then(|version| Ok((self.into_row()?, version))) {
            Ok((row, version)) => Ok(StoredRow { key, row, version }),
            Err(error) => Err((key, error)),
        }
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
            // Written by a build that did not store bounds.
            _ => None,
        };
        let until = entity.in_doubt.map(|end| number("InDoubt", &end)).transpose()?;
        let in_flight = until.map(|until| InFlightRange { until, bounds });
        Ok(Checkpoint { blob: entity.blob, progress, in_flight, claim, wanted })
    }
}

/// Zero when `text` is missing, as in rows of earlier builds.
fn optional(property: &'static str, text: Option<&str>) -> Result<u64, EntityError> {
    text.map_or(Ok(0), |text| number(property, text))
}

fn number(property: &'static str, text: &str) -> Result<u64, EntityError> {
    text.parse().map_err(|_| EntityError::Number { property })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn full_row() -> Checkpoint {
        Checkpoint {
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
        }
    }

    #[test]
    fn a_row_survives_encoding_and_decoding() {
        let key = CheckpointKey { partition: "p".into(), row: "r".into() };
        for row in [full_row(), Checkpoint::new("https://a/b".into())] {
            assert_eq!(Entity::decode(&Entity::encode(&key, &row).unwrap()).unwrap(), row);
        }
    }

    #[test]
    fn the_columns_keep_their_names() {
        let key = CheckpointKey { partition: "p".into(), row: "r".into() };
        let stored = serde_json::json!({
            "PartitionKey": "p", "RowKey": "r", "Blob": "https://a/b",
            "Offset": "4294967302", "Offset@odata.type": "Edm.Int64",
            "Length": "12", "Length@odata.type": "Edm.Int64", "Generation": 3,
            "Guard": "2d711642b726b04401627ca9fbac32f5", "BlobETag": "0x8D",
            "BrokenAt": "5", "QuarantinedTo": "9", "BrokenSince": "1700000000000", "Unfinished": true,
            "Partial": true, "ResumeAt": "8", "SetAside": "17",
            "InDoubt": "9", "InDoubtMaxBody": "4294967296", "InDoubtByNic": true, "InDoubtLayout": 2,
            "Owner": "me", "ClaimedUntil": "1800000000000", "WantedETag": "0x8E", "WantedLength": "44",
        });
        let encoded = Entity::encode(&key, &full_row()).unwrap();
        assert_eq!(serde_json::from_slice::<serde_json::Value>(&encoded).unwrap(), stored);
        assert_eq!(Entity::decode(stored.to_string().as_bytes()).unwrap(), full_row());
    }

    #[test]
    fn a_row_without_the_newer_columns_is_read() {
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
    fn an_invalid_number_is_an_error_that_names_its_column() {
        let error = Entity::decode(br#"{"Blob":"b","Offset":"twelve","Length":"0"}"#).unwrap_err();
        assert_eq!(error.to_string(), "the row's Offset is not a whole number");
    }
}
