//! Classifies 64 bytes at once: a bit for each byte, and arithmetic on those bits.
//!
//! Finding strings and escapes by arithmetic alone is simdjson's method (Langdale and Lemire, *Parsing
//! Gigabytes of JSON per Second*, 2019).
#![allow(
    clippy::inline_always,
    reason = "code gets the instructions of the dispatch only when inlined into it"
)]

use fearless_simd::prelude::*;
use fearless_simd::u8x64;

/// How many bytes make a vector: as many as a mask has bits.
pub(super) const VECTOR: usize = u64::BITS as usize;

/// Every second bit, bit 0 included.
const EVEN: u64 = u64::MAX / 3;

/// Where the significant bytes of a vector are. Bit 0 is the first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Masks {
    /// `"`
    pub(super) quotes: u64,
    /// `\`
    pub(super) backslashes: u64,
    /// `{`, `}`, `[` and `]`, inside strings as well.
    pub(super) brackets: u64,
}

impl Masks {
    /// The masks of `vector`, with the instruction set `simd`.
    #[inline(always)]
    pub(super) fn of<S: Simd>(simd: S, vector: &[u8; VECTOR]) -> Self {
        let bytes = u8x64::from_slice(simd, vector);
        // `[` and `{` differ in bit 5 alone, and so do `]` and `}`.
        let braces = bytes | 0x20;
        Self {
            quotes: bytes.simd_eq(b'"').to_bitmask(),
            backslashes: bytes.simd_eq(b'\\').to_bitmask(),
            brackets: (braces.simd_eq(b'{') | braces.simd_eq(b'}')).to_bitmask(),
        }
    }
}

/// The state between two bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct StringState {
    /// Whether the next byte is in a string.
    pub(super) quoted: bool,
    /// Whether the next byte is escaped: an odd number of backslashes comes right before it.
    pub(super) escaped: bool,
}

impl StringState {
    /// Advances over a vector. Returns its brackets outside strings, and the state after it.
    ///
    /// `None` when there is a backslash outside strings, which valid JSON never has. It escapes nothing there,
    /// but the arithmetic would treat the next byte as escaped.
    #[inline(always)]
    pub(super) fn advance(self, masks: Masks) -> Option<(u64, Self)> {
        let (escaped, ends_escaped) = find_escaped(masks.backslashes, self.escaped);
        let parity = prefix_xor(masks.quotes & !escaped);
        let within = if self.quoted { !parity } else { parity };
        if masks.backslashes & !within != 0 {
            return None;
        }
        let next = Self { quoted: within >> (VECTOR - 1) == 1, escaped: ends_escaped };
        Some((masks.brackets & !within, next))
    }
}

/// The escaped bytes of a vector, and whether the byte after the vector is escaped. `carry` tells whether the
/// first byte is escaped. Bits at backslash positions are meaningless.
fn find_escaped(backslashes: u64, carry: bool) -> (u64, bool) {
    let carry = u64::from(carry);
    // An escaped backslash escapes nothing.
    let runs = backslashes & !carry;
    let starts = runs & !(runs << 1);
    // Adding the lowest bit of a run carries it to the bit after the run.
    let after = |starts: u64| runs.wrapping_add(starts) & !runs;
    let odd = after(starts & EVEN) & !EVEN | after(starts & !EVEN) & EVEN;
    (odd | carry, runs.leading_ones() % 2 == 1)
}

/// Each bit is the parity of the bits of `quotes` up to it. Each step covers twice as many bits.
fn prefix_xor(mut quotes: u64) -> u64 {
    for reach in [1, 2, 4, 8, 16, 32] {
        quotes ^= quotes << reach;
    }
    quotes
}
