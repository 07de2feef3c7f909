//! Authorises storage requests with tokens of a managed identity.

use super::token_cache::TokenCache;
use async_trait::async_trait;
use azure_core::Error;
use azure_core::error::ErrorKind;
use azure_core::http::policies::{Policy, PolicyResult};
use azure_core::http::{Context, Request, StatusCode};
use std::sync::Arc;

/// Sets the `Authorization` header of each try.
#[derive(Debug)]
pub(crate) struct Bearer(pub(crate) Arc<TokenCache>);

#[async_trait]
impl Policy for Bearer {
    #[expect(elided_lifetimes_in_paths, reason = "the trait was expanded from a signature that elides them")]
    async fn send(&self, ctx: &Context, request: &mut Request, next: &[Arc<dyn Policy>]) -> PolicyResult {
        if request.url().scheme() != "https" {
            return Err(Error::with_message(ErrorKind::Other, "refusing to send a token without https"));
        }
        let token = self.0.get().await;
        let token = token.map_err(|error| Error::with_error(ErrorKind::Credential, error, "no token"))?;
        request.insert_header("authorization", format!("Bearer {}", token.token.secret()));
        let answer = next[0].send(ctx, request, &next[1..]).await?;
        if answer.status() == StatusCode::Unauthorized {
            self.0.reject(&token);
        }
        Ok(answer)
    }
}
