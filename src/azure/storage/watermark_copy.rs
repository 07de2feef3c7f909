//! The second copy of the watermarks: one small JSON blob for each container of flow logs, in a container of the
//! checkpoint account.

use super::client::{StorageSetupError, one_request};
use super::own_container::OwnContainer;
use crate::azure::http::status;
use crate::config::CheckpointStorage;
use crate::flow_log::Container;
use crate::hour::Hour;
use crate::ports::watermark_copy::{WatermarkCopy, WatermarkCopyError};
use azure_core::http::RequestContent;
use azure_storage_blob::BlobClient;
use futures_util::TryStreamExt as _;
use serde::{Deserialize, Serialize};

const CONTAINER: &str = "flowlog-state";

/// How much of a blob is read, bytes: ten times what is ever written.
const MAX_BLOB_BYTES: usize = 16 << 10;

/// The container of the copies.
pub struct AzureWatermarkCopy {
    container: OwnContainer,
}

/// A stored copy. It holds the hour twice: as text for people, as a number for the program.
#[derive(Serialize, Deserialize)]
struct StoredWatermark {
    container: String,
    all_before_is_forwarded: String,
    hours_since_1970: u64,
}

impl AzureWatermarkCopy {
    /// The container in `account`. Sends nothing yet; the first write creates the container.
    ///
    /// # Errors
    /// When the account's key or identity can't be used.
    pub fn new(account: &CheckpointStorage, http: &reqwest::Client) -> Result<Self, StorageSetupError> {
        let what = "setting up the second copy of the watermark";
        Ok(Self { container: OwnContainer::new(account, http, CONTAINER, what)? })
    }

    fn blob(&self, container: &Container) -> BlobClient {
        self.container.blob(&format!("{}.json", container.sweep_key().partition))
    }

    async fn download(&self, container: &Container) -> azure_core::Result<Vec<u8>> {
        let range = 0..MAX_BLOB_BYTES as u64;
        let body = self.blob(container).download(Some(one_request(&range))).await?.body;
        body.try_fold(Vec::new(), |mut text, piece| async move {
            let left = MAX_BLOB_BYTES - text.len();
            text.extend_from_slice(&piece[..piece.len().min(left)]);
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
            Err(error) if status(&error) == Some(404) => return Ok(None),
            result => result.map_err(|error| failed(self.container.describe(&error)))?,
        };
        let stored: StoredWatermark = serde_json::from_slice(&text)
            .map_err(|error| failed(format!("the blob in {CONTAINER} is not a watermark: {error}")))?;
        Ok(Some(Hour::new(stored.hours_since_1970)))
    }

    #[expect(clippy::disallowed_methods, reason = "the hour is ours to serialise; it holds no record bytes")]
    async fn store(&self, container: &Container, hour: Hour) -> Result<(), WatermarkCopyError> {
        let failed = failed(container, "writing");
        let stored = StoredWatermark {
            container: container.to_string(),
            all_before_is_forwarded: hour.to_string(),
            hours_since_1970: hour.number(),
        };
        let text = serde_json::to_vec_pretty(&stored).map_err(|error| failed(error.to_string()))?;
        let upload = || async {
            self.blob(container).upload(RequestContent::from(text.clone()), None).await.map(drop)
        };
        self.container.write(upload).await.map_err(|error| failed(self.container.describe(&error)))
    }
}

fn failed(container: &Container, operation: &'static str) -> impl Fn(String) -> WatermarkCopyError {
    let container = container.to_string();
    move |reason| WatermarkCopyError {
        container: container.clone(),
        reason: format!("{operation} failed: {reason}"),
    }
}
