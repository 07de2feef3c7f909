//! The second copy of the watermarks: a small JSON blob for each container, in a container of the
//! checkpoint account.

use super::asked::Asked;
use super::failure;
use super::own_container::own_container;
use super::storage::StorageSetupError;
use crate::config::CheckpointStorage;
use crate::flow_log::Container;
use crate::hour::Hour;
use crate::ports::watermark_copy::{WatermarkCopy, WatermarkCopyError};
use azure_core::http::RequestContent;
use azure_storage_blob::models::{BlobClientDownloadOptions, HttpRange};
use azure_storage_blob::{BlobClient, BlobContainerClient};
use futures_util::TryStreamExt as _;
use serde::{Deserialize, Serialize};
use std::num::NonZero;

/// The container's name in the checkpoint account.
pub const CONTAINER: &str = "flowlog-state";

/// How much of a blob is read, bytes: ten times as much as is ever written.
const LARGEST: usize = 16 << 10;

/// The blobs in the checkpoint account.
pub struct AzureWatermarkCopy {
    container: BlobContainerClient,
    asked: Asked,
}

/// What a blob holds: the hour twice, for people and for the program.
#[derive(Serialize, Deserialize)]
struct Written {
    container: String,
    all_before_is_forwarded: String,
    hours_since_1970: u64,
}

impl AzureWatermarkCopy {
    /// The container in `account`. Nothing is sent yet; it is created when it is first needed.
    ///
    /// # Errors
    /// When the account's key or identity can't be used.
    pub fn new(account: &CheckpointStorage, http: &reqwest::Client) -> Result<Self, StorageSetupError> {
        let (container, asked) =
            own_container(account, http, CONTAINER, "setting up the second copy of the watermark")?;
        Ok(Self { container, asked })
    }

    /// What `error` says of a request to this container.
    fn told(&self, error: &azure_core::Error) -> String {
        self.asked.told(self.container.url().as_str(), error)
    }

    fn blob(&self, container: &Container) -> BlobClient {
        self.container.blob_client(&format!("{}.json", container.sweep_key().partition))
    }

    async fn upload(&self, container: &Container, text: &[u8]) -> azure_core::Result<()> {
        self.blob(container).upload(RequestContent::from(text.to_vec()), None).await.map(drop)
    }

    async fn download(&self, container: &Container) -> azure_core::Result<Vec<u8>> {
        let options = BlobClientDownloadOptions {
            range: Some(HttpRange::new(0, LARGEST as u64)),
            partition_size: NonZero::new(LARGEST),
            parallel: Some(NonZero::<usize>::MIN),
            ..BlobClientDownloadOptions::default()
        };
        let body = self.blob(container).download(Some(options)).await?.body;
        body.try_fold(Vec::new(), |mut text, piece| async move {
            let room = LARGEST - text.len();
            text.extend_from_slice(&piece[..piece.len().min(room)]);
            Ok(text)
        })
        .await
    }
}

impl WatermarkCopy for AzureWatermarkCopy {
    async fn load(&self, container: &Container) -> Result<Option<Hour>, WatermarkCopyError> {
        let failed = failed(container, "reading");
        let text = match self.download(container).await {
            // No blob, or no container yet.
            Err(error) if failure::status(&error) == Some(404) => return Ok(None),
            answer => answer.map_err(|error| failed(self.told(&error)))?,
        };
        let written: Written = serde_json::from_slice(&text)
            .map_err(|error| failed(format!("the blob in {CONTAINER} is not as it was written: {error}")))?;
        Ok(Some(Hour::new(written.hours_since_1970)))
    }

    #[expect(clippy::disallowed_methods, reason = "the hour is ours to serialise; it holds no record bytes")]
    async fn store(&self, container: &Container, hour: Hour) -> Result<(), WatermarkCopyError> {
        let failed = failed(container, "writing");
        let written = Written {
            container: container.to_string(),
            all_before_is_forwarded: hour.to_string(),
            hours_since_1970: hour.number(),
        };
        let text = serde_json::to_vec_pretty(&written).map_err(|error| failed(error.to_string()))?;
        let stored = match self.upload(container, &text).await {
            // 404 on a write can only mean that the container is missing; 409 that another process has just
            // created it.
            Err(error) if failure::status(&error) == Some(404) => match self.container.create(None).await {
                Err(error) if failure::status(&error) != Some(409) => Err(error),
                _ => self.upload(container, &text).await,
            },
            answer => answer,
        };
        stored.map_err(|error| failed(self.told(&error)))
    }
}

fn failed(container: &Container, operation: &'static str) -> impl Fn(String) -> WatermarkCopyError {
    let container = container.to_string();
    move |reason| WatermarkCopyError {
        container: container.clone(),
        reason: format!("{operation} failed: {reason}"),
    }
}
