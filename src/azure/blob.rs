//! Ranged reads of flow-log blobs.

use super::asked::Asked;
use super::failure;
use super::storage::{StorageSetupError, access, pipeline};
use crate::config::StorageAccount;
use crate::flow_log::FlowLogBlob;
use crate::flow_log::rope::Rope;
use crate::ports::blobs::{BlobReader, Chunk, Condition, ReadError};
use azure_core::Bytes;
use azure_core::http::{Etag, Pipeline, Url};
use azure_storage_blob::models::{BlobClientDownloadOptions, HttpRange};
use azure_storage_blob::{BlobServiceClient, BlobServiceClientOptions};
use futures_util::TryStreamExt;
use std::num::NonZero;
use std::ops::Range;

/// Pieces below this length are put together: each keeps the whole buffer alive in which it arrived.
const SHORT_PIECE: usize = 4 << 10;
/// How long pieces become that are put together.
const JOINED_PIECE: usize = 64 << 10;

/// Reads blobs of the storage accounts that the settings name, and of no others: a token or a key
/// is only ever sent to its own account.
pub struct AzureBlobs {
    accounts: Vec<Account>,
}

/// One account, as it is read by the SDK's client and, for what that can't do, by requests of our own.
pub(super) struct Account {
    url: Url,
    client: BlobServiceClient,
    pub(super) pipeline: Pipeline,
    asked: Asked,
}

impl AzureBlobs {
    /// Clients for `accounts`, over one connection pool. Nothing is sent yet.
    ///
    /// # Errors
    /// When a key or an identity can't be used.
    pub fn new(accounts: &[StorageAccount], http: &reqwest::Client) -> Result<Self, StorageSetupError> {
        let accounts = accounts.iter().map(|account| {
            let client_options = access(&account.access, http)?;
            let (url, pipeline) = (account.blob_service.clone(), pipeline(client_options.clone()));
            let options = BlobServiceClientOptions { client_options, ..BlobServiceClientOptions::default() };
            let client = BlobServiceClient::new(url.clone(), None, Some(options)).map_err(|error| {
                StorageSetupError::Sdk {
                    what: "setting up the blob client",
                    reason: failure::describe(&error),
                }
            })?;
            let asked = Asked::with(&account.access, "FLOWLOG_STORAGE", "Storage Blob Data Reader");
            Ok(Account { url, client, pipeline, asked })
        });
        Ok(Self { accounts: accounts.collect::<Result<_, StorageSetupError>>()? })
    }

    /// The account at `url`, or why it is not asked.
    pub(super) fn account(&self, url: &Url) -> Result<&Account, String> {
        let account = self.accounts.iter().find(|account| account.url == *url);
        account.ok_or_else(|| format!("the settings name no storage account {url}"))
    }
}

impl Account {
    /// What `error` says of a request about `container`.
    pub(super) fn told(&self, container: &str, error: &azure_core::Error) -> String {
        self.asked.told(&format!("{}/{container}", self.url.as_str().trim_end_matches('/')), error)
    }
}

impl BlobReader for AzureBlobs {
    async fn read(
        &self,
        blob: &FlowLogBlob,
        range: Range<u64>,
        version: Condition<'_>,
    ) -> Result<Chunk, ReadError> {
        let failed = |reason: String| ReadError::Failed { range: range.clone(), reason };
        let account = self.account(blob.account()).map_err(failed)?;
        let client = account.client.blob_client(blob.container(), blob.name());
        let length = range.end.saturating_sub(range.start);
        let mut options = BlobClientDownloadOptions {
            range: Some(HttpRange::new(range.start, length)),
            // One request for the whole range: the SDK would otherwise cut it into parts of its own.
            partition_size: NonZero::new(usize::try_from(length).unwrap_or(usize::MAX)),
            parallel: Some(NonZero::<usize>::MIN),
            ..BlobClientDownloadOptions::default()
        };
        match version {
            Condition::None => {}
            Condition::IfMatch(etag) => options.if_match = Some(quoted(etag)),
            Condition::IfNoneMatch(etag) => options.if_none_match = Some(quoted(etag)),
        }
        let answer = client.download(Some(options)).await.map_err(|error| match failure::status(&error) {
            Some(304) => ReadError::Unchanged,
            Some(404) => ReadError::NotFound,
            Some(412) => ReadError::Changed,
            Some(416) => ReadError::PastEnd,
            _ => failed(account.told(blob.container(), &error)),
        })?;
        let blob_length = answer
            .headers
            .get_optional_str(&"content-range".into())
            .and_then(|header| header.rsplit_once('/')?.1.parse().ok())
            .or(answer.properties.content_length)
            .ok_or_else(|| failed("the answer names no length".to_owned()))?;
        if range.start >= blob_length && blob_length > 0 {
            // Azure answers 416 here; Azurite sends nothing when the range starts exactly at the end.
            return Err(ReadError::PastEnd);
        }
        let etag = answer.properties.etag.ok_or_else(|| failed("the answer names no ETag".to_owned()))?;
        let arriving = answer.body.try_fold(Arriving::default(), |mut arriving, piece| async move {
            arriving.push(piece);
            Ok(arriving)
        });
        let bytes = arriving.await.map_err(|error| failed(account.told(blob.container(), &error)))?.whole();
        let expected = blob_length.min(range.end).saturating_sub(range.start);
        if bytes.len() as u64 != expected {
            return Err(failed(format!("{} bytes came instead of {expected}", bytes.len())));
        }
        Ok(Chunk { bytes, blob_length, etag: etag.as_ref().trim_matches('"').to_owned() })
    }

    async fn blocks(&self, blob: &FlowLogBlob, etag: &str) -> Result<Vec<u64>, ReadError> {
        let account = self.account(blob.account()).map_err(|reason| ReadError::NoBlockList { reason })?;
        account.blocks(blob, etag).await
    }
}

/// The bytes of an answer, in pieces of a reasonable length however they come.
#[derive(Default)]
struct Arriving {
    whole: Rope,
    short: Vec<u8>,
}

impl Arriving {
    fn push(&mut self, piece: Bytes) {
        if piece.len() < SHORT_PIECE {
            self.short.extend_from_slice(&piece);
            if self.short.len() >= JOINED_PIECE {
                self.join();
            }
        } else {
            self.join();
            self.whole.push(piece);
        }
    }

    fn join(&mut self) {
        self.whole.push(std::mem::take(&mut self.short).into());
    }

    fn whole(mut self) -> Rope {
        self.join();
        self.whole
    }
}

fn quoted(etag: &str) -> Etag {
    format!("\"{etag}\"").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_trickle_in_become_pieces_of_a_reasonable_length() {
        let mut arriving = Arriving::default();
        let mut expected = Vec::new();
        for number in 0..200_000_u32 {
            let size = if number % 50_000 == 7 { SHORT_PIECE } else { 1 };
            let piece = vec![number.to_le_bytes()[0]; size];
            expected.extend_from_slice(&piece);
            arriving.push(piece.into());
        }
        let whole = arriving.whole();
        assert_eq!(whole.to_bytes(), expected);
        assert!(whole.pieces().count() < 20, "{}", whole.pieces().count());
    }
}
