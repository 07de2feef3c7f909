//! Shared access signatures for Event Hubs: signed with a key, for one resource, until an expiry.
//!
//! `SharedAccessSignature sr={resource}&sig={signature}&se={expiry}&skn={key name}`, every value
//! percent-encoded; the signature is the base64 of HMAC-SHA256, under the key's own text, of the encoded
//! resource, a line feed, and the expiry in Unix seconds.
//! (Microsoft Learn, "Authenticate access to Event Hubs with shared access signatures".)

use base64::{Engine as _, engine::general_purpose::STANDARD};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use ring::hmac;
use secrecy::{ExposeSecret as _, SecretString};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// All but the unreserved characters of RFC 3986.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// A signature for `resource` until `expires`, with the key of policy `name`.
pub(super) fn sign(resource: &str, name: &str, key: &SecretString, expires: SystemTime) -> SecretString {
    let resource = utf8_percent_encode(resource, ENCODED);
    let seconds = expires.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let secret = hmac::Key::new(hmac::HMAC_SHA256, key.expose_secret().as_bytes());
    let tag = hmac::sign(&secret, format!("{resource}\n{seconds}").as_bytes());
    let signature = STANDARD.encode(tag);
    let signature = utf8_percent_encode(&signature, ENCODED);
    let name = utf8_percent_encode(name, ENCODED);
    SecretString::from(format!("SharedAccessSignature sr={resource}&sig={signature}&se={seconds}&skn={name}"))
}

/// When `signature` expires, if it says so.
pub(super) fn expiry(signature: &SecretString) -> Option<SystemTime> {
    let fields = signature.expose_secret().trim().strip_prefix("SharedAccessSignature ")?;
    let seconds = fields.split('&').find_map(|field| field.strip_prefix("se="))?;
    UNIX_EPOCH.checked_add(Duration::from_secs(seconds.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_follows_the_documented_recipe() {
        let key = SecretString::from("SAS_KEY_VALUE");
        let expires = UNIX_EPOCH + Duration::from_secs(1_900_000_000);
        let signed = sign("sb://localhost/flow", "Root Key", &key, expires);
        // Made with Node: createHmac("sha256", "SAS_KEY_VALUE")
        //   .update("sb%3A%2F%2Flocalhost%2Fflow\n1900000000").digest("base64")
        assert_eq!(signed.expose_secret(), EXPECTED);
        assert_eq!(expiry(&signed), Some(expires));
    }

    const EXPECTED: &str = "SharedAccessSignature sr=sb%3A%2F%2Flocalhost%2Fflow&sig=wT2K62L2XtOWZTLMHmouKI8TDSmkP9faFEii1YpRhS8%3D&se=1900000000&skn=Root%20Key";

    #[test]
    fn an_unreadable_expiry_is_none() {
        for text in ["", "sr=a&se=1", "SharedAccessSignature sr=a&sig=b", "SharedAccessSignature se=soon"] {
            assert_eq!(expiry(&SecretString::from(text)), None, "{text}");
        }
    }
}
