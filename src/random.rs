//! Randomness for unique names and retry jitter.

use crate::hex;
use ring::rand::{SecureRandom as _, SystemRandom};

/// Eight random bytes, or zeros when the system has no randomness: names and jitter tolerate that.
fn bytes() -> [u8; 8] {
    let mut bytes = [0; 8];
    let _ = SystemRandom::new().fill(&mut bytes);
    bytes
}

/// Sixteen random hexadecimal digits.
pub(crate) fn id() -> String {
    hex::encode(&bytes())
}

/// A random number in `[0, 1)`.
pub(crate) fn fraction() -> f64 {
    // An f64 holds 53 bits exactly.
    #[allow(clippy::cast_precision_loss)]
    let fraction = (u64::from_le_bytes(bytes()) >> 11) as f64 / (1_u64 << 53) as f64;
    fraction
}
