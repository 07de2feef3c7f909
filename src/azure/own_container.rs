//! Containers of our own in the checkpoint account.

use super::asked::Asked;
use super::failure;
use super::storage::{StorageSetupError, access};
use crate::config::CheckpointStorage;
use azure_storage_blob::{BlobContainerClient, BlobServiceClient, BlobServiceClientOptions};

/// The container `name` in `account`, and what its errors say. Nothing is sent yet. `what` names the
/// attempt in an error.
///
/// # Errors
/// When the account's key or identity can't be used.
pub(super) fn own_container(
    account: &CheckpointStorage,
    http: &reqwest::Client,
    name: &str,
    what: &'static str,
) -> Result<(BlobContainerClient, Asked), StorageSetupError> {
    let client_options = access(&account.access, http)?;
    let options = BlobServiceClientOptions { client_options, ..BlobServiceClientOptions::default() };
    let service = BlobServiceClient::new(account.blob_service.clone(), None, Some(options));
    let service =
        service.map_err(|error| StorageSetupError::Sdk { what, reason: failure::describe(&error) })?;
    let role = "Storage Blob Data Contributor";
    let asked = Asked::with(&account.access, "CHECKPOINT_STORAGE or AzureWebJobsStorage", role);
    Ok((service.blob_container_client(name), asked))
}
