//! Claims-based security: presents the tokens of a connection to the node `$cbs`.
//!
//! Request: application properties `operation` = `put-token`, `type`, `name` (the audience); the body is the
//! token, as an AMQP value. Answer: `status-code`, `status-description`. A token applies to the connection and
//! replaces the one before. The service allows one pair of links to `$cbs` for each connection.
//! (Microsoft Learn, "AMQP 1.0 protocol guide", claims-based authorization; the working draft of AMQP CBS.)

use super::access::CbsToken;
use crate::azure::event_hubs::fault::Fault;
use crate::azure::http::one_line;
use crate::random;
use fe2o3_amqp::link::CreditMode;
use fe2o3_amqp::session::SessionHandle;
use fe2o3_amqp::types::messaging::{AmqpValue, ApplicationProperties, Body, Message, Properties, Target};
use fe2o3_amqp::types::primitives::{SimpleValue, Timestamp, Value};
use fe2o3_amqp::{Receiver, Sender};
use secrecy::ExposeSecret as _;
use std::time::UNIX_EPOCH;

/// The longest answer, bytes: a status and a line of text.
const MAX_ANSWER_BYTES: u64 = 16 << 10;
/// The receiver's credit. One request is in flight at a time, and each gets one answer.
const ANSWER_CREDIT: u32 = 4;

/// The pair of links to `$cbs`.
pub(crate) struct Cbs {
    sender: Sender,
    receiver: Receiver,
    /// The name and target address of our receiving link.
    reply_to: String,
    requests: u64,
}

impl Cbs {
    /// Attaches both links under new names: a name is free again only when both peers have seen its link end.
    pub(crate) async fn attach(session: &mut SessionHandle<()>) -> Result<Self, Fault> {
        let reply_to = format!("flowlog-forwarder-cbs-{}", random::id());
        let sender = Sender::attach(session, format!("{reply_to}-requests"), "$cbs").await?;
        let receiver = Receiver::builder()
            .name(reply_to.as_str())
            .source("$cbs")
            .target(Target::builder().address(reply_to.as_str()).build())
            .max_message_size(MAX_ANSWER_BYTES)
            .credit_mode(CreditMode::Auto(ANSWER_CREDIT))
            .auto_accept(true)
            .attach(session)
            .await?;
        Ok(Self { sender, receiver, reply_to, requests: 0 })
    }

    /// Presents `token` for `audience`. After an error these links are no longer usable.
    pub(crate) async fn put_token(&mut self, audience: &str, token: &CbsToken) -> Result<(), Fault> {
        self.requests += 1;
        let outcome = self.sender.send(request(self.requests, &self.reply_to, audience, token)).await;
        Fault::of_outcome(outcome.map_err(|error| Fault::from(&error))?)?;
        // One request is in flight at a time, so that this is its answer.
        let answer = self.receiver.recv::<Body<Value>>().await?;
        check_status(answer.message())
    }
}

fn request(id: u64, reply_to: &str, audience: &str, token: &CbsToken) -> Message<AmqpValue<String>> {
    let mut properties = ApplicationProperties::builder()
        .insert("operation", "put-token")
        .insert("type", token.kind)
        .insert("name", audience);
    let expires = token.expires.and_then(|expires| expires.duration_since(UNIX_EPOCH).ok());
    if let Some(milliseconds) = expires.and_then(|expires| i64::try_from(expires.as_millis()).ok()) {
        properties = properties.insert("expiration", Timestamp::from(milliseconds));
    }
    Message::builder()
        .properties(Properties::builder().message_id(id).reply_to(reply_to.to_owned()).build())
        .application_properties(properties.build())
        .value(token.value.expose_secret().to_owned())
        .build()
}

fn check_status(message: &Message<Body<Value>>) -> Result<(), Fault> {
    let property = |name: &str| message.application_properties.as_ref()?.get(name);
    let status = match property("status-code") {
        Some(SimpleValue::Int(code)) => i64::from(*code),
        Some(SimpleValue::Uint(code)) => i64::from(*code),
        Some(SimpleValue::Long(code)) => *code,
        Some(SimpleValue::Short(code)) => i64::from(*code),
        Some(SimpleValue::Ushort(code)) => i64::from(*code),
        _ => 0,
    };
    let description = match property("status-description") {
        Some(SimpleValue::String(text)) => one_line(text),
        _ => String::new(),
    };
    match status {
        200..=299 => Ok(()),
        401 | 403 => Err(Fault::Unauthorized(format!("put-token: {status} {description}"))),
        400..=499 => Err(Fault::Refused { condition: format!("put-token: {status}"), description }),
        _ => Err(Fault::Transient(format!("put-token: {status} {description}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: impl Into<SimpleValue>) -> Message<Body<Value>> {
        Message::builder()
            .application_properties(
                ApplicationProperties::builder()
                    .insert("status-code", status)
                    .insert("status-description", "said so")
                    .build(),
            )
            .body(Body::Empty)
            .build()
    }

    #[test]
    fn the_status_may_be_any_integer_type() {
        assert_eq!(check_status(&answer(202_i32)), Ok(()));
        assert_eq!(check_status(&answer(200_u32)), Ok(()));
        let unauthorized = Fault::Unauthorized("put-token: 401 said so".into());
        assert_eq!(check_status(&answer(401_i64)), Err(unauthorized));
        assert!(matches!(check_status(&answer(404_i32)), Err(Fault::Refused { .. })));
        assert!(matches!(check_status(&answer(500_i32)), Err(Fault::Transient(_))));
        assert!(matches!(check_status(&answer(true)), Err(Fault::Transient(_))));
    }
}
