//! The connection's standing with the service: its tokens, shown and renewed in time.

use super::access::Token;
use super::cbs::Cbs;
use super::fault::Fault;
use super::link::Connector;
use fe2o3_amqp::Session;
use fe2o3_amqp::connection::ConnectionHandle;
use fe2o3_amqp::session::SessionHandle;
use std::future::pending;
use std::time::{Duration, SystemTime};
use tokio::time::{sleep, timeout};

/// After a failed renewal, while the old token lives. (Microsoft's Rust client waits as long.)
const RENEWAL_RETRY: Duration = Duration::from_secs(30);

/// However little life the old token has left.
const SHORTEST_RETRY: Duration = Duration::from_millis(200);

/// The connection's standing with the service: a session of its own for the links to `$cbs`.
pub(super) struct Claims {
    session: SessionHandle<()>,
    /// None after a failure: the next attempt gets new links.
    cbs: Option<Cbs>,
    audience: String,
}

impl Claims {
    pub(super) async fn present(
        connection: &mut ConnectionHandle<()>,
        audience: String,
        token: &Token,
    ) -> Result<Self, Fault> {
        let mut session = Session::begin(connection).await?;
        let mut cbs = Cbs::attach(&mut session).await?;
        cbs.put_token(&audience, token).await?;
        Ok(Self { session, cbs: Some(cbs), audience })
    }

    /// Renews the token in time, for as long as that works; returns why it no longer did.
    pub(super) async fn keep(&mut self, connector: &Connector, mut token: Token) -> Fault {
        let renewable = connector.access.is_renewable();
        let Some(mut wait) = token.renew_in(SystemTime::now()).filter(|_| renewable) else {
            // Nothing to renew: the service ends the link when the token is no longer accepted.
            return pending().await;
        };
        loop {
            sleep(wait).await;
            let renewal = timeout(connector.options.connect_timeout, self.renew(connector)).await;
            wait = match renewal.unwrap_or_else(|_| Err(Fault::Passing("no answer in time".to_owned()))) {
                Ok(renewed) => {
                    token = renewed;
                    token.renew_in(SystemTime::now()).unwrap_or(RENEWAL_RETRY)
                }
                Err(fault) => {
                    let left = token.life_left(SystemTime::now()).unwrap_or_default();
                    if left.is_zero() {
                        return fault;
                    }
                    tracing::warn!(hub = %connector.address, reason = fault.reason(), ?left, "token not renewed");
                    RENEWAL_RETRY.min(left / 2).max(SHORTEST_RETRY)
                }
            };
        }
    }

    async fn renew(&mut self, connector: &Connector) -> Result<Token, Fault> {
        let token = connector.access.token(&self.audience, connector.options.signature_life).await?;
        let mut cbs = match self.cbs.take() {
            Some(cbs) => cbs,
            None => Cbs::attach(&mut self.session).await?,
        };
        cbs.put_token(&self.audience, &token).await?;
        self.cbs = Some(cbs);
        Ok(token)
    }
}
