//! What blob and table requests have in common: the HTTP client, retries and the right to ask.

use super::answer::{Cap, capped};
use super::bearer::Bearer;
use super::credential::tokens;
use super::sas::SasPolicy;
use crate::config::StorageAccess;
use azure_core::http::policies::Policy;
use azure_core::http::{ClientOptions, ExponentialRetryOptions, Pipeline, RetryOptions};
use std::sync::Arc;
use std::time::Duration;

/// One request may take this long to connect: Event Grid waits 30 s for everything together.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// The longest silence within one response.
pub(super) const READ_TIMEOUT: Duration = Duration::from_secs(10);
/// A few quick retries of what passes (429, 500, 502, 503, 504, lost connections); what lasts longer
/// is Event Grid's to retry.
const RETRIES: u32 = 3;
const FIRST_DELAY: time::Duration = time::Duration::milliseconds(200);
const LONGEST_DELAY: time::Duration = time::Duration::seconds(2);
const RETRY_FOR: time::Duration = time::Duration::seconds(10);
/// Answers to requests that state no limit of their own: to writes and deletes, which have next to no body.
const ANSWER: Cap = Cap { bytes: 64 << 10, what: "the answer to this request" };
/// What a token for storage is asked for, blob and table alike.
const SCOPE: &str = "https://storage.azure.com/.default";

/// Why a storage client could not be built.
#[derive(Debug, thiserror::Error)]
pub enum StorageSetupError {
    /// The account key is not base64.
    #[error(
        "the AccountKey for {account} is not base64: copy it again from the portal, or use a managed identity"
    )]
    Key {
        /// The account's address.
        account: String,
    },
    /// The identity or the HTTP client could not be set up.
    #[error("{what}: {reason}")]
    Sdk {
        /// What was being set up.
        what: &'static str,
        /// What the SDK said.
        reason: String,
    },
}

/// The HTTP client that all storage requests of the process share, with its connection pool.
///
/// # Errors
/// When TLS can't be set up.
pub fn http_client() -> Result<reqwest::Client, StorageSetupError> {
    reqwest::Client::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .read_timeout(READ_TIMEOUT)
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .map_err(|error| StorageSetupError::Sdk { what: "setting up HTTPS", reason: error.to_string() })
}

/// A pipeline for requests that no client of the SDK makes, with the retries, tokens and logging of those
/// that it does make.
pub(super) fn pipeline(options: ClientOptions) -> Pipeline {
    let (name, version) = (option_env!("CARGO_PKG_NAME"), option_env!("CARGO_PKG_VERSION"));
    Pipeline::new(name, version, options, Vec::new(), Vec::new(), None)
}

/// How requests to one account are sent and authorised, as `storage_access` says, over `http`: retries,
/// limits, and a token or a signature for each try.
///
/// # Errors
/// When the key or the identity can't be used.
pub fn access(
    storage_access: &StorageAccess,
    http: &reqwest::Client,
) -> Result<ClientOptions, StorageSetupError> {
    let authorization: Arc<dyn Policy> = match storage_access {
        StorageAccess::Identity(identity) => {
            let tokens = tokens(identity, SCOPE).map_err(|error| StorageSetupError::Sdk {
                what: "setting up the managed identity",
                reason: super::failure::describe(&error),
            })?;
            Arc::new(Bearer(tokens))
        }
        StorageAccess::Key { account: name, key } => Arc::new(
            SasPolicy::from_key(name, key).map_err(|_| StorageSetupError::Key { account: name.clone() })?,
        ),
        StorageAccess::Sas(sas) => Arc::new(SasPolicy::from_signature(sas.clone())),
    };
    Ok(ClientOptions {
        retry: RetryOptions::exponential(ExponentialRetryOptions {
            initial_delay: FIRST_DELAY,
            max_delay: LONGEST_DELAY,
            max_retries: RETRIES,
            max_total_elapsed: RETRY_FOR,
        }),
        transport: Some(capped(http.clone(), ANSWER)),
        per_try_policies: vec![authorization],
        ..ClientOptions::default()
    })
}
