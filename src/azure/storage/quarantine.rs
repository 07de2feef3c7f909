//! The quarantine: two blobs for each item, its bytes and its note, in a container of the checkpoint account.

use super::client::StorageSetupError;
use super::own_container::OwnContainer;
use crate::config::CheckpointStorage;
use crate::flow_log::rope::Rope;
use crate::ports::quarantine::{ItemName, Note, Quarantine, QuarantineError};
use azure_core::Error;
use azure_core::http::RequestContent;
use azure_storage_blob::BlobClient;
use azure_storage_blob::models::BlockLookupList;
use serde::Serialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

const CONTAINER: &str = "flowlog-quarantine";

/// The quarantine container.
pub struct AzureQuarantine {
    container: OwnContainer,
}

/// A note as stored, for people and their tools.
#[derive(Serialize)]
struct StoredNote<'a> {
    blob: &'a str,
    etag: &'a str,
    start: u64,
    end: u64,
    reason: &'a str,
    quarantined_at: String,
}

impl AzureQuarantine {
    /// The container in `account`. Sends nothing yet; the first write creates the container.
    ///
    /// # Errors
    /// When the account's key or identity can't be used.
    pub fn new(account: &CheckpointStorage, http: &reqwest::Client) -> Result<Self, StorageSetupError> {
        let container = OwnContainer::new(account, http, CONTAINER, "setting up the quarantine")?;
        Ok(Self { container })
    }

    fn blob(&self, item: &ItemName, extension: &str) -> BlobClient {
        self.container.blob(&format!("{}.{extension}", item.as_str()))
    }

    fn error(&self, item: &ItemName) -> impl Fn(Error) -> QuarantineError {
        move |error| QuarantineError {
            item: item.as_str().to_owned(),
            reason: self.container.describe(&error),
        }
    }
}

impl Quarantine for AzureQuarantine {
    async fn stage(&self, item: &ItemName, piece: u32, bytes: Rope) -> Result<(), QuarantineError> {
        let stage = || async {
            let client = self.blob(item, "bin").block_blob_client();
            let body = RequestContent::from(bytes.to_bytes().to_vec());
            client.stage_block(&block_id(piece), bytes.len() as u64, body, None).await.map(drop)
        };
        self.container.write(stage).await.map_err(self.error(item))
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "the note is ours to serialise; the bytes are kept as they are"
    )]
    async fn finish(&self, item: &ItemName, pieces: u32, note: &Note) -> Result<(), QuarantineError> {
        let blocks = BlockLookupList {
            latest: Some((0..pieces).map(block_id).collect()),
            ..BlockLookupList::default()
        };
        let blocks = blocks.try_into().map_err(self.error(item))?;
        let bytes = self.blob(item, "bin").block_blob_client();
        bytes.commit_block_list(blocks, None).await.map_err(self.error(item))?;
        let stored = StoredNote {
            blob: &note.blob,
            etag: &note.etag,
            start: note.range.start,
            end: note.range.end,
            reason: &note.reason,
            quarantined_at: OffsetDateTime::now_utc().format(&Rfc3339).unwrap_or_default(),
        };
        let text = serde_json::to_vec_pretty(&stored)
            .map_err(|error| QuarantineError { item: item.as_str().to_owned(), reason: error.to_string() })?;
        let note = self.blob(item, "json");
        note.upload(RequestContent::from(text), None).await.map(drop).map_err(self.error(item))
    }
}

/// All block ids of a blob must have the same length. (REST reference, *Put Block*.)
fn block_id(piece: u32) -> Vec<u8> {
    format!("{piece:010}").into_bytes()
}
