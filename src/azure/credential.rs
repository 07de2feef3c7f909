//! Managed identities.

use super::answer::{Cap, capped};
use super::storage::{CONNECT_TIMEOUT, READ_TIMEOUT};
use super::token::Tokens;
use crate::config::Identity;
use azure_core::credentials::TokenCredential;
use azure_core::error::{Error, ErrorKind};
use azure_core::http::{ClientOptions, ExponentialRetryOptions, RetryOptions};
use azure_identity::{ManagedIdentityCredential, ManagedIdentityCredentialOptions, UserAssignedId};
use std::sync::Arc;
use url::Url;

/// A token has a few thousand characters.
const ANSWER: Cap = Cap { bytes: 64 << 10, what: "a token" };

/// Where a virtual machine asks. (Microsoft Learn, "How to use managed identities on an Azure VM".)
const MACHINE_ENDPOINT: &str = "169.254.169.254";

/// Tokens for `scope` of `identity`: the system-assigned one, or the user-assigned one that it names.
/// No token is fetched yet.
///
/// Under Functions the identity endpoint is App Service's (`IDENTITY_ENDPOINT` and
/// `IDENTITY_HEADER` in the environment); on a virtual machine it is the instance metadata service. Both
/// are local, and are never asked through a proxy.
///
/// # Errors
/// When the environment names an identity service that the SDK does not support, or HTTP can't be set up.
pub fn tokens(identity: &Identity, scope: &'static str) -> azure_core::Result<Arc<Tokens>> {
    let http = reqwest::Client::builder()
        .no_proxy()
        .connect_timeout(CONNECT_TIMEOUT)
        .read_timeout(READ_TIMEOUT)
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .map_err(|error| Error::with_error(ErrorKind::Other, error, "setting up HTTP"))?;
    let id = identity.client_id.clone().map(UserAssignedId::ClientId);
    let source = move || {
        let client_options = ClientOptions {
            transport: Some(capped(http.clone(), ANSWER)),
            // `Tokens` tries again, at its own pace.
            retry: RetryOptions::exponential(ExponentialRetryOptions {
                max_retries: 0,
                ..ExponentialRetryOptions::default()
            }),
            ..ClientOptions::default()
        };
        let options = ManagedIdentityCredentialOptions { user_assigned_id: id.clone(), client_options };
        Ok(ManagedIdentityCredential::new(Some(options))? as Arc<dyn TokenCredential>)
    };
    source()?;
    Ok(Arc::new(Tokens::new(scope, endpoint(), source)))
}

/// Host and port that the SDK asks.
#[expect(clippy::disallowed_methods, reason = "the platform's variable, not a setting; read for errors only")]
fn endpoint() -> String {
    let url = std::env::var("IDENTITY_ENDPOINT").ok().and_then(|text| Url::parse(&text).ok());
    url.map_or_else(|| MACHINE_ENDPOINT.to_owned(), |url| url.authority().to_owned())
}
