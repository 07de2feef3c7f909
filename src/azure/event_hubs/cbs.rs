//! Claims-based security: the node `$cbs`, to which a connection shows its tokens.
//!
//! Request: application properties `operation` = `put-token`, `type`, `name` (the audience); the body is the
//! token, as an AMQP value. Answer: `status-code`, `status-description`. Tokens belong to the connection, and
//! a later one replaces an earlier one. The service allows one pair of links to `$cbs` for each connection.
//! (Microsoft Learn, "AMQP 1.0 protocol guide", claims-based authorization; the working draft of AMQP CBS.)

use super::access::Token;
use super::fault::Fault;
use crate::azure::failure::words;
use crate::random;
use fe2o3_amqp::link::CreditMode;
use fe2o3_amqp::session::SessionHandle;
use fe2o3_amqp::types::messaging::{AmqpValue, ApplicationProperties, Body, Message, Properties, Target};
use fe2o3_amqp::types::primitives::{SimpleValue, Timestamp, Value};
use fe2o3_amqp::{Receiver, Sender};
use secrecy::ExposeSecret as _;
use std::time::UNIX_EPOCH;

/// The longest answer that we take, bytes: a status and a line of text.
const LONGEST_ANSWER: u64 = 16 << 10;
/// How many answers may be on their way: one comes to each request, and one request is under way.
const ANSWERS: u32 = 4;

/// The pair of links to `$cbs`.
pub(super) struct Cbs {
    sender: Sender,
    receiver: Receiver,
    /// Where answers go: the name and the target address of our receiving link.
    reply_to: String,
    requests: u64,
}

impl Cbs {
    /// Attaches both links. Their names are new each time: a name is free again only when both sides have
    /// seen the last link end.
    pub(super) async fn attach(session: &mut SessionHandle<()>) -> Result<Self, Fault> {
        let reply_to = format!("flowlog-forwarder-cbs-{}", random::id());
        let sender = Sender::attach(session, format!("{reply_to}-requests"), "$cbs").await?;
        let receiver = Receiver::builder()
            .name(reply_to.as_str())
            .source("$cbs")
            .target(Target::builder().address(reply_to.as_str()).build())
            .max_message_size(LONGEST_ANSWER)
            .credit_mode(CreditMode::Auto(ANSWERS))
            .auto_accept(true)
            .attach(session)
            .await?;
        Ok(Self { sender, receiver, reply_to, requests: 0 })
    }

    /// Shows `token` to the service, as a claim on `audience`. After an error these links are of no more use.
    pub(super) async fn put_token(&mut self, audience: &str, token: &Token) -> Result<(), Fault> {
        self.requests += 1;
        let outcome = self.sender.send(request(self.requests, &self.reply_to, audience, token)).await;
        Fault::of_outcome(outcome.map_err(|error| Fault::from(&error))?)?;
        // Only one request is ever under way on these links: what comes is its answer.
        let answer = self.receiver.recv::<Body<Value>>().await?;
        verdict(answer.message())
    }
}

fn request(id: u64, reply_to: &str, audience: &str, token: &Token) -> Message<AmqpValue<String>> {
    let mut properties = ApplicationProperties::builder()
        .insert("operation", "put-token")
        .insert("type", token.kind)
        .insert("name", audience);
    let ends = token.expires.and_then(|expires| expires.duration_since(UNIX_EPOCH).ok());
    if let Some(milliseconds) = ends.and_then(|ends| i64::try_from(ends.as_millis()).ok()) {
        properties = properties.insert("expiration", Timestamp::from(milliseconds));
    }
    Message::builder()
        .properties(Properties::builder().message_id(id).reply_to(reply_to.to_owned()).build())
        .application_properties(properties.build())
        .value(token.value.expose_secret().to_owned())
        .build()
}

fn verdict(message: &Message<Body<Value>>) -> Result<(), Fault> {
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
        Some(SimpleValue::String(text)) => words(text),
        _ => String::new(),
    };
    match status {
        200..=299 => Ok(()),
        401 | 403 => Err(Fault::Unauthorized(format!("put-token: {status} {description}"))),
        400..=499 => Err(Fault::Refused { condition: format!("put-token: {status}"), description }),
        _ => Err(Fault::Passing(format!("put-token: {status} {description}"))),
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
    fn the_status_decides_whatever_integer_it_comes_as() {
        assert_eq!(verdict(&answer(202_i32)), Ok(()));
        assert_eq!(verdict(&answer(200_u32)), Ok(()));
        let unauthorized = Fault::Unauthorized("put-token: 401 said so".into());
        assert_eq!(verdict(&answer(401_i64)), Err(unauthorized));
        assert!(matches!(verdict(&answer(404_i32)), Err(Fault::Refused { .. })));
        assert!(matches!(verdict(&answer(500_i32)), Err(Fault::Passing(_))));
        assert!(matches!(verdict(&answer(true)), Err(Fault::Passing(_))));
    }
}
