//! Fingerprints of the bytes before an offset: they prove that a blob has only grown since.

use ring::digest;
use std::fmt::Write as _;

/// How many bytes before the offset the fingerprint covers. A record ends with its last tuple, which names a
/// millisecond, two addresses, two ports and four counters: 160 bytes hold it (some 75 bytes with IPv4, 150
/// with IPv6) and the brackets behind it. They are read anew with every event, 1 % of a minute of 16 kB.
pub const FINGERPRINT_BYTES: u64 = 160;

/// A fingerprint of the bytes just before a checkpoint's offset.
///
/// When they are still there, the blob has only grown and the offset still means what it meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fingerprint(String);

impl Fingerprint {
    /// The fingerprint over `bytes`: the last [`FINGERPRINT_BYTES`] before an offset, or fewer near the start.
    #[must_use]
    pub fn over(bytes: &[u8]) -> Self {
        let hash = digest::digest(&digest::SHA256, bytes);
        // 16 bytes tell two contents apart as surely as 32 would, in half the row.
        Self(hash.as_ref()[..16].iter().fold(String::with_capacity(32), |mut hex, byte| {
            // Writing to a String never fails.
            let _ = write!(hex, "{byte:02x}");
            hex
        }))
    }

    /// The fingerprint as text, for the row.
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

    /// Moves the offset over `bytes`.
    pub fn advance(&mut self, bytes: &[u8]) {
        let keep = usize::try_from(FINGERPRINT_BYTES).unwrap_or(usize::MAX);
        let new = &bytes[bytes.len().saturating_sub(keep)..];
        let old = self.bytes.len().saturating_sub(keep - new.len());
        self.bytes.drain(..old);
        self.bytes.extend_from_slice(new);
    }

    /// The fingerprint for the offset reached.
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
    fn fingerprints_tell_contents_apart() {
        assert_eq!(Fingerprint::over(b"abc"), Fingerprint::over(b"abc"));
        assert_ne!(Fingerprint::over(b"abc"), Fingerprint::over(b"abd"));
        assert_eq!(Fingerprint::over(b"abc").as_str().len(), 32);
    }

    proptest! {
        #[test]
        fn a_tail_fed_in_pieces_has_the_fingerprint_of_the_whole(
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
