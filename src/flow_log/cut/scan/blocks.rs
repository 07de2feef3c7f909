//! The scan within the array, 64 bytes at once.
#![allow(clippy::inline_always, reason = "only what is inlined into the dispatch gets its instructions")]

use super::array::Array;
use super::{ENOUGH, Phase, Scanner};
use crate::flow_log::cut::block::{BLOCK, Masks, Text};
use crate::flow_log::cut::{CutError, Record};
use fearless_simd::Simd;

impl Scanner {
    /// Takes whole blocks from the start of `bytes`, as far as the array and their masks go; gives how many
    /// bytes those are.
    ///
    /// # Errors
    /// As [`Scanner::scan`].
    #[inline(always)]
    pub(super) fn blocks<S: Simd>(
        &mut self,
        simd: S,
        bytes: &[u8],
        found: &mut Vec<Record>,
    ) -> Result<usize, CutError> {
        let mut text = match self.phase {
            Phase::Between | Phase::Structure => Text::default(),
            Phase::Text => Text { quoted: true, escaped: false },
            Phase::Escape => Text { quoted: true, escaped: true },
            Phase::Mark(_) | Phase::Root => return Ok(0),
        };
        // A copy can stay in registers: 5 % of the time that a record of two bytes takes.
        let mut array = self.array;
        let mut taken = 0;
        let mut closer = Ok(None);
        for block in bytes.as_chunks::<BLOCK>().0 {
            let masks = Masks::of(simd, block);
            // Flow logs are mostly quoted tuples of 60 to 80 bytes, so of most blocks only this matters.
            if masks.brackets | masks.backslashes | u64::from(text.escaped) == 0 && array.in_record() {
                text.quoted ^= masks.quotes.count_ones() % 2 == 1;
                taken += BLOCK;
                continue;
            }
            let Some((brackets, next)) = text.take(masks) else { break };
            text = next;
            closer = block_in_array(&mut array, block, brackets, self.at + taken as u64, found);
            if !matches!(closer, Ok(None)) {
                break;
            }
            taken += BLOCK;
            if found.len() >= ENOUGH {
                break;
            }
        }
        self.array = array;
        self.phase = match text {
            _ if !array.in_record() => Phase::Between,
            Text { escaped: true, .. } => Phase::Escape,
            Text { quoted: true, .. } => Phase::Text,
            Text { .. } => Phase::Structure,
        };
        if let Some(length) = closer? {
            taken += length;
            self.phase = Phase::Root;
        }
        self.at += taken as u64;
        Ok(taken)
    }
}

/// Takes `block`, which stands at blob offset `at` and has `brackets` outside strings. Gives how many of its
/// bytes belong to the array when its `]` is among them.
#[inline(always)]
fn block_in_array(
    array: &mut Array,
    block: &[u8; BLOCK],
    mut brackets: u64,
    at: u64,
    found: &mut Vec<Record>,
) -> Result<Option<usize>, CutError> {
    // Where what stands between two records begins.
    let mut gap = 0;
    while brackets != 0 {
        if !array.in_record() {
            let place = take_lowest(&mut brackets);
            array.separators(&block[gap..place], at + gap as u64)?;
            if array.between(block[place], at + place as u64)? {
                return Ok(Some(place + 1));
            }
        }
        while brackets != 0 {
            let place = take_lowest(&mut brackets);
            if let Some(record) = array.within(block[place], at + place as u64)? {
                found.push(record);
                gap = place + 1;
                break;
            }
        }
    }
    if !array.in_record() {
        array.separators(&block[gap..], at + gap as u64)?;
    }
    Ok(None)
}

/// Takes the lowest bit that is set out of `bits`; gives its place.
fn take_lowest(bits: &mut u64) -> usize {
    let place = bits.trailing_zeros() as usize;
    *bits &= *bits - 1;
    place
}
