//! A container of the forwarder's own in the checkpoint account.

use super::client::{StorageSetupError, blob_service, client_options};
use super::error_context::ErrorContext;
use crate::azure::http::status;
use crate::config::CheckpointStorage;
use azure_core::Error;
use azure_storage_blob::{BlobClient, BlobContainerClient};

pub(super) struct OwnContainer {
    client: BlobContainerClient,
    errors: ErrorContext,
}

impl OwnContainer {
    /// The container `name` in `account`. Sends nothing yet; the first write creates the container. `what` names
    /// the step in errors.
    ///
    /// # Errors
    /// When the account's key or identity can't be used.
    pub(super) fn new(
        account: &CheckpointStorage,
        http: &reqwest::Client,
        name: &str,
        what: &'static str,
    ) -> Result<Self, StorageSetupError> {
        let service = blob_service(&account.blob_service, client_options(&account.access, http)?, what)?;
        let setting = "CHECKPOINT_STORAGE or AzureWebJobsStorage";
        let errors = ErrorContext::new(&account.access, setting, "Storage Blob Data Contributor");
        Ok(Self { client: service.blob_container_client(name), errors })
    }

    pub(super) fn blob(&self, name: &str) -> BlobClient {
        self.client.blob_client(name)
    }

    /// Runs `write`; when the container does not exist, creates it and runs `write` again.
    pub(super) async fn write<F>(&self, write: impl Fn() -> F) -> azure_core::Result<()>
    where
        F: Future<Output = azure_core::Result<()>>,
    {
        match write().await {
            // On a write, 404 means that the container is missing.
            Err(error) if status(&error) == Some(404) => match self.client.create(None).await {
                // 409: another process has just created it.
                Err(error) if status(&error) != Some(409) => Err(error),
                _ => write().await,
            },
            result => result,
        }
    }

    /// The text of `error`, of a request to this container.
    pub(super) fn describe(&self, error: &Error) -> String {
        self.errors.describe(self.client.url().as_str(), error)
    }
}
