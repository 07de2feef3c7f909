//! Chance, for names that must be unique and for waits that must not coincide.

use ring::rand::{SecureRandom as _, SystemRandom};

/// Any number. Zero where the system has no randomness to give: names and waits can bear that.
fn number() -> u64 {
    let mut bytes = [0; 8];
    let _ = SystemRandom::new().fill(&mut bytes);
    u64::from_le_bytes(bytes)
}

/// Sixteen hexadecimal digits.
pub(crate) fn hex() -> String {
    format!("{:016x}", number())
}

/// A fraction of at least 0 and less than 1.
pub(crate) fn fraction() -> f64 {
    // 53 bits are what an f64 holds exactly.
    #[allow(clippy::cast_precision_loss)]
    let fraction = (number() >> 11) as f64 / (1_u64 << 53) as f64;
    fraction
}
