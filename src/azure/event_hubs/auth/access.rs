//! The credential for a hub, and the tokens made from it for `put-token`.

use super::sas;
use crate::azure::auth::{TokenCache, managed_identity};
use crate::azure::event_hubs::fault::Fault;
use crate::config;
use secrecy::{ExposeSecret as _, SecretString};
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// The scope of Entra tokens for Event Hubs. (Microsoft's Rust client for Event Hubs uses the same.)
pub const HUB_SCOPE: &str = "https://eventhubs.azure.net/.default";

/// How long before it expires a token is renewed. By then [`TokenCache`] has a newer one, or returns the same one
/// and renews it in the background.
const RENEWAL_LEAD: Duration = Duration::from_mins(15);

/// The shortest time between renewals, for tokens that expire almost at once.
const MIN_RENEWAL_INTERVAL: Duration = Duration::from_millis(200);

/// The credential for sending to a hub.
#[derive(Clone)]
pub enum HubCredential {
    /// A managed identity: no secret of ours.
    Identity {
        /// Its tokens.
        tokens: Arc<TokenCache>,
        /// The client id; `None` when system-assigned.
        client_id: Option<String>,
    },
    /// A shared access key, which makes short-lived signatures.
    Key {
        /// The name of its policy.
        name: String,
        #[expect(missing_docs, reason = "the name says it")]
        key: SecretString,
    },
    /// A signature from the settings: valid until it expires, not renewable by us.
    Signature(SecretString),
}

impl fmt::Debug for HubCredential {
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

/// A token for `put-token`.
pub(crate) struct CbsToken {
    /// The `type` in `put-token`.
    pub(super) kind: &'static str,
    pub(super) value: SecretString,
    /// `None` when the token does not say.
    pub(super) expires: Option<SystemTime>,
}

impl HubCredential {
    /// The credential in the settings. Fetches no token yet.
    ///
    /// # Errors
    /// When the environment has no identity service that the SDK supports.
    pub fn of(settings: &config::HubAccess) -> azure_core::Result<Self> {
        Ok(match settings {
            config::HubAccess::Identity(identity) => Self::Identity {
                tokens: managed_identity::tokens(identity, HUB_SCOPE)?,
                client_id: identity.client_id.clone(),
            },
            config::HubAccess::Key { name, key } => Self::Key { name: name.clone(), key: key.clone() },
            config::HubAccess::Signature(signature) => Self::Signature(signature.clone()),
        })
    }

    /// A token for `audience`. The signatures of a key are valid for `signature_life`.
    pub(crate) async fn token(&self, audience: &str, signature_life: Duration) -> Result<CbsToken, Fault> {
        const SIGNATURE: &str = "servicebus.windows.net:sastoken";
        match self {
            Self::Identity { tokens, .. } => match tokens.get().await {
                Ok(token) => Ok(CbsToken {
                    kind: "jwt",
                    value: SecretString::from(token.token.secret()),
                    expires: Some(token.expires_on.into()),
                }),
                Err(error) => Err(Fault::Transient(error.to_string())),
            },
            Self::Key { name, key } => {
                let value = sas::sign(audience, name, key, SystemTime::now() + signature_life);
                // Read back from the signature, which has whole seconds.
                let expires = sas::expiry(&value);
                Ok(CbsToken { kind: SIGNATURE, value, expires })
            }
            Self::Signature(signature) => Ok(CbsToken {
                kind: SIGNATURE,
                value: SecretString::from(signature.expose_secret().trim()),
                expires: sas::expiry(signature),
            }),
        }
    }

    /// The service's refusal `reason` with the credential and what to check.
    pub(crate) fn describe_refusal(&self, reason: &str) -> String {
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
                "the signature in EVENT_HUB_CONNECTION: {reason}; check its expiry, and that it allows Send"
            ),
        }
    }

    /// Whether we can get a newer token.
    pub(crate) fn is_renewable(&self) -> bool {
        !matches!(self, Self::Signature(_))
    }
}

impl CbsToken {
    /// How long it is valid after `now`; `None` when the token does not say.
    pub(crate) fn remaining_life(&self, now: SystemTime) -> Option<Duration> {
        self.expires.map(|expires| expires.duration_since(now).unwrap_or_default())
    }

    /// How long after `now` to renew it: 15 minutes before it expires, or after 80 % of a short life.
    pub(crate) fn renew_in(&self, now: SystemTime) -> Option<Duration> {
        let left = self.remaining_life(now)?;
        Some(left.saturating_sub(RENEWAL_LEAD.min(left / 5)).max(MIN_RENEWAL_INTERVAL))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(life: u64) -> (CbsToken, SystemTime) {
        let now = SystemTime::now();
        let expires = Some(now + Duration::from_secs(life));
        (CbsToken { kind: "jwt", value: SecretString::from("x"), expires }, now)
    }

    #[test]
    fn a_token_is_renewed_before_it_expires() {
        for (life, expected) in
            [(86_400, 85_500.), (4500, 3600.), (1350, 1080.), (60, 48.), (5, 4.), (1, 0.8), (0, 0.2)]
        {
            let (token, now) = token(life);
            assert_eq!(token.renew_in(now), Some(Duration::from_secs_f64(expected)), "life of {life} s");
        }
    }

    #[tokio::test]
    async fn a_key_makes_a_signature_of_the_given_life() {
        let access = HubCredential::Key { name: "send".into(), key: SecretString::from("hunter2") };
        let token = access.token("sb://ns/flow", Duration::from_mins(1)).await.unwrap();
        assert_eq!(token.kind, "servicebus.windows.net:sastoken");
        let left = token.remaining_life(SystemTime::now()).unwrap();
        assert!(left <= Duration::from_mins(1) && left > Duration::from_secs(50), "{left:?}");
        assert!(access.is_renewable());
    }

    #[test]
    fn a_refusal_names_the_credential_and_what_to_check() {
        let key = HubCredential::Key { name: "send".into(), key: SecretString::from("hunter2") };
        let text = key.describe_refusal("put-token: 401");
        assert!(
            text.starts_with("the key of policy send in EVENT_HUB_CONNECTION: put-token: 401; "),
            "{text}"
        );
        assert!(text.contains("clock") && !text.contains("role") && !text.contains("hunter2"), "{text}");
    }

    #[test]
    fn debug_output_shows_no_secret() {
        let key = HubCredential::Key { name: "send".into(), key: SecretString::from("hunter2") };
        let signature = HubCredential::Signature(SecretString::from("hunter2"));
        assert!(!format!("{key:?} {signature:?}").contains("hunter2"));
    }
}
