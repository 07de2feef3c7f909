//! An attached link: sends batches, reports what happens to it, closes.

use crate::azure::event_hubs::fault::Fault;
use crate::azure::event_hubs::wire::encode::Payload;
use crate::azure::event_hubs::wire::stream::AbortOnDrop;
use fe2o3_amqp::Sender;
use fe2o3_amqp::connection::ConnectionHandle;
use fe2o3_amqp::link::SendError;
use fe2o3_amqp::link::delivery::DeliveryFut;
use fe2o3_amqp::session::SessionHandle;
use fe2o3_amqp::types::messaging::Outcome;
use futures_util::FutureExt as _;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// How long a session may take to end after its connection; it takes microseconds.
pub(super) const DRAIN_TIMEOUT: Duration = Duration::from_millis(250);

/// How long closing may take.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;
/// Resolves when the hub has settled the batch, or the link has ended.
pub(crate) type Settlement = DeliveryFut<Result<Outcome, SendError>>;

pub(crate) struct Link {
    sender: SenderState,
    /// The largest transfer that the hub accepts, bytes.
    pub(crate) max_message_size: usize,
    /// Resolves when the connection is no longer authorised.
    token_renewal: Boxed<Fault>,
    session: SessionHandle<()>,
    connection: ConnectionHandle<()>,
    stream: AbortOnDrop,
}

/// A sender handles one batch at a time, and waits for credit while it holds one.
enum SenderState {
    Idle(Box<Sender>),
    Sending(Boxed<(Box<Sender>, u64, Result<Settlement, SendError>)>),
    Closed,
}

/// What may happen to a link.
pub(crate) enum LinkEvent {
    /// The batch with this number is in flight: the link can take the next.
    Sent(u64, Settlement),
    /// The batch with this number could not be sent; the link is still usable.
    NotSent(u64, Fault),
    /// The link is no longer usable.
    Ended(Fault),
}

impl Link {
    pub(super) fn new(
        sender: Sender,
        max_message_size: usize,
        token_renewal: Boxed<Fault>,
        session: SessionHandle<()>,
        connection: ConnectionHandle<()>,
        stream: AbortOnDrop,
    ) -> Self {
        let sender = SenderState::Idle(Box::new(sender));
        Self { sender, max_message_size, token_renewal, session, connection, stream }
    }

    /// Whether it can take a batch now.
    pub(crate) fn is_idle(&self) -> bool {
        matches!(self.sender, SenderState::Idle(_))
    }

    /// Starts to send batch `number`; does nothing unless [`Link::is_idle`].
    pub(crate) fn send(&mut self, number: u64, payload: Arc<Payload>) {
        self.sender = match std::mem::replace(&mut self.sender, SenderState::Closed) {
            SenderState::Idle(mut sender) => SenderState::Sending(Box::pin(async move {
                let result = match &*payload {
                    Payload::One(message) => sender.send_batchable_ref(message).await,
                    Payload::Many(messages) => sender.send_batchable_ref(messages).await,
                };
                (sender, number, result)
            })),
            other => other,
        };
    }

    /// Waits for the next event. Cancel-safe: dropping the future loses nothing.
    pub(crate) async fn next_event(&mut self) -> LinkEvent {
        let Self { sender, token_renewal, session, connection, stream, .. } = self;
        let next = wait_for_event(sender, token_renewal, session, connection);
        match AssertUnwindSafe(next).catch_unwind().await {
            Ok(LinkEvent::Ended(fault)) => LinkEvent::Ended(stream.state().root_cause(fault)),
            Ok(event) => event,
            Err(_) => LinkEvent::Ended(Fault::panicked()),
        }
    }

    /// Waits a moment after the link has ended, until the settlements that arrived before are processed.
    ///
    /// `fe2o3-amqp` reads frames in one task and processes those of a session in another, so that it may report a
    /// lost connection before the last settlements that came over it.
    pub(crate) async fn drain(&mut self) {
        if self.connection.is_closed() {
            let _ = timeout(DRAIN_TIMEOUT, self.session.on_end()).await;
        }
    }

    /// Closes link and connection as the protocol demands, if the peer still answers.
    pub(crate) async fn close(self) {
        let Self { sender, session, mut connection, stream, token_renewal, .. } = self;
        let close = async {
            if let SenderState::Idle(sender) = sender {
                let _ = sender.close().await;
            }
            let _ = connection.close().await;
        };
        let _ = timeout(CLOSE_TIMEOUT, close).await;
        drop((token_renewal, session, connection, stream));
    }
}

async fn wait_for_event(
    sender: &mut SenderState,
    token_renewal: &mut Boxed<Fault>,
    session: &mut SessionHandle<()>,
    connection: &mut ConnectionHandle<()>,
) -> LinkEvent {
    tokio::select! {
        event = sender.next_event() => event,
        fault = token_renewal => LinkEvent::Ended(fault),
        end = session.on_end() => LinkEvent::Ended(
            end.err().map_or_else(|| Fault::Transient("the session ended".to_owned()), Fault::from),
        ),
        end = connection.on_close() => LinkEvent::Ended(
            end.err().map_or_else(|| Fault::Transient("the connection ended".to_owned()), Fault::from),
        ),
    }
}

impl SenderState {
    async fn next_event(&mut self) -> LinkEvent {
        match self {
            Self::Idle(sender) => LinkEvent::Ended(Fault::from(&sender.on_detach().await)),
            Self::Sending(sending) => {
                let (sender, number, result) = sending.await;
                *self = Self::Idle(sender);
                match result {
                    Ok(settlement) => LinkEvent::Sent(number, settlement),
                    Err(error) if Fault::leaves_link_usable(&error) => {
                        LinkEvent::NotSent(number, Fault::from(&error))
                    }
                    Err(error) => LinkEvent::Ended(Fault::from(&error)),
                }
            }
            Self::Closed => LinkEvent::Ended(Fault::Transient("the link is closed".to_owned())),
        }
    }
}
