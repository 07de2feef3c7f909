//! Fingerprints of the bytes before an offset: they prove that a blob has only grown since.

use crate::hex;
use ring::digest;

/// How many bytes before the offset a fingerprint covers.
///
/// Enough for a record's last tuple, which is unique, and the brackets after it: a time in milliseconds, two
/// addresses, two ports and four counters take 75 bytes with IPv4 and 150 with IPv6.
/// Each run reads these bytes again, 1 % of the 16 kB that a busy blob grows by in a minute.
pub const FINGERPRINT_BYTES: u64 = 160;

/// A fingerprint of the bytes just before a checkpoint's offset.
///
/// While the blob still has these bytes there, it has only grown, and the offset is still valid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fingerprint(String);

impl Fingerprint {
    /// The fingerprint of `bytes`: the last [`FINGERPRINT_BYTES`] before an offset, or fewer near the start.
    #[must_use]
    pub fn over(bytes: &[u8]) -> Self {
        let hash = digest::digest(&digest::SHA256, bytes);
        // 128 bits are enough against accidental collisions, and keep the row short.
        Self(hex::encode(&hash.as_ref()[..16]))
    }

    /// The text that a checkpoint row stores.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<String> for Fingerprint {
    fn from(text: String) -> Self {
        Self(text)
    }
}

/// The last [`FINGERPRINT_BYTES`] bytes before a moving offset.
#[derive(Clone, Debug, Default)]
pub struct FingerprintTail {
    bytes: Vec<u8>,
}

impl FingerprintTail {
    /// The tail of `bytes`, which end at the offset.
    #[must_use]
    pub fn behind(bytes: &[u8]) -> Self {
        let mut tail = Self::default();
        tail.advance(bytes);
        tail
    }

    /// Moves the offset forward over `bytes`.
    pub fn advance(&mut self, bytes: &[u8]) {
        let keep = usize::try_from(FINGERPRINT_BYTES).unwrap_or(usize::MAX);
        let new = &bytes[bytes.len().saturating_sub(keep)..];
        let old = self.bytes.len().saturating_sub(keep - new.len());
        self.bytes.drain(..old);
        self.bytes.extend_from_slice(new);
    }

    /// The fingerprint at the current offset.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::over(&self.bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn different_bytes_have_different_fingerprints() {
        assert_eq!(Fingerprint::over(b"abc"), Fingerprint::over(b"abc"));
        assert_ne!(Fingerprint::over(b"abc"), Fingerprint::over(b"abd"));
        assert_eq!(Fingerprint::over(b"abc").as_str().len(), 32);
    }

    proptest! {
        #[test]
        fn a_tail_does_not_depend_on_how_the_bytes_come(
            pieces in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..400), 0..6),
        ) {
            let mut tail = FingerprintTail::default();
            for piece in &pieces {
                tail.advance(piece);
            }
            prop_assert_eq!(tail.fingerprint(), FingerprintTail::behind(&pieces.concat()).fingerprint());
        }
    }
}
