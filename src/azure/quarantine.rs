//! Quarantine in a container of the checkpoint account: two blobs for each item, its bytes and its note.

use super::asked::Asked;
use super::failure;
use super::own_container::own_container;
use super::storage::StorageSetupError;
use crate::config::CheckpointStorage;
use crate::flow_log::rope::Rope;
use crate::ports::quarantine::{ItemName, Note, Quarantine, QuarantineError};
use azure_core::http::RequestContent;
use azure_storage_blob::models::BlockLookupList;
use azure_storage_blob::{BlobClient, BlobContainerClient};
use serde::Serialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// The container's name in the checkpoint account.
pub const CONTAINER: &str = "flowlog-quarantine";

/// The quarantine container.
pub struct AzureQuarantine {
    container: BlobContainerClient,
    asked: Asked,
}

/// A note as it is written, for people and their tools.
#[derive(Serialize)]
struct WrittenNote<'a> {
    blob: &'a str,
    etag: &'a str,
    start: u64,
    end: u64,
    reason: &'a str,
    quarantined_at: String,
}

impl AzureQuarantine {
    /// The container in `account`. Nothing is sent yet; it is created when it is first needed.
    ///
    /// # Errors
    /// When the account's key or identity can't be used.
    pub fn new(account: &CheckpointStorage, http: &reqwest::Client) -> Result<Self, StorageSetupError> {
        let (container, asked) = own_container(account, http, CONTAINER, "setting up the quarantine")?;
        Ok(Self { container, asked })
    }

    fn blob(&self, item: &ItemName, extension: &str) -> BlobClient {
        self.container.blob_client(&format!("{}.{extension}", item.as_str()))
    }

    async fn stage_piece(&self, item: &ItemName, piece: u32, bytes: &Rope) -> azure_core::Result<()> {
        let client = self.blob(item, "bin").block_blob_client();
        let body = RequestContent::from(bytes.to_bytes().to_vec());
        client.stage_block(&block_id(piece), bytes.len() as u64, body, None).await.map(|_| ())
    }

    fn failed(&self, item: &ItemName) -> impl Fn(&azure_core::Error) -> QuarantineError {
        let (item, endpoint) = (item.as_str().to_owned(), self.container.url());
        move |error| QuarantineError { item: item.clone(), reason: self.asked.told(endpoint.as_str(), error) }
    }
}

impl Quarantine for AzureQuarantine {
    async fn stage(&self, item: &ItemName, piece: u32, bytes: Rope) -> Result<(), QuarantineError> {
        let failed = self.failed(item);
        match self.stage_piece(item, piece, &bytes).await {
            // 404 on a write can only mean that the container is missing; 409 that another process
            // has just created it.
            Err(error) if failure::status(&error) == Some(404) => {
                if let Err(error) = self.container.create(None).await
                    && failure::status(&error) != Some(409)
                {
                    return Err(failed(&error));
                }
                self.stage_piece(item, piece, &bytes).await.map_err(|error| failed(&error))
            }
            answer => answer.map_err(|error| failed(&error)),
        }
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "the note is ours to serialise; the bytes are kept as they are"
    )]
    async fn finish(&self, item: &ItemName, pieces: u32, note: &Note) -> Result<(), QuarantineError> {
        let failed = self.failed(item);
        let blocks = BlockLookupList {
            latest: Some((0..pieces).map(block_id).collect()),
            ..BlockLookupList::default()
        };
        let blocks = blocks.try_into().map_err(|error| failed(&error))?;
        let bytes = self.blob(item, "bin").block_blob_client();
        bytes.commit_block_list(blocks, None).await.map_err(|error| failed(&error))?;
        let written = WrittenNote {
            blob: &note.blob,
            etag: &note.etag,
            start: note.range.start,
            end: note.range.end,
            reason: &note.reason,
            quarantined_at: OffsetDateTime::now_utc().format(&Rfc3339).unwrap_or_default(),
        };
        let text = serde_json::to_vec_pretty(&written)
            .map_err(|error| QuarantineError { item: item.as_str().to_owned(), reason: error.to_string() })?;
        self.blob(item, "json")
            .upload(RequestContent::from(text), None)
            .await
            .map_err(|error| failed(&error))?;
        Ok(())
    }
}

/// Block ids of one blob must have one length.
fn block_id(piece: u32) -> Vec<u8> {
    format!("{piece:010}").into_bytes()
}
