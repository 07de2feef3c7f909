//! Checkpoints in an Azure Table, one entity per blob.
//!
//! There is no stable table crate from Microsoft for Rust, and three operations are all it takes:
//! get, insert-if-absent and replace-if-unchanged. They go through the SDK's own pipeline, so that
//! retries, tokens and logging are those of every other request.
//! Source of the protocol: REST reference of the Table service.

use super::failure;
use super::storage::{Access, StorageSetupError, access};
use crate::checkpoint::{Checkpoint, CheckpointStore, RowVersion, StoreError};
use crate::config::CheckpointStorage;
use crate::flow_log::CheckpointKey;
use azure_core::error::CheckSuccessOptions;
use azure_core::http::headers::{HeaderName, HeaderValue};
use azure_core::http::policies::Policy;
use azure_core::http::policies::auth::BearerTokenAuthorizationPolicy;
use azure_core::http::{Context, Method, Pipeline, PipelineSendOptions, RawResponse, Request, Url};
use std::sync::Arc;

use super::entity::Entity;

/// The table's name in the checkpoint account.
pub const TABLE: &str = "flowlogcheckpoints";
/// The first version of the Table service that takes Entra tokens.
const API_VERSION: &str = "2020-12-06";
const NO_METADATA: &str = "application/json;odata=nometadata";

/// The checkpoint table.
#[derive(Clone, Debug)]
pub struct AzureTable {
    service: Url,
    pipeline: Pipeline,
}

impl AzureTable {
    /// The table in `account`. Nothing is sent yet; the table is created when it is first needed.
    ///
    /// # Errors
    /// When the account's key or identity can't be used.
    pub fn new(account: &CheckpointStorage, http: &reqwest::Client) -> Result<Self, StorageSetupError> {
        let Access { options, credential } = access(&account.access, http)?;
        let token = credential.map(|credential| {
            let scopes = vec!["https://storage.azure.com/.default"];
            Arc::new(BearerTokenAuthorizationPolicy::new(credential, scopes)) as Arc<dyn Policy>
        });
        let (name, version) = (option_env!("CARGO_PKG_NAME"), option_env!("CARGO_PKG_VERSION"));
        let pipeline = Pipeline::new(name, version, options, Vec::new(), token.into_iter().collect(), None);
        Ok(Self { service: account.table_service.clone(), pipeline })
    }

    fn url(&self, path: &str) -> Url {
        let mut url = self.service.clone();
        url.set_path(&format!("{}/{path}", self.service.path().trim_end_matches('/')));
        url
    }

    fn entity_url(&self, key: &CheckpointKey) -> Url {
        let quoted = |text: &str| text.replace('\'', "''");
        let (partition, row) = (quoted(&key.partition), quoted(&key.row));
        self.url(&format!("{TABLE}(PartitionKey='{partition}',RowKey='{row}')"))
    }

    async fn send(
        &self,
        method: Method,
        url: Url,
        body: Option<Vec<u8>>,
        if_match: Option<&RowVersion>,
    ) -> azure_core::Result<RawResponse> {
        let mut request = Request::new(url, method);
        request.insert_header("accept", NO_METADATA);
        request.insert_header("x-ms-version", API_VERSION);
        request.insert_header("dataserviceversion", "3.0;NetFx");
        if let Some(RowVersion(version)) = if_match {
            request.insert_header("if-match", HeaderValue::from(version.clone()));
        }
        if let Some(body) = body {
            request.insert_header("content-type", "application/json");
            request.insert_header("prefer", "return-no-content");
            request.set_body(body);
        }
        let options = PipelineSendOptions {
            check_success: CheckSuccessOptions { success_codes: &[200, 201, 204] },
            ..PipelineSendOptions::default()
        };
        self.pipeline.send(&Context::new(), &mut request, Some(options)).await
    }

    async fn create(&self) -> azure_core::Result<()> {
        let body = format!("{{\"TableName\":\"{TABLE}\"}}").into_bytes();
        match self.send(Method::Post, self.url("Tables"), Some(body), None).await {
            // 409: another process was quicker.
            Err(error) if failure::status(&error) != Some(409) => Err(error),
            _ => Ok(()),
        }
    }

    async fn insert(&self, entity: &[u8]) -> azure_core::Result<RawResponse> {
        let post = || self.send(Method::Post, self.url(TABLE), Some(entity.to_vec()), None);
        match post().await {
            // 404 on an insert can only mean that the table itself is missing.
            Err(error) if failure::status(&error) == Some(404) => {
                self.create().await?;
                post().await
            }
            answer => answer,
        }
    }
}

impl CheckpointStore for AzureTable {
    async fn load(&self, key: &CheckpointKey) -> Result<Option<(Checkpoint, RowVersion)>, StoreError> {
        let failed = |reason: String| StoreError::Failed { key: key.clone(), operation: "reading", reason };
        match self.send(Method::Get, self.entity_url(key), None, None).await {
            // No row, or no table yet: nothing has been forwarded.
            Err(error) if failure::status(&error) == Some(404) => Ok(None),
            Err(error) => Err(failed(failure::describe(&error))),
            Ok(answer) => {
                let version =
                    version(&answer).ok_or_else(|| failed("the answer names no ETag".to_owned()))?;
                let row = Entity::decode(answer.body()).map_err(|error| failed(error.to_string()))?;
                Ok(Some((row, version)))
            }
        }
    }

    async fn swap(
        &self,
        key: &CheckpointKey,
        row: &Checkpoint,
        expected: Option<&RowVersion>,
    ) -> Result<RowVersion, StoreError> {
        let failed = |reason: String| StoreError::Failed { key: key.clone(), operation: "writing", reason };
        let body = Entity::encode(key, row).map_err(|error| failed(error.to_string()))?;
        let answer = match expected {
            None => self.insert(&body).await,
            Some(_) => self.send(Method::Put, self.entity_url(key), Some(body), expected).await,
        };
        match answer {
            Ok(answer) => version(&answer).ok_or_else(|| failed("the answer names no ETag".to_owned())),
            Err(error) => Err(match (failure::status(&error), expected) {
                // 409: the row appeared; 412: it changed; 404 on a replace: it vanished.
                (Some(409), None) | (Some(412 | 404), Some(_)) => StoreError::Conflict { key: key.clone() },
                _ => failed(failure::describe(&error)),
            }),
        }
    }
}

fn version(answer: &RawResponse) -> Option<RowVersion> {
    answer.headers().get_optional_string(&HeaderName::from_static("etag")).map(RowVersion)
}
