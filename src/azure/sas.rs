//! Signs storage requests with an account SAS, for connection strings that carry a key or a SAS.
//!
//! A managed identity never comes here. The signature is made anew for each try, so a process that
//! runs for months never holds an expired one.

use async_trait::async_trait;
use azure_core::http::policies::{Policy, PolicyResult};
use azure_core::http::{Context, Request};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;
use secrecy::{ExposeSecret, SecretString};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use time::OffsetDateTime;
use time::macros::format_description;

/// The storage version that the signature is made for; from 2020-12-06 on, the string to sign ends
/// with the encryption scope.
/// Source: REST reference "Create an account SAS".
const VERSION: &str = "2022-11-02";
/// Blob and table; service, container and object; what reading logs and writing checkpoints and
/// quarantine needs.
const SERVICES: &str = "bt";
const RESOURCE_TYPES: &str = "sco";
const PERMISSIONS: &str = "rwdlacu";
const LIFETIME: Duration = Duration::from_hours(1);
/// Clocks may differ: the signature counts from a little earlier.
const SKEW: Duration = Duration::from_mins(15);

/// Adds SAS parameters to every request's query.
pub struct SasPolicy(Kind);

enum Kind {
    Key { account: String, key: hmac::Key },
    Fixed(SecretString),
}

impl SasPolicy {
    /// Signs with an account key.
    ///
    /// # Errors
    /// When `key` is not base64.
    pub fn from_key(account: &str, key: &SecretString) -> Result<Self, base64::DecodeError> {
        let bytes = STANDARD.decode(key.expose_secret())?;
        Ok(Self(Kind::Key { account: account.to_owned(), key: hmac::Key::new(hmac::HMAC_SHA256, &bytes) }))
    }

    /// Appends a SAS that was given as it is (with or without a leading `?`).
    #[must_use]
    pub fn from_signature(sas: SecretString) -> Self {
        Self(Kind::Fixed(sas))
    }

    fn pairs(&self, now: OffsetDateTime) -> Vec<(String, String)> {
        match &self.0 {
            Kind::Fixed(sas) => {
                let query = sas.expose_secret().trim_start_matches('?').as_bytes();
                url::form_urlencoded::parse(query).into_owned().collect()
            }
            Kind::Key { account, key } => sign(account, key, now - SKEW, now + LIFETIME),
        }
    }
}

fn sign(account: &str, key: &hmac::Key, from: OffsetDateTime, to: OffsetDateTime) -> Vec<(String, String)> {
    let stamp = |at: OffsetDateTime| {
        at.format(format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]Z")).unwrap_or_default()
    };
    let (start, expiry) = (stamp(from), stamp(to));
    let text =
        [account, PERMISSIONS, SERVICES, RESOURCE_TYPES, &start, &expiry, "", "", VERSION, "", ""].join("\n");
    let signature = STANDARD.encode(hmac::sign(key, text.as_bytes()));
    [
        ("sv", VERSION),
        ("ss", SERVICES),
        ("srt", RESOURCE_TYPES),
        ("sp", PERMISSIONS),
        ("st", &start),
        ("se", &expiry),
        ("sig", &signature),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .to_vec()
}

impl fmt::Debug for SasPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SasPolicy")
    }
}

#[async_trait]
impl Policy for SasPolicy {
    #[expect(elided_lifetimes_in_paths, reason = "the trait was expanded from a signature that elides them")]
    async fn send(&self, ctx: &Context, request: &mut Request, next: &[Arc<dyn Policy>]) -> PolicyResult {
        let unsigned = request.url().clone();
        request.url_mut().query_pairs_mut().extend_pairs(self.pairs(OffsetDateTime::now_utc()));
        let answer = next[0].send(ctx, request, &next[1..]).await;
        // Whatever happens to the request from here on (a retry, an error's text) starts unsigned.
        *request.url_mut() = unsigned;
        answer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neither_key_nor_signature_shows_in_debug() {
        let key = SecretString::from(STANDARD.encode("topsecret"));
        assert_eq!(format!("{:?}", SasPolicy::from_key("a", &key).unwrap()), "SasPolicy");
        assert_eq!(format!("{:?}", SasPolicy::from_signature("sig=x".into())), "SasPolicy");
    }

    #[test]
    fn a_given_sas_is_passed_on_decoded_once() {
        let policy = SasPolicy::from_signature("?sv=2022-11-02&sig=a%2Bb%3D".into());
        let pairs = policy.pairs(OffsetDateTime::UNIX_EPOCH);
        assert_eq!(pairs[1], ("sig".to_owned(), "a+b=".to_owned()));
    }
}
