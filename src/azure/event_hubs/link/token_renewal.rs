//! Keeps a connection authorised: presents its token and renews it before it expires.

use super::config::LinkConfig;
use crate::azure::event_hubs::auth::{Cbs, CbsToken};
use crate::azure::event_hubs::fault::Fault;
use fe2o3_amqp::Session;
use fe2o3_amqp::connection::ConnectionHandle;
use fe2o3_amqp::session::SessionHandle;
use std::future::pending;
use std::time::{Duration, SystemTime};
use tokio::time::{sleep, timeout};

/// The wait after a failed renewal, while the old token is valid. (Microsoft's Rust client waits as long.)
const RETRY_DELAY: Duration = Duration::from_secs(30);
/// The shortest such wait, when the old token is about to expire.
const MIN_RETRY_DELAY: Duration = Duration::from_millis(200);

/// The links to `$cbs`, in a session of their own.
pub(super) struct TokenRenewal {
    session: SessionHandle<()>,
    /// `None` after a failure: the next attempt attaches new links.
    cbs: Option<Cbs>,
    audience: String,
}

impl TokenRenewal {
    /// Presents the first token of `connection`.
    pub(super) async fn authorize(
        connection: &mut ConnectionHandle<()>,
        audience: String,
        token: &CbsToken,
    ) -> Result<Self, Fault> {
        let mut session = Session::begin(connection).await?;
        let mut cbs = Cbs::attach(&mut session).await?;
        cbs.put_token(&audience, token).await?;
        Ok(Self { session, cbs: Some(cbs), audience })
    }

    /// Renews the token until a renewal fails and the old token has expired; returns the failure.
    pub(super) async fn run(&mut self, config: &LinkConfig, mut token: CbsToken) -> Fault {
        let renewable = config.access.is_renewable();
        let Some(mut wait) = token.renew_in(SystemTime::now()).filter(|_| renewable) else {
            // The service ends the link when it no longer accepts the token.
            return pending().await;
        };
        loop {
            sleep(wait).await;
            let renewal = timeout(config.options.connect_timeout, self.renew(config)).await;
            wait = match renewal.unwrap_or_else(|_| Err(Fault::Transient("no answer in time".to_owned()))) {
                Ok(renewed) => {
                    token = renewed;
                    token.renew_in(SystemTime::now()).unwrap_or(RETRY_DELAY)
                }
                Err(fault) => {
                    let left = token.remaining_life(SystemTime::now()).unwrap_or_default();
                    if left.is_zero() {
                        return fault;
                    }
                    tracing::warn!(
                        hub = %config.address,
                        reason = fault.reason(),
                        valid_for_s = left.as_secs(),
                        "token for the event hub not renewed: retrying while the old one is valid"
                    );
                    RETRY_DELAY.min(left / 2).max(MIN_RETRY_DELAY)
                }
            };
        }
    }

    async fn renew(&mut self, config: &LinkConfig) -> Result<CbsToken, Fault> {
        let token = config.token().await?;
        let mut cbs = match self.cbs.take() {
            Some(cbs) => cbs,
            None => Cbs::attach(&mut self.session).await?,
        };
        cbs.put_token(&self.audience, &token).await?;
        self.cbs = Some(cbs);
        Ok(token)
    }
}
