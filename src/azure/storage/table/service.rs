//! The checkpoint table, one entity per blob.
//!
//! Microsoft has no stable table crate for Rust, and five operations are enough: get, insert-if-absent and
//! replace-if-unchanged, and for the sweep query and delete. They use the SDK's pipeline, for the same retries,
//! tokens and logging as all other requests.
//! Protocol: REST reference of the Table service.

use super::entity::Entity;
use super::page::read_rows;
use super::query::{literal, query};
use crate::azure::http::{BodyLimit, status, unix_millis};
use crate::azure::storage::client::{StorageSetupError, client_options, pipeline, succeed_on};
use crate::azure::storage::error_context::ErrorContext;
use crate::checkpoint::Checkpoint;
use crate::clock::Clock;
use crate::config::CheckpointStorage;
use crate::flow_log::CheckpointKey;
use crate::ports::checkpoints::{
    CheckpointStore, CheckpointTable, Continuation, RowPage, RowVersion, Rows, StoreError,
};
use azure_core::error::ErrorKind;
use azure_core::http::headers::{HeaderName, HeaderValue};
use azure_core::http::{Context, Method, Pipeline, RawResponse, Request, Url};
use std::ops::Range;

const TABLE: &str = "flowlogcheckpoints";
/// The first version of the Table service that accepts Entra tokens.
const API_VERSION: &str = "2020-12-06";
/// For one entity: its version is in a header.
const NO_METADATA: &str = "application/json;odata=nometadata";
/// For several entities: each holds its version.
const MINIMAL_METADATA: &str = "application/json;odata=minimalmetadata";

/// A row takes about a kilobyte.
const ONE_ROW: BodyLimit = BodyLimit { bytes: 64 << 10, what: "a row of the table flowlogcheckpoints" };
/// A page has at most 1,000 rows. (REST reference, *Query timeout and pagination*.)
const ONE_PAGE: BodyLimit = BodyLimit { bytes: 3 << 20, what: "a page of the table flowlogcheckpoints" };

/// The checkpoint table.
#[derive(Clone, Debug)]
pub struct AzureTable {
    service: Url,
    pipeline: Pipeline,
    errors: ErrorContext,
    clock: Option<Clock>,
}

impl AzureTable {
    /// The table in `account`. Sends nothing yet; the first write creates the table.
    ///
    /// # Errors
    /// When the account's key or identity can't be used.
    pub fn new(account: &CheckpointStorage, http: &reqwest::Client) -> Result<Self, StorageSetupError> {
        let pipeline = pipeline(client_options(&account.access, http)?);
        let setting = "CHECKPOINT_STORAGE or AzureWebJobsStorage";
        let errors = ErrorContext::new(&account.access, setting, "Storage Table Data Contributor");
        Ok(Self { service: account.table_service.clone(), pipeline, errors, clock: None })
    }

    /// The same table; each answer sets `clock` to the service's time.
    #[must_use]
    pub fn with_clock(self, clock: Clock) -> Self {
        Self { clock: Some(clock), ..self }
    }

    /// The text of `error`, of a request to this table.
    fn describe(&self, error: &azure_core::Error) -> String {
        self.errors.describe(self.url(TABLE).as_str(), error)
    }

    fn url(&self, path: &str) -> Url {
        let mut url = self.service.clone();
        url.set_path(&format!("{}/{path}", self.service.path().trim_end_matches('/')));
        url
    }

    fn entity_url(&self, key: &CheckpointKey) -> Url {
        let (partition, row) = (literal(&key.partition), literal(&key.row));
        self.url(&format!("{TABLE}(PartitionKey={partition},RowKey={row})"))
    }

    async fn send(
        &self,
        method: Method,
        url: Url,
        body: Option<Vec<u8>>,
        if_match: Option<&RowVersion>,
    ) -> azure_core::Result<RawResponse> {
        self.send_accepting(NO_METADATA, ONE_ROW, method, url, body, if_match).await
    }

    async fn send_accepting(
        &self,
        accept: &'static str,
        limit: BodyLimit,
        method: Method,
        url: Url,
        body: Option<Vec<u8>>,
        if_match: Option<&RowVersion>,
    ) -> azure_core::Result<RawResponse> {
        let mut request = Request::new(url, method);
        request.insert_header("accept", accept);
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
        let context = Context::new().with_value(limit);
        let answer = self.pipeline.send(&context, &mut request, Some(succeed_on(&[200, 201, 204]))).await;
        if let Some(clock) = &self.clock
            && let Some(time) = service_time(&answer)
        {
            clock.observe(time);
        }
        answer
    }

    async fn create_table(&self) -> azure_core::Result<()> {
        let body = format!("{{\"TableName\":\"{TABLE}\"}}").into_bytes();
        match self.send(Method::Post, self.url("Tables"), Some(body), None).await {
            // 409: another process has just created it.
            Err(error) if status(&error) != Some(409) => Err(error),
            _ => Ok(()),
        }
    }

    async fn insert(&self, entity: &[u8]) -> azure_core::Result<RawResponse> {
        let post = || self.send(Method::Post, self.url(TABLE), Some(entity.to_vec()), None);
        match post().await {
            // On an insert, 404 means that the table is missing.
            Err(error) if status(&error) == Some(404) => {
                self.create_table().await?;
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
            Err(error) if status(&error) == Some(404) => Ok(None),
            Err(error) => Err(failed(self.describe(&error))),
            Ok(answer) => {
                let version = version(&answer).ok_or_else(|| failed("the answer has no ETag".to_owned()))?;
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
            Ok(answer) => version(&answer).ok_or_else(|| failed("the answer has no ETag".to_owned())),
            Err(error) => Err(match (status(&error), expected) {
                // 409: the row exists already; 412: it changed; 404 on a replace: it was deleted.
                (Some(409), None) | (Some(412 | 404), Some(_)) => StoreError::Conflict { key: key.clone() },
                _ => failed(self.describe(&error)),
            }),
        }
    }
}

impl CheckpointTable for AzureTable {
    async fn scan(
        &self,
        rows: &Rows,
        after: Option<&Continuation>,
        at_most: u32,
    ) -> Result<RowPage, StoreError> {
        let failed = |reason: String| {
            let (Rows::Of { partition: from, .. } | Rows::Partitions(Range { start: from, .. })) = rows;
            StoreError::Scan { from: from.clone(), reason }
        };
        let mut url = self.url(&format!("{TABLE}()"));
        url.set_query(Some(&query(rows, after, at_most)));
        let answer = match self.send_accepting(MINIMAL_METADATA, ONE_PAGE, Method::Get, url, None, None).await
        {
            // No table yet.
            Err(error) if status(&error) == Some(404) => return Ok(RowPage::default()),
            answer => answer.map_err(|error| failed(self.describe(&error)))?,
        };
        let header =
            |name: &'static str| answer.headers().get_optional_string(&HeaderName::from_static(name));
        let next = header("x-ms-continuation-nextpartitionkey").map(|partition| Continuation {
            partition,
            row: header("x-ms-continuation-nextrowkey").filter(|row| !row.is_empty()),
        });
        if next.is_some() && next.as_ref() == after {
            return Err(failed("the answer repeats its continuation: the query would never end".to_owned()));
        }
        let decoded = read_rows(answer.body()).map_err(|error| failed(error.to_string()))?;
        let readable = decoded.into_iter().filter_map(|row| {
            row.inspect_err(
                |(key, error)| tracing::warn!(%key, "skipped a checkpoint row that can't be read: {error}"),
            )
            .ok()
        });
        Ok(RowPage { rows: readable.collect(), next })
    }

    async fn delete(&self, key: &CheckpointKey, expected: &RowVersion) -> Result<(), StoreError> {
        match self.send(Method::Delete, self.entity_url(key), None, Some(expected)).await {
            Ok(_) => Ok(()),
            Err(error) => Err(match status(&error) {
                Some(412 | 404) => StoreError::Conflict { key: key.clone() },
                _ => StoreError::Failed {
                    key: key.clone(),
                    operation: "deleting",
                    reason: self.describe(&error),
                },
            }),
        }
    }
}

/// The service's time in milliseconds since the Unix epoch. Answers that are errors have it too.
fn service_time(answer: &azure_core::Result<RawResponse>) -> Option<u64> {
    let headers = match answer {
        Ok(answer) => answer.headers(),
        Err(error) => match error.kind() {
            ErrorKind::HttpResponse { raw_response: Some(answer), .. } => answer.headers(),
            _ => return None,
        },
    };
    unix_millis(headers.get_optional_str(&HeaderName::from_static("date"))?)
}

fn version(answer: &RawResponse) -> Option<RowVersion> {
    answer.headers().get_optional_string(&HeaderName::from_static("etag")).map(RowVersion)
}
