//! Caches the token of a managed identity and renews it in the background.
//!
//! The SDK's own caches ask for a new token five minutes before the old one expires, and every request waits
//! for the answer. Here a request waits only when there is no valid token.

use crate::azure::http::{describe_error, status_within};
use crate::backoff::Backoff;
use azure_core::credentials::{AccessToken, TokenCredential};
use azure_core::time::OffsetDateTime;
use std::fmt;
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

/// How long before it expires a token is renewed; a token that is valid for less than twice as long is renewed
/// at half of its life.
const RENEWAL_LEAD: Duration = Duration::from_mins(30);
/// How long a request waits when there is no valid token. Below the 10 s of one attempt to open a link to the
/// hub, so that the error names the identity endpoint.
const MAX_WAIT: Duration = Duration::from_secs(9);
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(5);
const RETRY: Backoff = Backoff::new(Duration::from_millis(500), Duration::from_secs(30));
/// A new token is used for at least this long, even if it looks expired: this machine's clock may be ahead.
const MIN_LIFE: Duration = Duration::from_secs(1);
/// Failed renewals are logged at most this often.
const WARNING_INTERVAL: Duration = Duration::from_mins(1);

/// Makes a credential. Each renewal makes a new one: the SDK's credentials cache tokens and would return the old
/// one.
type NewCredential = Arc<dyn Fn() -> azure_core::Result<Arc<dyn TokenCredential>> + Send + Sync>;

/// The token of one identity for one scope.
pub struct TokenCache(Arc<Shared>);

/// Why there is no token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "`endpoint` is host and port, `last` the last failure or answer")]
pub enum NoToken {
    /// The endpoint gave no token in time.
    #[error(
        "gave up after {} s waiting for a token from the identity endpoint {endpoint}; last error: {last}",
        waited.as_secs()
    )]
    TimedOut { waited: Duration, endpoint: String, last: String },
    /// The endpoint refused to give a token.
    #[error("the identity endpoint {endpoint} refused to give a token: {last}")]
    Refused { endpoint: String, last: String },
}

struct Shared {
    scope: &'static str,
    endpoint: String,
    new_credential: NewCredential,
    state: watch::Sender<State>,
}

#[derive(Default)]
struct State {
    cached: Option<Cached>,
    /// A task is asking for a new token.
    renewing: bool,
    /// Why the last attempt failed; `None` after a success.
    failure: Option<Failure>,
}

struct Cached {
    token: AccessToken,
    expires: Instant,
    renew_at: Instant,
}

struct Failure {
    reason: String,
    /// The endpoint refused: another attempt within seconds will not help.
    refused: bool,
}

impl State {
    fn valid(&self) -> Option<&Cached> {
        self.cached.as_ref().filter(|cached| Instant::now() < cached.expires)
    }

    fn is_refused(&self) -> bool {
        self.failure.as_ref().is_some_and(|failure| failure.refused)
    }
}

impl Cached {
    fn new(token: AccessToken) -> Self {
        let now = Instant::now();
        let left = Duration::try_from(token.expires_on - OffsetDateTime::now_utc()).unwrap_or_default();
        let left = left.max(MIN_LIFE);
        // The endpoint may return the same token again: at half of the remaining life it is asked a few times only.
        Self { token, expires: now + left, renew_at: now + left - RENEWAL_LEAD.min(left / 2) }
    }
}

impl fmt::Debug for TokenCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenCache").field("scope", &self.0.scope).finish_non_exhaustive()
    }
}

impl TokenCache {
    /// Tokens for `scope` from the credentials that `new_credential` makes. `endpoint` names in errors the
    /// service that they ask. Fetches nothing yet.
    pub fn new(
        scope: &'static str,
        endpoint: String,
        new_credential: impl Fn() -> azure_core::Result<Arc<dyn TokenCredential>> + Send + Sync + 'static,
    ) -> Self {
        let state = watch::Sender::new(State::default());
        Self(Arc::new(Shared { scope, endpoint, new_credential: Arc::new(new_credential), state }))
    }

    /// A valid token. Waits only when there is none, for at most nine seconds.
    ///
    /// # Errors
    /// See [`NoToken`].
    pub async fn get(&self) -> Result<AccessToken, NoToken> {
        let (token, is_due) = {
            let state = self.0.state.borrow();
            let cached = state.valid();
            let is_due = cached.is_none_or(|cached| cached.renew_at <= Instant::now());
            (cached.map(|cached| cached.token.clone()), is_due)
        };
        if is_due {
            self.renew();
        }
        match token {
            Some(token) => Ok(token),
            None => self.wait_for_token().await,
        }
    }

    /// Renews `token`, which a service refused, unless it was renewed already.
    pub(crate) fn reject(&self, token: &AccessToken) {
        let is_current = |cached: &Cached| cached.token.token.secret() == token.token.secret();
        if self.0.state.borrow().cached.as_ref().is_some_and(is_current) {
            self.renew();
        }
    }

    /// Starts the task that asks for a new token, unless it is running.
    fn renew(&self) {
        if self.0.state.send_if_modified(|state| !std::mem::replace(&mut state.renewing, true)) {
            tokio::spawn(run_renewal(RenewalGuard(Arc::downgrade(&self.0))));
        }
    }

    async fn wait_for_token(&self) -> Result<AccessToken, NoToken> {
        let mut changes = self.0.state.subscribe();
        let settled = changes.wait_for(|state| state.valid().is_some() || state.is_refused());
        // The sender lives as long as `self`, so that only a change of state ends the wait early.
        let _ = timeout(MAX_WAIT, settled).await;
        let state = self.0.state.borrow();
        if let Some(cached) = state.valid() {
            return Ok(cached.token.clone());
        }
        let endpoint = self.0.endpoint.clone();
        let last =
            state.failure.as_ref().map_or_else(|| "no answer".to_owned(), |failure| failure.reason.clone());
        Err(if state.is_refused() {
            NoToken::Refused { endpoint, last }
        } else {
            NoToken::TimedOut { waited: MAX_WAIT, endpoint, last }
        })
    }
}

/// Allows the next renewal when this one ends, even by a panic.
struct RenewalGuard(Weak<Shared>);

impl Drop for RenewalGuard {
    fn drop(&mut self) {
        if let Some(shared) = self.0.upgrade() {
            shared.state.send_modify(|state| state.renewing = false);
        }
    }
}

/// Asks until there is a new token, or the cache is dropped.
async fn run_renewal(guard: RenewalGuard) {
    let (mut failures, mut warned) = (0, None::<Instant>);
    loop {
        let Some((new_credential, scope)) =
            guard.0.upgrade().map(|shared| (Arc::clone(&shared.new_credential), shared.scope))
        else {
            return;
        };
        let attempt = async { new_credential()?.get_token(&[scope], None).await };
        let outcome = timeout(ATTEMPT_TIMEOUT, attempt).await;
        let Some(shared) = guard.0.upgrade() else { return };
        let failure = match outcome {
            Ok(Ok(token)) => {
                return shared.state.send_modify(|state| {
                    state.cached = Some(Cached::new(token));
                    state.failure = None;
                });
            }
            Ok(Err(error)) => {
                let refused = matches!(status_within(&error), Some(400 | 401 | 403));
                let text = describe_error(&error);
                let reason = text.strip_prefix("no token: ").unwrap_or(&text).to_owned();
                Failure { reason, refused }
            }
            Err(_) => Failure {
                reason: format!("no answer within {} s", ATTEMPT_TIMEOUT.as_secs()),
                refused: false,
            },
        };
        let left = shared.state.borrow().valid().map(|cached| (cached.expires - Instant::now()).as_secs());
        if warned.is_none_or(|at| at.elapsed() >= WARNING_INTERVAL) {
            warned = Some(Instant::now());
            warn(&shared, &failure, left);
        }
        shared.state.send_modify(|state| state.failure = Some(failure));
        drop(shared);
        sleep(RETRY.delay(failures)).await;
        failures += 1;
    }
}

fn warn(shared: &Shared, failure: &Failure, left: Option<u64>) {
    let Shared { scope, endpoint, .. } = shared;
    let consequence = left.map_or_else(
        || "no valid token is left: requests that need one fail".to_owned(),
        |seconds| format!("the current token is valid for {seconds} s more"),
    );
    let reason = &failure.reason;
    tracing::warn!("token for {scope} not renewed: identity endpoint {endpoint}: {reason}; {consequence}");
}

#[cfg(test)]
mod tests;
