//! Shows a token of the managed identity with each storage request.

use super::token::Tokens;
use async_trait::async_trait;
use azure_core::Error;
use azure_core::error::ErrorKind;
use azure_core::http::policies::{Policy, PolicyResult};
use azure_core::http::{Context, Request, StatusCode};
use std::sync::Arc;

/// Sets the header `Authorization` of each try.
#[derive(Debug)]
pub(super) struct Bearer(pub(super) Arc<Tokens>);

#[async_trait]
impl Policy for Bearer {
    #[expect(elided_lifetimes_in_paths, reason = "the trait was expanded from a signature that elides them")]
    async fn send(&self, ctx: &Context, request: &mut Request, next: &[Arc<dyn Policy>]) -> PolicyResult {
        if request.url().scheme() != "https" {
            return Err(Error::with_message(ErrorKind::Other, "a token travels over https only"));
        }
        let token = self.0.get().await;
        let token = token.map_err(|error| Error::with_error(ErrorKind::Credential, error, "no token"))?;
        request.insert_header("authorization", format!("Bearer {}", token.token.secret()));
        let answer = next[0].send(ctx, request, &next[1..]).await?;
        if answer.status() == StatusCode::Unauthorized {
            self.0.refused(&token);
        }
        Ok(answer)
    }
}
