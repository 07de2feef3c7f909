//! What blob and table requests have in common: the HTTP client, retries and the right to ask.

use super::credential::credential;
use super::sas::SasPolicy;
use crate::config::StorageAccess;
use azure_core::credentials::TokenCredential;
use azure_core::http::policies::Policy;
use azure_core::http::policies::auth::BearerTokenAuthorizationPolicy;
use azure_core::http::{ClientOptions, ExponentialRetryOptions, Pipeline, RetryOptions, Transport};
use std::sync::Arc;
use std::time::Duration;

/// One request may take this long to connect: Event Grid waits 30 s for everything together.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// The longest silence within one response.
const READ_TIMEOUT: Duration = Duration::from_secs(10);
/// A few quick retries of what passes (429, 500, 502, 503, 504, lost connections); what lasts longer
/// is Event Grid's to retry.
const RETRIES: u32 = 3;
const FIRST_DELAY: time::Duration = time::Duration::milliseconds(200);
const LONGEST_DELAY: time::Duration = time::Duration::seconds(2);
const RETRY_FOR: time::Duration = time::Duration::seconds(10);
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

/// How requests to one account are sent and authorised.
pub struct Access {
    /// Retries, transport, and the SAS policy where there is one.
    pub options: ClientOptions,
    /// The managed identity where there is one.
    pub credential: Option<Arc<dyn TokenCredential>>,
}

impl Access {
    /// A pipeline for requests that no client of the SDK makes, with the retries, tokens and logging of
    /// those that it does make.
    pub(super) fn pipeline(&self) -> Pipeline {
        let token = self.credential.clone().map(|credential| {
            Arc::new(BearerTokenAuthorizationPolicy::new(credential, vec![SCOPE])) as Arc<dyn Policy>
        });
        let (name, version) = (option_env!("CARGO_PKG_NAME"), option_env!("CARGO_PKG_VERSION"));
        let options = self.options.clone();
        Pipeline::new(name, version, options, Vec::new(), token.into_iter().collect(), None)
    }
}

/// How to be let in as `storage_access` says, over `http`.
///
/// # Errors
/// When the key or the identity can't be used.
pub fn access(storage_access: &StorageAccess, http: &reqwest::Client) -> Result<Access, StorageSetupError> {
    let mut options = ClientOptions {
        retry: RetryOptions::exponential(ExponentialRetryOptions {
            initial_delay: FIRST_DELAY,
            max_delay: LONGEST_DELAY,
            max_retries: RETRIES,
            max_total_elapsed: RETRY_FOR,
        }),
        transport: Some(Transport::new(Arc::new(http.clone()))),
        ..ClientOptions::default()
    };
    let mut token = None;
    let sas = match storage_access {
        StorageAccess::Identity(identity) => {
            token = Some(credential(identity).map_err(|error| StorageSetupError::Sdk {
                what: "setting up the managed identity",
                reason: super::failure::describe(&error),
            })?);
            None
        }
        StorageAccess::Key { account: name, key } => Some(
            SasPolicy::from_key(name, key).map_err(|_| StorageSetupError::Key { account: name.clone() })?,
        ),
        StorageAccess::Sas(sas) => Some(SasPolicy::from_signature(sas.clone())),
    };
    options.per_try_policies.extend(sas.map(|policy| Arc::new(policy) as Arc<dyn Policy>));
    Ok(Access { options, credential: token })
}
