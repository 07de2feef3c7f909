//! A sender link to the hub, with the connection and the claims that carry it: opened, used, watched, closed.
//!
//! Whatever of it ends (link, session, connection, claim), all of it is given up and opened anew: one way
//! to recover instead of four.

use super::Options;
use super::access::{HubAccess, Token};
use super::address::HubAddress;
use super::attempt::{Attempt, Stage};
use super::claims::Claims;
use super::encode::Payload;
use super::fault::Fault;
use super::guard::LONGEST_FRAME;
use super::stream::{self, CutOnDrop};
use crate::random;
use fe2o3_amqp::connection::ConnectionHandle;
use fe2o3_amqp::link::SendError;
use fe2o3_amqp::link::delivery::DeliveryFut;
use fe2o3_amqp::sasl_profile::SaslProfile;
use fe2o3_amqp::session::SessionHandle;
use fe2o3_amqp::types::messaging::Outcome;
use fe2o3_amqp::{Connection, Sender, Session};
use futures_util::FutureExt as _;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{sleep, timeout};

/// What a link takes that names no `max-message-size`: the limit of every tier above Basic.
/// (Microsoft Learn, "Event Hubs quotas and limits".)
const USUAL_MAX_MESSAGE_SIZE: usize = 1 << 20;

/// How long a session may go on after its connection; it takes microseconds.
const SORTING_OUT: Duration = Duration::from_millis(250);

/// How long a parting may take.
const PARTING: Duration = Duration::from_secs(2);

type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;
/// Resolves when the hub has settled the batch, or the link has ended.
pub(super) type Settlement = DeliveryFut<Result<Outcome, SendError>>;

/// What is needed to open a link, again and again.
pub(super) struct Connector {
    pub(super) address: HubAddress,
    pub(super) access: HubAccess,
    pub(super) options: Options,
}

/// An attached link.
pub(super) struct Link {
    hands: Hands,
    /// The largest transfer that it takes, bytes.
    pub(super) max_message_size: usize,
    authority: Boxed<Fault>,
    session: SessionHandle<()>,
    connection: ConnectionHandle<()>,
    cut: CutOnDrop,
}

/// A sender takes one batch after the other, and waits for credit with it in hand.
enum Hands {
    Free(Box<Sender>),
    Full(Boxed<(Box<Sender>, u64, Result<Settlement, SendError>)>),
    Gone,
}

/// What may happen to a link.
pub(super) enum Event {
    /// The batch of this number is on its way: the link can take the next.
    Transferred(u64, Settlement),
    /// The batch of this number could not be sent; the link is as good as before.
    NotTransferred(u64, Fault),
    /// The link is of no more use.
    Ended(Fault),
}

impl Connector {
    /// Connects, shows a token, attaches. A panic on the way is a fault of this attempt.
    pub(super) async fn open(self: Arc<Self>) -> Result<Link, Fault> {
        let (limit, attempt) = (self.options.connect_timeout, Attempt::default());
        let attached = timeout(limit, Arc::clone(&self).attach(&attempt));
        let fault = match AssertUnwindSafe(attached).catch_unwind().await {
            Ok(Ok(Ok(link))) => return Ok(link),
            Ok(Ok(Err(fault))) => fault,
            Ok(Err(_)) => Fault::Passing(format!("not done within {limit:?}")),
            Err(_) => Fault::panicked(),
        };
        Err(attempt.located(&self.address, fault))
    }

    async fn attach(self: Arc<Self>, attempt: &Attempt) -> Result<Link, Fault> {
        let audience = self.address.audience();
        let connected = async {
            let connected = self.connect(attempt).await?;
            attempt.reach(Stage::Token);
            Ok(connected)
        };
        let token = async {
            let token = self.access.token(&audience, self.options.signature_life).await;
            token.inspect_err(|_| attempt.reach(Stage::Token))
        };
        let ((connection, stream), token) = tokio::try_join!(connected, token)?;
        let cut = stream.cut();
        // The library does not always end what waits for an answer on a connection that is gone.
        let lost = async {
            cut.silent().await;
            sleep(SORTING_OUT).await;
            Err(Fault::Passing("the connection was lost".to_owned()))
        };
        let link = tokio::select! {
            link = self.claim_and_attach(connection, stream, audience, token, attempt) => link,
            lost = lost => lost,
        };
        link.map_err(|fault| cut.cause(fault))
    }

    async fn claim_and_attach(
        self: Arc<Self>,
        mut connection: ConnectionHandle<()>,
        cut: CutOnDrop,
        audience: String,
        token: Token,
        attempt: &Attempt,
    ) -> Result<Link, Fault> {
        let mut claims = Claims::present(&mut connection, audience, &token).await?;
        attempt.reach(Stage::Attach);
        let mut session = Session::begin(&mut connection).await?;
        let sender = Sender::attach(
            &mut session,
            format!("flowlog-forwarder-{}", random::id()),
            self.address.hub.as_str(),
        )
        .await?;
        let max_message_size = sender
            .max_message_size()
            .map_or(USUAL_MAX_MESSAGE_SIZE, |size| usize::try_from(size).unwrap_or(usize::MAX));
        let authority = Box::pin(async move { claims.keep(&self, token).await });
        Ok(Link {
            hands: Hands::Free(Box::new(sender)),
            max_message_size,
            authority,
            session,
            connection,
            cut,
        })
    }

    async fn connect(&self, attempt: &Attempt) -> Result<(ConnectionHandle<()>, CutOnDrop), Fault> {
        let (stream, cut) = stream::connect(&self.address, attempt).await?;
        let idle = u32::try_from(self.options.idle_timeout.as_millis()).unwrap_or(u32::MAX);
        let connection = Connection::builder()
            .container_id(format!("flowlog-forwarder-{}", random::id()))
            .hostname(self.address.host.as_str())
            .max_frame_size(LONGEST_FRAME)
            .sasl_profile(SaslProfile::Anonymous)
            .idle_time_out(idle)
            .open_with_stream(stream)
            .await
            .map_err(|error| cut.cut().cause(Fault::from(error)))?;
        Ok((connection, cut))
    }
}

impl Link {
    /// Whether it can take a batch now.
    pub(super) fn is_free(&self) -> bool {
        matches!(self.hands, Hands::Free(_))
    }

    /// Takes the batch called `number`; does nothing unless [`Link::is_free`].
    pub(super) fn transfer(&mut self, number: u64, payload: Arc<Payload>) {
        self.hands = match std::mem::replace(&mut self.hands, Hands::Gone) {
            Hands::Free(mut sender) => Hands::Full(Box::pin(async move {
                let result = match &*payload {
                    Payload::One(message) => sender.send_batchable_ref(message).await,
                    Payload::Many(messages) => sender.send_batchable_ref(messages).await,
                };
                (sender, number, result)
            })),
            other => other,
        };
    }

    /// Waits for what happens next. Can be dropped and called again without missing anything.
    pub(super) async fn event(&mut self) -> Event {
        let Self { hands, authority, session, connection, cut, .. } = self;
        let next = Self::next_event(hands, authority, session, connection);
        match AssertUnwindSafe(next).catch_unwind().await {
            Ok(Event::Ended(fault)) => Event::Ended(cut.cut().cause(fault)),
            Ok(event) => event,
            Err(_) => Event::Ended(Fault::panicked()),
        }
    }

    async fn next_event(
        hands: &mut Hands,
        authority: &mut Boxed<Fault>,
        session: &mut SessionHandle<()>,
        connection: &mut ConnectionHandle<()>,
    ) -> Event {
        tokio::select! {
            event = hands.event() => event,
            fault = authority => Event::Ended(fault),
            end = session.on_end() => Event::Ended(
                end.err().map_or_else(|| Fault::Passing("the session ended".to_owned()), Fault::from),
            ),
            end = connection.on_close() => Event::Ended(
                end.err().map_or_else(|| Fault::Passing("the connection ended".to_owned()), Fault::from),
            ),
        }
    }

    /// Once the link has ended: waits until the answers that had come by then are sorted out, a moment at most.
    ///
    /// `fe2o3-amqp` reads frames in one task and works through a session's in another, so that a connection
    /// may be known to be lost before the last settlements that came over it are.
    pub(super) async fn settle_down(&mut self) {
        if self.connection.is_closed() {
            let _ = timeout(SORTING_OUT, self.session.on_end()).await;
        }
    }

    /// Says good-bye as the protocol has it, if the other side still listens.
    pub(super) async fn close(self) {
        let Self { hands, session, mut connection, cut, authority, .. } = self;
        let parting = async {
            if let Hands::Free(sender) = hands {
                let _ = sender.close().await;
            }
            let _ = connection.close().await;
        };
        let _ = timeout(PARTING, parting).await;
        drop((authority, session, connection, cut));
    }
}

impl Hands {
    async fn event(&mut self) -> Event {
        match self {
            Self::Free(sender) => Event::Ended(Fault::from(&sender.on_detach().await)),
            Self::Full(transfer) => {
                let (sender, number, result) = transfer.await;
                *self = Self::Free(sender);
                match result {
                    Ok(settlement) => Event::Transferred(number, settlement),
                    Err(error) if Fault::spares_the_link(&error) => {
                        Event::NotTransferred(number, Fault::from(&error))
                    }
                    Err(error) => Event::Ended(Fault::from(&error)),
                }
            }
            Self::Gone => Event::Ended(Fault::Passing("the link is gone".to_owned())),
        }
    }
}
