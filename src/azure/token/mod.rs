//! Tokens of a managed identity: used until they end, and renewed beside that.
//!
//! The SDK's own caches ask for a new token five minutes before the old one ends, and let every request wait
//! for the answer. Here a request waits only when no token is left.

use super::failure;
use azure_core::credentials::{AccessToken, TokenCredential};
use azure_core::time::OffsetDateTime;
use std::fmt;
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

/// How long before its end a token is renewed, unless it lives for less than twice as long.
const RENEWAL_LEAD: Duration = Duration::from_mins(30);
/// How long a request waits when no token is left. Less than the ten seconds that one attempt to reach the hub
/// may take, so that the error names the identity endpoint.
const LONGEST_WAIT: Duration = Duration::from_secs(9);
/// How long one attempt may take.
const ATTEMPT: Duration = Duration::from_secs(5);
/// The wait after a first failure; it doubles with each one that follows.
const FIRST_RETRY: Duration = Duration::from_millis(500);
const LAST_RETRY: Duration = Duration::from_secs(30);
/// A token that has just come is used for this long even if it seems to have ended: this machine's clock may
/// be ahead.
const SHORTEST_LIFE: Duration = Duration::from_secs(1);
/// Failures while the old token lives are logged once in this time.
const BETWEEN_WARNINGS: Duration = Duration::from_mins(1);

/// Makes the credential that is asked. It is made anew for each renewal: the SDK's credentials keep tokens,
/// and would return the old one.
type Source = Arc<dyn Fn() -> azure_core::Result<Arc<dyn TokenCredential>> + Send + Sync>;

/// The tokens of one identity for one scope.
pub struct Tokens(Arc<Shared>);

/// Why there is no token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoToken {
    /// The endpoint gave none in time.
    #[error(
        "gave up after {} s waiting for a token from the identity endpoint {endpoint}; last error: {last}",
        waited.as_secs()
    )]
    InTime {
        /// How long was waited.
        waited: Duration,
        /// The endpoint's host and port.
        endpoint: String,
        /// The last failure.
        last: String,
    },
    /// The endpoint answered that it gives none.
    #[error("the identity endpoint {endpoint} gives no token: {last}")]
    Refused {
        /// The endpoint's host and port.
        endpoint: String,
        /// What it said.
        last: String,
    },
}

struct Shared {
    scope: &'static str,
    endpoint: String,
    source: Source,
    state: watch::Sender<State>,
}

#[derive(Default)]
struct State {
    held: Option<Held>,
    /// A task asks for a new token.
    renewing: bool,
    /// Why the last attempt failed; none after a success.
    failure: Option<Failure>,
}

struct Held {
    token: AccessToken,
    ends: Instant,
    renew_at: Instant,
}

struct Failure {
    text: String,
    /// The endpoint refused: another attempt in the next seconds will not help.
    refused: bool,
}

impl State {
    fn usable(&self) -> Option<&Held> {
        self.held.as_ref().filter(|held| Instant::now() < held.ends)
    }

    fn refused(&self) -> bool {
        self.failure.as_ref().is_some_and(|failure| failure.refused)
    }
}

impl Held {
    fn new(token: AccessToken) -> Self {
        let now = Instant::now();
        let left = Duration::try_from(token.expires_on - OffsetDateTime::now_utc()).unwrap_or_default();
        let left = left.max(SHORTEST_LIFE);
        // Where the endpoint gives the same token again, half of what is left: so it is asked a few times only.
        Self { token, ends: now + left, renew_at: now + left - RENEWAL_LEAD.min(left / 2) }
    }
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokens").field("scope", &self.0.scope).finish_non_exhaustive()
    }
}

impl Tokens {
    /// Tokens for `scope` from the credentials that `source` makes. `endpoint` is what they ask, for errors.
    /// Nothing is asked yet.
    pub fn new(
        scope: &'static str,
        endpoint: String,
        source: impl Fn() -> azure_core::Result<Arc<dyn TokenCredential>> + Send + Sync + 'static,
    ) -> Self {
        let state = watch::Sender::new(State::default());
        Self(Arc::new(Shared { scope, endpoint, source: Arc::new(source), state }))
    }

    /// A token that has not ended. Waits only when there is none, for nine seconds at most.
    ///
    /// # Errors
    /// See [`NoToken`].
    pub async fn get(&self) -> Result<AccessToken, NoToken> {
        let (token, is_due) = {
            let state = self.0.state.borrow();
            let held = state.usable();
            let is_due = held.is_none_or(|held| held.renew_at <= Instant::now());
            (held.map(|held| held.token.clone()), is_due)
        };
        if is_due {
            self.renew();
        }
        match token {
            Some(token) => Ok(token),
            None => self.wait().await,
        }
    }

    /// The service refused `token`: it is renewed, if it is still the one in use.
    pub(super) fn refused(&self, token: &AccessToken) {
        let is_held = |held: &Held| held.token.token.secret() == token.token.secret();
        if self.0.state.borrow().held.as_ref().is_some_and(is_held) {
            self.renew();
        }
    }

    /// Starts the one task that asks for a new token, unless it is under way.
    fn renew(&self) {
        if self.0.state.send_if_modified(|state| !std::mem::replace(&mut state.renewing, true)) {
            tokio::spawn(renewal(Renewing(Arc::downgrade(&self.0))));
        }
    }

    async fn wait(&self) -> Result<AccessToken, NoToken> {
        let mut changes = self.0.state.subscribe();
        let settled = changes.wait_for(|state| state.usable().is_some() || state.refused());
        // The sender lives as long as `self`: what ends the wait early is a change.
        let _ = timeout(LONGEST_WAIT, settled).await;
        let state = self.0.state.borrow();
        if let Some(held) = state.usable() {
            return Ok(held.token.clone());
        }
        let endpoint = self.0.endpoint.clone();
        let last =
            state.failure.as_ref().map_or_else(|| "no answer".to_owned(), |failed| failed.text.clone());
        Err(if state.refused() {
            NoToken::Refused { endpoint, last }
        } else {
            NoToken::InTime { waited: LONGEST_WAIT, endpoint, last }
        })
    }
}

/// However the renewal ends, the next one may begin.
struct Renewing(Weak<Shared>);

impl Drop for Renewing {
    fn drop(&mut self) {
        if let Some(shared) = self.0.upgrade() {
            shared.state.send_modify(|state| state.renewing = false);
        }
    }
}

/// Asks until there is a new token, or nobody is left who could want it.
async fn renewal(renewing: Renewing) {
    let (mut retry, mut warned) = (FIRST_RETRY, None::<Instant>);
    loop {
        let Some((source, scope)) =
            renewing.0.upgrade().map(|shared| (Arc::clone(&shared.source), shared.scope))
        else {
            return;
        };
        let attempt = async { source()?.get_token(&[scope], None).await };
        let outcome = timeout(ATTEMPT, attempt).await;
        let Some(shared) = renewing.0.upgrade() else { return };
        let failure = match outcome {
            Ok(Ok(token)) => {
                return shared.state.send_modify(|state| {
                    state.held = Some(Held::new(token));
                    state.failure = None;
                });
            }
            Ok(Err(error)) => {
                let refused = matches!(failure::status_within(&error), Some(400 | 401 | 403));
                let text = failure::describe(&error);
                let text = text.strip_prefix("no token: ").unwrap_or(&text).to_owned();
                Failure { text, refused }
            }
            Err(_) => Failure { text: format!("no answer within {} s", ATTEMPT.as_secs()), refused: false },
        };
        let left = shared.state.borrow().usable().map(|held| (held.ends - Instant::now()).as_secs());
        if warned.is_none_or(|at| at.elapsed() >= BETWEEN_WARNINGS) {
            warned = Some(Instant::now());
            warn(&shared, &failure, left);
        }
        shared.state.send_modify(|state| state.failure = Some(failure));
        drop(shared);
        sleep(retry).await;
        retry = (retry * 2).min(LAST_RETRY);
    }
}

fn warn(shared: &Shared, failure: &Failure, left: Option<u64>) {
    let Shared { scope, endpoint, .. } = shared;
    let use_of_it = left.map_or_else(
        || "there is none left, and requests that need it fail".to_owned(),
        |seconds| format!("the present one is used until it ends in {seconds} s"),
    );
    let error = &failure.text;
    tracing::warn!("no new token for {scope} from the identity endpoint {endpoint}: {error}; {use_of_it}");
}

#[cfg(test)]
mod tests;
