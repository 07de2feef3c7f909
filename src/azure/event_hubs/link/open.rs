//! Opens a link: connects, presents a token, attaches.

use super::attached::{DRAIN_TIMEOUT, Link};
use super::config::LinkConfig;
use super::token_renewal::TokenRenewal;
use crate::azure::event_hubs::attempt::{LinkAttempt, Stage};
use crate::azure::event_hubs::auth::CbsToken;
use crate::azure::event_hubs::fault::Fault;
use crate::azure::event_hubs::wire::frame_check::MAX_FRAME_BYTES;
use crate::azure::event_hubs::wire::stream::{self, AbortOnDrop};
use crate::random;
use fe2o3_amqp::connection::ConnectionHandle;
use fe2o3_amqp::sasl_profile::SaslProfile;
use fe2o3_amqp::{Connection, Sender, Session};
use futures_util::FutureExt as _;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use tokio::time::{sleep, timeout};

/// Assumed when the hub names no `max-message-size`: the limit of every tier above Basic.
/// (Microsoft Learn, "Event Hubs quotas and limits".)
const DEFAULT_MAX_MESSAGE_SIZE: usize = 1 << 20;

/// Opens a link within `connect_timeout`. A panic of the AMQP library fails this attempt only.
pub(crate) async fn open_link(config: Arc<LinkConfig>) -> Result<Link, Fault> {
    let (limit, attempt) = (config.options.connect_timeout, LinkAttempt::default());
    let attached = timeout(limit, attach(&config, &attempt));
    let fault = match AssertUnwindSafe(attached).catch_unwind().await {
        Ok(Ok(Ok(link))) => return Ok(link),
        Ok(Ok(Err(fault))) => fault,
        Ok(Err(_)) => Fault::Transient(format!("not done within {limit:?}")),
        Err(_) => Fault::panicked(),
    };
    Err(attempt.add_context(&config.address, fault))
}

async fn attach(config: &Arc<LinkConfig>, attempt: &LinkAttempt) -> Result<Link, Fault> {
    let connected = async {
        let connected = connect(config, attempt).await?;
        attempt.enter(Stage::Token);
        Ok(connected)
    };
    let token = async {
        let token = config.token().await;
        token.inspect_err(|_| attempt.enter(Stage::Token))
    };
    let ((connection, stream), token) = tokio::try_join!(connected, token)?;
    let state = stream.state();
    // The library does not always fail requests that wait for an answer on a lost connection.
    let lost = async {
        state.read_ended().await;
        sleep(DRAIN_TIMEOUT).await;
        Err(Fault::Transient("the connection was lost".to_owned()))
    };
    let link = tokio::select! {
        link = authorize_and_attach(Arc::clone(config), connection, stream, token, attempt) => link,
        lost = lost => lost,
    };
    link.map_err(|fault| state.root_cause(fault))
}

async fn authorize_and_attach(
    config: Arc<LinkConfig>,
    mut connection: ConnectionHandle<()>,
    stream: AbortOnDrop,
    token: CbsToken,
    attempt: &LinkAttempt,
) -> Result<Link, Fault> {
    let audience = config.address.audience();
    let mut renewal = TokenRenewal::authorize(&mut connection, audience, &token).await?;
    attempt.enter(Stage::Attach);
    let mut session = Session::begin(&mut connection).await?;
    let name = format!("flowlog-forwarder-{}", random::id());
    let sender = Sender::attach(&mut session, name, config.address.hub.as_str()).await?;
    let max_message_size = sender
        .max_message_size()
        .map_or(DEFAULT_MAX_MESSAGE_SIZE, |size| usize::try_from(size).unwrap_or(usize::MAX));
    let token_renewal = Box::pin(async move { renewal.run(&config, token).await });
    Ok(Link::new(sender, max_message_size, token_renewal, session, connection, stream))
}

async fn connect(
    config: &LinkConfig,
    attempt: &LinkAttempt,
) -> Result<(ConnectionHandle<()>, AbortOnDrop), Fault> {
    let (stream, abort) = stream::connect(&config.address, attempt).await?;
    let idle = u32::try_from(config.options.idle_timeout.as_millis()).unwrap_or(u32::MAX);
    let connection = Connection::builder()
        .container_id(format!("flowlog-forwarder-{}", random::id()))
        .hostname(config.address.host.as_str())
        .max_frame_size(MAX_FRAME_BYTES)
        .sasl_profile(SaslProfile::Anonymous)
        .idle_time_out(idle)
        .open_with_stream(stream)
        .await
        .map_err(|error| abort.state().root_cause(Fault::from(error)))?;
    Ok((connection, abort))
}
