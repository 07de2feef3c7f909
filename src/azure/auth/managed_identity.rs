//! Tokens of managed identities.

use super::token_cache::TokenCache;
use crate::azure::http::{BodyLimit, client_builder, limited_transport};
use crate::config::Identity;
use azure_core::credentials::TokenCredential;
use azure_core::error::{Error, ErrorKind};
use azure_core::http::{ClientOptions, ExponentialRetryOptions, RetryOptions};
use azure_identity::{ManagedIdentityCredential, ManagedIdentityCredentialOptions, UserAssignedId};
use std::sync::Arc;
use url::Url;

/// A token has a few thousand characters.
const ANSWER_LIMIT: BodyLimit = BodyLimit { bytes: 64 << 10, what: "a token" };

/// The instance metadata service of a virtual machine.
/// (Microsoft Learn, "How to use managed identities on an Azure VM".)
const METADATA_SERVICE: &str = "169.254.169.254";

/// Tokens for `scope` of `identity`: the system-assigned one, or the user-assigned one that it names.
/// Fetches nothing yet.
///
/// Under Functions the identity endpoint is App Service's (`IDENTITY_ENDPOINT` and `IDENTITY_HEADER` in the
/// environment); on a virtual machine it is the instance metadata service. Both are local, so that requests to
/// them bypass any proxy.
///
/// # Errors
/// When the environment names an identity service that the SDK does not support, or the HTTP client can't be
/// set up.
pub fn tokens(identity: &Identity, scope: &'static str) -> azure_core::Result<Arc<TokenCache>> {
    let http = client_builder()
        .no_proxy()
        .build()
        .map_err(|error| Error::with_error(ErrorKind::Other, error, "setting up HTTP"))?;
    let id = identity.client_id.clone().map(UserAssignedId::ClientId);
    let new_credential = move || {
        let client_options = ClientOptions {
            transport: Some(limited_transport(http.clone(), ANSWER_LIMIT)),
            // `TokenCache` retries, with its own back-off.
            retry: RetryOptions::exponential(ExponentialRetryOptions {
                max_retries: 0,
                ..ExponentialRetryOptions::default()
            }),
            ..ClientOptions::default()
        };
        let options = ManagedIdentityCredentialOptions { user_assigned_id: id.clone(), client_options };
        Ok(ManagedIdentityCredential::new(Some(options))? as Arc<dyn TokenCredential>)
    };
    // Reports an unsupported environment now, not with the first token.
    new_credential()?;
    Ok(Arc::new(TokenCache::new(scope, endpoint(), new_credential)))
}

/// Host and port of the endpoint that the SDK asks for tokens.
#[expect(clippy::disallowed_methods, reason = "the platform's variable, not a setting; read for errors only")]
fn endpoint() -> String {
    let url = std::env::var("IDENTITY_ENDPOINT").ok().and_then(|text| Url::parse(&text).ok());
    url.map_or_else(|| METADATA_SERVICE.to_owned(), |url| url.authority().to_owned())
}
