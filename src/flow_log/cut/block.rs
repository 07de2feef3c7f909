//! Looks at 64 bytes at once: a bit for each byte, and arithmetic on those bits.
//!
//! How to tell strings and escapes by arithmetic alone is known from simdjson (Langdale and Lemire, 2019).
#![allow(clippy::inline_always, reason = "only what is inlined into the dispatch gets its instructions")]

use fearless_simd::prelude::*;
use fearless_simd::u8x64;

/// How many bytes are looked at in one go: the bits of a mask.
pub(super) const BLOCK: usize = u64::BITS as usize;

/// Every second bit, bit 0 included.
const EVEN: u64 = u64::MAX / 3;

/// Where the bytes that matter stand in a block: bit 0 is its first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Masks {
    /// `"`
    pub(super) quotes: u64,
    /// `\`
    pub(super) backslashes: u64,
    /// `{`, `}`, `[` and `]`, in strings or not.
    pub(super) brackets: u64,
}

impl Masks {
    /// Looks at `block` with what instructions `simd` stands for.
    #[inline(always)]
    pub(super) fn of<S: Simd>(simd: S, block: &[u8; BLOCK]) -> Self {
        let bytes = u8x64::from_slice(simd, block);
        // Bit 5 is all that tells `[` from `{` and `]` from `}`.
        let braces = bytes | 0x20;
        Self {
            quotes: bytes.simd_eq(b'"').to_bitmask(),
            backslashes: bytes.simd_eq(b'\\').to_bitmask(),
            brackets: (braces.simd_eq(b'{') | braces.simd_eq(b'}')).to_bitmask(),
        }
    }
}

/// What a byte takes over from those before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Text {
    /// Whether it stands in a string.
    pub(super) quoted: bool,
    /// Whether an odd number of backslashes stands right before it.
    pub(super) escaped: bool,
}

impl Text {
    /// Takes a block: gives where its brackets outside strings stand, and how the block behind it begins.
    ///
    /// `None` when a backslash stands outside strings. There it escapes nothing, but the arithmetic would
    /// take the byte behind it for escaped; no valid JSON has one.
    #[inline(always)]
    pub(super) fn take(self, masks: Masks) -> Option<(u64, Self)> {
        let (escaped, ends_escaped) = escaped(masks.backslashes, self.escaped);
        let parity = odd_up_to(masks.quotes & !escaped);
        let within = if self.quoted { !parity } else { parity };
        if masks.backslashes & !within != 0 {
            return None;
        }
        let next = Self { quoted: within >> (BLOCK - 1) == 1, escaped: ends_escaped };
        Some((masks.brackets & !within, next))
    }
}

/// Which bytes have an odd number of backslashes right before them, `carry` for those before the block; and
/// whether the byte behind the block has. Only what is no backslash itself is told right.
fn escaped(backslashes: u64, carry: bool) -> (u64, bool) {
    let carry = u64::from(carry);
    // An escaped backslash escapes nothing.
    let runs = backslashes & !carry;
    let starts = runs & !(runs << 1);
    // Adding a run's lowest bit to it moves it to the place behind the run.
    let behind = |starts: u64| runs.wrapping_add(starts) & !runs;
    let odd = behind(starts & EVEN) & !EVEN | behind(starts & !EVEN) & EVEN;
    (odd | carry, runs.leading_ones() % 2 == 1)
}

/// Each bit is whether the number of bits of `quotes` up to it is odd: each step sums over twice the bits.
fn odd_up_to(mut quotes: u64) -> u64 {
    for reach in [1, 2, 4, 8, 16, 32] {
        quotes ^= quotes << reach;
    }
    quotes
}
