//! What gives us access to a hub, and the tokens made from it for `put-token`.

use super::fault::Fault;
use super::sas;
use crate::azure::credential::tokens;
use crate::azure::token::Tokens;
use crate::config;
use secrecy::{ExposeSecret as _, SecretString};
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// What an Entra token for the hub must be for. (Microsoft's Rust client for Event Hubs asks for the same scope.)
pub const HUB_SCOPE: &str = "https://eventhubs.azure.net/.default";

/// How long before its end a token is shown anew. [`Tokens`] has a younger one by then, or gives the same
/// one again and asks for a younger one beside that.
const RENEWAL_LEAD: Duration = Duration::from_mins(15);

/// Renewals are never closer together than this, however short-lived the tokens.
const SHORTEST_RENEWAL: Duration = Duration::from_millis(200);

/// How we prove that we may send.
#[derive(Clone)]
pub enum HubAccess {
    /// A Microsoft Entra identity: no secret of ours at all.
    Identity {
        /// Its tokens.
        tokens: Arc<Tokens>,
        /// The client id of a user-assigned one.
        client_id: Option<String>,
    },
    /// A shared access key, from which short-lived signatures are made.
    Key {
        /// The policy's name.
        name: String,
        /// The key.
        key: SecretString,
    },
    /// A signature made elsewhere: good until it ends, and not renewable by us.
    Signature(SecretString),
}

impl fmt::Debug for HubAccess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Identity { client_id, .. } => {
                f.debug_struct("Identity").field("client_id", client_id).finish_non_exhaustive()
            }
            Self::Key { name, .. } => f.debug_struct("Key").field("name", name).finish_non_exhaustive(),
            Self::Signature(_) => f.write_str("Signature"),
        }
    }
}

/// What `put-token` hands to the service.
pub(super) struct Token {
    /// `put-token`'s `type`.
    pub(super) kind: &'static str,
    pub(super) value: SecretString,
    /// When it ends, where that is known.
    pub(super) expires: Option<SystemTime>,
}

impl HubAccess {
    /// The access that the settings name. No token is fetched yet.
    ///
    /// # Errors
    /// When the environment has no identity service that the SDK supports.
    pub fn of(settings: &config::HubAccess) -> azure_core::Result<Self> {
        Ok(match settings {
            config::HubAccess::Identity(identity) => {
                Self::Identity { tokens: tokens(identity, HUB_SCOPE)?, client_id: identity.client_id.clone() }
            }
            config::HubAccess::Key { name, key } => Self::Key { name: name.clone(), key: key.clone() },
            config::HubAccess::Signature(signature) => Self::Signature(signature.clone()),
        })
    }

    /// A token for `audience`. A key's signatures live for `signature_life`.
    pub(super) async fn token(&self, audience: &str, signature_life: Duration) -> Result<Token, Fault> {
        const SIGNATURE: &str = "servicebus.windows.net:sastoken";
        match self {
            Self::Identity { tokens, .. } => match tokens.get().await {
                Ok(token) => Ok(Token {
                    kind: "jwt",
                    value: SecretString::from(token.token.secret()),
                    expires: Some(token.expires_on.into()),
                }),
                Err(error) => Err(Fault::Passing(error.to_string())),
            },
            Self::Key { name, key } => {
                let value = sas::sign(audience, name, key, SystemTime::now() + signature_life);
                // As the signature says it: in whole seconds.
                let expires = sas::expiry(&value);
                Ok(Token { kind: SIGNATURE, value, expires })
            }
            Self::Signature(signature) => Ok(Token {
                kind: SIGNATURE,
                value: SecretString::from(signature.expose_secret().trim()),
                expires: sas::expiry(signature),
            }),
        }
    }

    /// What a refusal of the service, told in `reason`, is about, and what to check.
    pub(super) fn refused(&self, reason: &str) -> String {
        match self {
            Self::Identity { client_id, .. } => format!(
                "identity {} of EVENT_HUB_CONNECTION: {reason}; check its role Azure Event Hubs Data Sender",
                client_id.as_deref().unwrap_or("(system-assigned)")
            ),
            Self::Key { name, .. } => format!(
                "the key of policy {name} in EVENT_HUB_CONNECTION: {reason}; check the key, that the policy has \
                 Send, and this machine's clock"
            ),
            Self::Signature(_) => format!(
                "the signature in EVENT_HUB_CONNECTION: {reason}; check when it ends, and that it allows Send"
            ),
        }
    }

    /// Whether asking again gives a younger token.
    pub(super) fn is_renewable(&self) -> bool {
        !matches!(self, Self::Signature(_))
    }
}

impl Token {
    /// How long it is still good, at `now`; `None` when it does not say.
    pub(super) fn life_left(&self, now: SystemTime) -> Option<Duration> {
        self.expires.map(|expires| expires.duration_since(now).unwrap_or_default())
    }

    /// How long after `now` it is to be renewed: some minutes before its end, or after 80 % of a short life.
    pub(super) fn renew_in(&self, now: SystemTime) -> Option<Duration> {
        let left = self.life_left(now)?;
        Some(left.saturating_sub(RENEWAL_LEAD.min(left / 5)).max(SHORTEST_RENEWAL))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(life: u64) -> (Token, SystemTime) {
        let now = SystemTime::now();
        let expires = Some(now + Duration::from_secs(life));
        (Token { kind: "jwt", value: SecretString::from("x"), expires }, now)
    }

    #[test]
    fn a_long_lived_token_is_renewed_minutes_before_its_end_a_short_lived_one_at_four_fifths() {
        for (life, expected) in
            [(86_400, 85_500.), (4500, 3600.), (1350, 1080.), (60, 48.), (5, 4.), (1, 0.8), (0, 0.2)]
        {
            let (token, now) = token(life);
            assert_eq!(token.renew_in(now), Some(Duration::from_secs_f64(expected)), "life of {life} s");
        }
    }

    #[tokio::test]
    async fn a_key_makes_a_signature_that_ends_when_it_was_told_to() {
        let access = HubAccess::Key { name: "send".into(), key: SecretString::from("hunter2") };
        let token = access.token("sb://ns/flow", Duration::from_mins(1)).await.unwrap();
        assert_eq!(token.kind, "servicebus.windows.net:sastoken");
        let left = token.life_left(SystemTime::now()).unwrap();
        assert!(left <= Duration::from_mins(1) && left > Duration::from_secs(50), "{left:?}");
        assert!(access.is_renewable());
    }

    #[test]
    fn a_refusal_names_the_credential_and_what_to_check_for_it() {
        let key = HubAccess::Key { name: "send".into(), key: SecretString::from("hunter2") };
        let text = key.refused("put-token: 401");
        assert!(
            text.starts_with("the key of policy send in EVENT_HUB_CONNECTION: put-token: 401; "),
            "{text}"
        );
        assert!(text.contains("clock") && !text.contains("role") && !text.contains("hunter2"), "{text}");
    }

    #[test]
    fn no_debug_output_shows_a_secret() {
        let key = HubAccess::Key { name: "send".into(), key: SecretString::from("hunter2") };
        let signature = HubAccess::Signature(SecretString::from("hunter2"));
        assert!(!format!("{key:?} {signature:?}").contains("hunter2"));
    }
}
