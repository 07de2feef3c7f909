//! Ranged reads of flow-log blobs.

use super::failure;
use super::storage::{Access, StorageSetupError, access};
use crate::config::StorageAccount;
use crate::flow_log::FlowLogBlob;
use crate::rope::Rope;
use crate::source::{BlobSource, Chunk, ReadError, Version};
use azure_core::http::{Etag, Pipeline, Url};
use azure_storage_blob::models::{BlobClientDownloadOptions, HttpRange};
use azure_storage_blob::{BlobServiceClient, BlobServiceClientOptions};
use futures_util::TryStreamExt;
use std::num::NonZero;
use std::ops::Range;

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
}

impl AzureBlobs {
    /// Clients for `accounts`, over one connection pool. Nothing is sent yet.
    ///
    /// # Errors
    /// When a key or an identity can't be used.
    pub fn new(accounts: &[StorageAccount], http: &reqwest::Client) -> Result<Self, StorageSetupError> {
        let accounts = accounts.iter().map(|account| {
            let access = access(&account.access, http)?;
            let (url, pipeline) = (account.blob_service.clone(), access.pipeline());
            let Access { options, credential } = access;
            let options =
                BlobServiceClientOptions { client_options: options, ..BlobServiceClientOptions::default() };
            let client = BlobServiceClient::new(url.clone(), credential, Some(options)).map_err(|error| {
                StorageSetupError::Sdk {
                    what: "setting up the blob client",
                    reason: failure::describe(&error),
                }
            })?;
            Ok(Account { url, client, pipeline })
        });
        Ok(Self { accounts: accounts.collect::<Result<_, StorageSetupError>>()? })
    }

    /// The account at `url`, or why it is not asked.
    pub(super) fn account(&self, url: &Url) -> Result<&Account, String> {
        let account = self.accounts.iter().find(|account| account.url == *url);
        account.ok_or_else(|| format!("the settings name no storage account {url}"))
    }
}

impl BlobSource for AzureBlobs {
    async fn read(
        &self,
        blob: &FlowLogBlob,
        range: Range<u64>,
        version: Version<'_>,
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
            Version::Any => {}
            Version::Only(etag) => options.if_match = Some(quoted(etag)),
            Version::NewerThan(etag) => options.if_none_match = Some(quoted(etag)),
        }
        let answer = client.download(Some(options)).await.map_err(|error| match failure::status(&error) {
            Some(304) => ReadError::Unchanged,
            Some(404) => ReadError::NotFound,
            Some(412) => ReadError::Changed,
            Some(416) => ReadError::PastEnd,
            _ => failed(failure::describe(&error)),
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
        let bytes: Rope = answer
            .body
            .try_fold(Rope::default(), |mut rope, piece| async move {
                rope.push(piece);
                Ok(rope)
            })
            .await
            .map_err(|error| failed(failure::describe(&error)))?;
        let expected = blob_length.min(range.end).saturating_sub(range.start);
        if bytes.len() as u64 != expected {
            return Err(failed(format!("{} bytes came instead of {expected}", bytes.len())));
        }
        Ok(Chunk { bytes, blob_length, etag: etag.as_ref().trim_matches('"').to_owned() })
    }

    async fn blocks(&self, _: &FlowLogBlob, _: &str) -> Result<Vec<u64>, ReadError> {
        Ok(Vec::new())
    }
}

fn quoted(etag: &str) -> Etag {
    format!("\"{etag}\"").into()
}
