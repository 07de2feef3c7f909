//! Authorises storage requests with a shared access signature (SAS), for connection strings with a key or a SAS.
//!
//! A key signs each try again, so that a signature never expires in a process that runs for months.

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

/// The signed storage version; from 2020-12-06 on, the string to sign ends with the encryption scope.
/// (REST reference, *Create an account SAS*.)
const VERSION: &str = "2022-11-02";
/// Blob and table.
const SERVICES: &str = "bt";
/// Service, container and object.
const RESOURCE_TYPES: &str = "sco";
/// What reading logs and writing checkpoints and quarantine needs.
const PERMISSIONS: &str = "rwdlacu";
const LIFETIME: Duration = Duration::from_hours(1);
/// The signature is valid from a little earlier, in case this machine's clock is ahead.
const CLOCK_SKEW: Duration = Duration::from_mins(15);

/// Adds the parameters of a SAS to every request's query.
pub(crate) struct AccountSas(Source);

enum Source {
    Key { account: String, key: hmac::Key },
    Given(SecretString),
}

impl AccountSas {
    /// Signs with an account key.
    ///
    /// # Errors
    /// When `key` is not base64.
    pub(crate) fn from_key(account: &str, key: &SecretString) -> Result<Self, base64::DecodeError> {
        let bytes = STANDARD.decode(key.expose_secret())?;
        Ok(Self(Source::Key { account: account.to_owned(), key: hmac::Key::new(hmac::HMAC_SHA256, &bytes) }))
    }

    /// Uses `sas` unchanged; it may begin with `?`.
    pub(crate) fn from_signature(sas: SecretString) -> Self {
        Self(Source::Given(sas))
    }

    fn parameters(&self, now: OffsetDateTime) -> Vec<(String, String)> {
        match &self.0 {
            Source::Given(sas) => {
                let query = sas.expose_secret().trim_start_matches('?').as_bytes();
                url::form_urlencoded::parse(query).into_owned().collect()
            }
            Source::Key { account, key } => sign(account, key, now - CLOCK_SKEW, now + LIFETIME),
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

impl fmt::Debug for AccountSas {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AccountSas")
    }
}

#[async_trait]
impl Policy for AccountSas {
    #[expect(elided_lifetimes_in_paths, reason = "the trait was expanded from a signature that elides them")]
    async fn send(&self, ctx: &Context, request: &mut Request, next: &[Arc<dyn Policy>]) -> PolicyResult {
        let unsigned = request.url().clone();
        request.url_mut().query_pairs_mut().extend_pairs(self.parameters(OffsetDateTime::now_utc()));
        let answer = next[0].send(ctx, request, &next[1..]).await;
        // Neither a retry nor an error's text may see this signature.
        *request.url_mut() = unsigned;
        answer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_output_shows_no_secret() {
        let key = SecretString::from(STANDARD.encode("topsecret"));
        assert_eq!(format!("{:?}", AccountSas::from_key("a", &key).unwrap()), "AccountSas");
        assert_eq!(format!("{:?}", AccountSas::from_signature("sig=x".into())), "AccountSas");
    }

    #[test]
    fn a_given_sas_is_decoded_once() {
        let policy = AccountSas::from_signature("?sv=2022-11-02&sig=a%2Bb%3D".into());
        let pairs = policy.parameters(OffsetDateTime::UNIX_EPOCH);
        assert_eq!(pairs[1], ("sig".to_owned(), "a+b=".to_owned()));
    }
}
