//! What blob and table requests share: the connection pool, retries and authorisation.

use crate::azure::auth::{AccountSas, Bearer, managed_identity};
use crate::azure::http::{BodyLimit, client_builder, describe_error, limited_transport};
use crate::config::StorageAccess;
use azure_core::error::CheckSuccessOptions;
use azure_core::http::policies::Policy;
use azure_core::http::{
    ClientOptions, ExponentialRetryOptions, Pipeline, PipelineSendOptions, RetryOptions, Url,
};
use azure_storage_blob::models::{BlobClientDownloadOptions, HttpRange};
use azure_storage_blob::{BlobServiceClient, BlobServiceClientOptions};
use std::num::NonZero;
use std::ops::Range;
use std::sync::Arc;

/// A few quick retries of transient errors (429, 500, 502, 503, 504, lost connections). Event Grid retries what
/// lasts longer.
const MAX_RETRIES: u32 = 3;
const FIRST_RETRY_DELAY: time::Duration = time::Duration::milliseconds(200);
const MAX_RETRY_DELAY: time::Duration = time::Duration::seconds(2);
const RETRY_FOR: time::Duration = time::Duration::seconds(10);
/// For requests without a limit of their own: writes and deletes, whose answers are nearly empty.
const DEFAULT_LIMIT: BodyLimit = BodyLimit { bytes: 64 << 10, what: "the answer to this request" };
/// The scope of tokens for blobs and tables.
const TOKEN_SCOPE: &str = "https://storage.azure.com/.default";

/// Why a storage client could not be built.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say what the fields are")]
pub enum StorageSetupError {
    /// The account key is not base64.
    #[error(
        "the AccountKey for {account} is not base64: copy it again from the portal, or use a managed identity"
    )]
    Key { account: String },
    /// The identity or the HTTP client could not be set up.
    #[error("{what}: {reason}")]
    Sdk { what: &'static str, reason: String },
}

/// The HTTP client, with its connection pool, of all storage requests.
///
/// # Errors
/// When TLS can't be set up.
pub fn http_client() -> Result<reqwest::Client, StorageSetupError> {
    client_builder()
        .build()
        .map_err(|error| StorageSetupError::Sdk { what: "setting up HTTPS", reason: error.to_string() })
}

/// A pipeline for requests that the SDK's clients do not offer, with the same retries, tokens and logging.
pub(super) fn pipeline(options: ClientOptions) -> Pipeline {
    let (name, version) = (option_env!("CARGO_PKG_NAME"), option_env!("CARGO_PKG_VERSION"));
    Pipeline::new(name, version, options, Vec::new(), Vec::new(), None)
}

/// Options of [`pipeline`] that make a request fail unless its answer has one of `statuses`.
pub(super) fn succeed_on(statuses: &'static [u16]) -> PipelineSendOptions {
    PipelineSendOptions {
        check_success: CheckSuccessOptions { success_codes: statuses },
        ..PipelineSendOptions::default()
    }
}

/// A client for the blob service at `url`. Sends nothing yet; `what` names the step in errors.
pub(super) fn blob_service(
    url: &Url,
    client_options: ClientOptions,
    what: &'static str,
) -> Result<BlobServiceClient, StorageSetupError> {
    let options = BlobServiceClientOptions { client_options, ..BlobServiceClientOptions::default() };
    BlobServiceClient::new(url.clone(), None, Some(options))
        .map_err(|error| StorageSetupError::Sdk { what, reason: describe_error(&error) })
}

/// Downloads `range` in one request; the SDK's default splits it.
pub(super) fn one_request(range: &Range<u64>) -> BlobClientDownloadOptions<'static> {
    let length = range.end.saturating_sub(range.start);
    BlobClientDownloadOptions {
        range: Some(HttpRange::new(range.start, length)),
        partition_size: NonZero::new(usize::try_from(length).unwrap_or(usize::MAX)),
        parallel: Some(NonZero::<usize>::MIN),
        ..BlobClientDownloadOptions::default()
    }
}

/// Options for requests to one account over `http`: retries, limits, and a token or signature for each try.
///
/// # Errors
/// When the key or the identity of `access` can't be used.
pub(super) fn client_options(
    access: &StorageAccess,
    http: &reqwest::Client,
) -> Result<ClientOptions, StorageSetupError> {
    let authorization: Arc<dyn Policy> = match access {
        StorageAccess::Identity(identity) => {
            let tokens =
                managed_identity::tokens(identity, TOKEN_SCOPE).map_err(|error| StorageSetupError::Sdk {
                    what: "setting up the managed identity",
                    reason: describe_error(&error),
                })?;
            Arc::new(Bearer(tokens))
        }
        StorageAccess::Key { account, key } => Arc::new(
            AccountSas::from_key(account, key)
                .map_err(|_| StorageSetupError::Key { account: account.clone() })?,
        ),
        StorageAccess::Sas(sas) => Arc::new(AccountSas::from_signature(sas.clone())),
    };
    Ok(ClientOptions {
        retry: RetryOptions::exponential(ExponentialRetryOptions {
            initial_delay: FIRST_RETRY_DELAY,
            max_delay: MAX_RETRY_DELAY,
            max_retries: MAX_RETRIES,
            max_total_elapsed: RETRY_FOR,
        }),
        transport: Some(limited_transport(http.clone(), DEFAULT_LIMIT)),
        per_try_policies: vec![authorization],
        ..ClientOptions::default()
    })
}
