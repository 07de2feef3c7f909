//! One storage account that holds flow logs.

use super::client::{StorageSetupError, blob_service, client_options, pipeline, succeed_on};
use super::error_context::ErrorContext;
use crate::azure::http::BodyLimit;
use crate::config::StorageAccount;
use azure_core::Error;
use azure_core::http::{Context, Method, Pipeline, RawResponse, Request, Url};
use azure_storage_blob::BlobServiceClient;

/// The version of the Blob service for our own requests. The first that percent-encodes names that XML can't
/// hold, and says so, is 2021-02-12.
const API_VERSION: &str = "2022-11-02";

pub(super) struct Account {
    pub(super) url: Url,
    pub(super) client: BlobServiceClient,
    pipeline: Pipeline,
    errors: ErrorContext,
}

impl Account {
    /// A client for `account` over the connection pool of `http`. Sends nothing yet.
    pub(super) fn new(account: &StorageAccount, http: &reqwest::Client) -> Result<Self, StorageSetupError> {
        let client_options = client_options(&account.access, http)?;
        let (url, pipeline) = (account.blob_service.clone(), pipeline(client_options.clone()));
        let client = blob_service(&url, client_options, "setting up the blob client")?;
        let errors = ErrorContext::new(&account.access, "FLOWLOG_STORAGE", "Storage Blob Data Reader");
        Ok(Self { url, client, pipeline, errors })
    }

    /// Gets an XML document with an operation that the SDK's client lacks.
    pub(super) async fn get_xml(&self, url: Url, limit: BodyLimit) -> azure_core::Result<RawResponse> {
        let mut request = Request::new(url, Method::Get);
        request.insert_header("accept", "application/xml");
        request.insert_header("x-ms-version", API_VERSION);
        self.pipeline.send(&Context::new().with_value(limit), &mut request, Some(succeed_on(&[200]))).await
    }

    /// The text of `error`, of a request about `container`.
    pub(super) fn describe(&self, container: &str, error: &Error) -> String {
        self.errors.describe(&format!("{}/{container}", self.url.as_str().trim_end_matches('/')), error)
    }
}
