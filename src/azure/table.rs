//! Checkpoints in an Azure Table, one entity per blob.
//!
//! There is no stable table crate from Microsoft for Rust, and five operations are all it takes:
//! get, insert-if-absent, replace-if-unchanged, and for the sweep query and delete. They go through the SDK's own pipeline, so that
//! retries, tokens and logging are those of every other request.
//! Source of the protocol: REST reference of the Table service.

use super::answer::Cap;
use super::asked::Asked;
use super::failure;
use super::query::{literal, query};
use super::storage::{StorageSetupError, access, pipeline};
use crate::checkpoint::Checkpoint;
use crate::clock::Clock;
use crate::config::CheckpointStorage;
use crate::flow_log::CheckpointKey;
use crate::ports::checkpoints::{
    CheckpointStore, CheckpointTable, Continuation, RowPage, RowVersion, Rows, StoreError,
};
use azure_core::error::{CheckSuccessOptions, ErrorKind};
use azure_core::http::headers::{HeaderName, HeaderValue, Headers};
use azure_core::http::{Context, Method, Pipeline, PipelineSendOptions, RawResponse, Request, Url};
use std::ops::Range;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;

use super::entity::Entity;

/// The table's name in the checkpoint account.
pub const TABLE: &str = "flowlogcheckpoints";
/// The first version of the Table service that takes Entra tokens.
const API_VERSION: &str = "2020-12-06";
/// One entity, whose version is in a header.
const NO_METADATA: &str = "application/json;odata=nometadata";
/// Several entities, each with its version.
const VERSIONS: &str = "application/json;odata=minimalmetadata";

/// A row takes about a kilobyte.
const ONE_ROW: Cap = Cap { bytes: 64 << 10, what: "a row of the table flowlogcheckpoints" };
/// A page has at most 1,000 rows. (REST reference, *Query timeout and pagination*.)
const ONE_PAGE: Cap = Cap { bytes: 3 << 20, what: "a page of the table flowlogcheckpoints" };

/// The checkpoint table.
#[derive(Clone, Debug)]
pub struct AzureTable {
    service: Url,
    pipeline: Pipeline,
    asked: Asked,
    clock: Option<Clock>,
}

impl AzureTable {
    /// The table in `account`. Nothing is sent yet; the table is created when it is first needed.
    ///
    /// # Errors
    /// When the account's key or identity can't be used.
    pub fn new(account: &CheckpointStorage, http: &reqwest::Client) -> Result<Self, StorageSetupError> {
        let pipeline = pipeline(access(&account.access, http)?);
        let role = "Storage Table Data Contributor";
        let asked = Asked::with(&account.access, "CHECKPOINT_STORAGE or AzureWebJobsStorage", role);
        Ok(Self { service: account.table_service.clone(), pipeline, asked, clock: None })
    }

    /// The same table, which tells `clock` the service's time with each answer.
    #[must_use]
    pub fn with_clock(self, clock: Clock) -> Self {
        Self { clock: Some(clock), ..self }
    }

    /// What `error` says of a request to this table.
    fn told(&self, error: &azure_core::Error) -> String {
        self.asked.told(self.url(TABLE).as_str(), error)
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
        self.send_for(NO_METADATA, ONE_ROW, method, url, body, if_match).await
    }

    async fn send_for(
        &self,
        accept: &'static str,
        cap: Cap,
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
        let options = PipelineSendOptions {
            check_success: CheckSuccessOptions { success_codes: &[200, 201, 204] },
            ..PipelineSendOptions::default()
        };
        let answer = self.pipeline.send(&Context::new().with_value(cap), &mut request, Some(options)).await;
        if let Some(clock) = &self.clock
            && let Some(time) = time_of(&answer)
        {
            clock.observe(time);
        }
        answer
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
            Err(error) => Err(failed(self.told(&error))),
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
                _ => failed(self.told(&error)),
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
        let answer = match self.send_for(VERSIONS, ONE_PAGE, Method::Get, url, None, None).await {
            // No table yet.
            Err(error) if failure::status(&error) == Some(404) => return Ok(RowPage::default()),
            answer => answer.map_err(|error| failed(self.told(&error)))?,
        };
        let header =
            |name: &'static str| answer.headers().get_optional_string(&HeaderName::from_static(name));
        let next = header("x-ms-continuation-nextpartitionkey").map(|partition| Continuation {
            partition,
            row: header("x-ms-continuation-nextrowkey").filter(|row| !row.is_empty()),
        });
        if next.is_some() && next.as_ref() == after {
            return Err(failed("the page's continuation is its own: the query would never end".to_owned()));
        }
        let decoded = Entity::decode_all(answer.body()).map_err(|error| failed(error.to_string()))?;
        let readable = decoded.into_iter().filter_map(|row| {
            row.inspect_err(|(key, error)| tracing::warn!(%key, "a checkpoint can't be read: {error}")).ok()
        });
        Ok(RowPage { rows: readable.collect(), next })
    }

    async fn delete(&self, key: &CheckpointKey, expected: &RowVersion) -> Result<(), StoreError> {
        match self.send(Method::Delete, self.entity_url(key), None, Some(expected)).await {
            Ok(_) => Ok(()),
            Err(error) => Err(match failure::status(&error) {
                Some(412 | 404) => StoreError::Conflict { key: key.clone() },
                _ => {
                    StoreError::Failed { key: key.clone(), operation: "deleting", reason: self.told(&error) }
                }
            }),
        }
    }
}

/// The service's time in milliseconds since the Unix epoch, whether it has done what was asked or not.
fn time_of(answer: &azure_core::Result<RawResponse>) -> Option<u64> {
    let headers = match answer {
        Ok(answer) => answer.headers(),
        Err(error) => match error.kind() {
            ErrorKind::HttpResponse { raw_response: Some(answer), .. } => answer.headers(),
            _ => return None,
        },
    };
    date(headers)
}

fn date(headers: &Headers) -> Option<u64> {
    let text = headers.get_optional_str(&HeaderName::from_static("date"))?;
    // The form of HTTP's dates is one of those that RFC 2822 allows.
    let time = OffsetDateTime::parse(text, &Rfc2822).ok()?;
    u64::try_from(time.unix_timestamp()).ok()?.checked_mul(1_000)
}

fn version(answer: &RawResponse) -> Option<RowVersion> {
    answer.headers().get_optional_string(&HeaderName::from_static("etag")).map(RowVersion)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_date_of_an_answer_is_the_services_time() {
        let of = |text: &'static str| {
            let mut headers = Headers::new();
            headers.insert("date", text);
            date(&headers)
        };
        assert_eq!(of("Sun, 06 Nov 1994 08:49:37 GMT"), Some(784_111_777_000));
        for none in ["", "yesterday", "Sun, 06 Nov 1914 08:49:37 GMT", "784111777"] {
            assert_eq!(of(none), None, "{none}");
        }
        assert_eq!(date(&Headers::new()), None);
    }
}
