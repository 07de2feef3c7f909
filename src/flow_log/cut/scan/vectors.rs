//! The scan inside the array, 64 bytes at once.
#![allow(
    clippy::inline_always,
    reason = "code gets the instructions of the dispatch only when inlined into it"
)]

use super::array::Array;
use super::phase::Phase;
use crate::flow_log::cut::error::CutError;
use crate::flow_log::cut::record::Record;
use crate::flow_log::cut::vector::{Masks, StringState, VECTOR};
use fearless_simd::Simd;

/// A scan stops after finding this many records. More than one, because each scan pays for a call to the
/// dispatched code, which can't be inlined; and few enough to stay in the first-level cache.
pub(super) const RECORDS_PER_SCAN: usize = 64;

/// Takes whole vectors from the start of `bytes`, which begin at blob offset `at`, until the array ends or the
/// masks can't classify a vector. Returns how many bytes it took.
///
/// # Errors
/// As [`Scanner::scan`](super::Scanner::scan).
#[inline(always)]
pub(super) fn scan_vectors<S: Simd>(
    simd: S,
    bytes: &[u8],
    at: u64,
    phase: &mut Phase,
    state: &mut Array,
    found: &mut Vec<Record>,
) -> Result<usize, CutError> {
    let mut string = match phase {
        Phase::BetweenRecords | Phase::InRecord => StringState::default(),
        Phase::InString => StringState { quoted: true, escaped: false },
        Phase::InEscape => StringState { quoted: true, escaped: true },
        Phase::ByteOrderMark(_) | Phase::Root => return Ok(0),
    };
    // A copy can stay in registers, which saves 5 % of the time for a record of two bytes.
    let mut array = *state;
    let mut taken = 0;
    let mut array_end = Ok(None);
    for vector in bytes.as_chunks::<VECTOR>().0 {
        let masks = Masks::of(simd, vector);
        // The fast path: flow logs are mostly quoted tuples of 60 to 80 bytes, so most vectors have quotes only.
        if masks.brackets | masks.backslashes | u64::from(string.escaped) == 0 && array.in_record() {
            string.quoted ^= masks.quotes.count_ones() % 2 == 1;
            taken += VECTOR;
            continue;
        }
        let Some((brackets, next)) = string.advance(masks) else { break };
        string = next;
        array_end = vector_in_array(&mut array, vector, brackets, at + taken as u64, found);
        if !matches!(array_end, Ok(None)) {
            break;
        }
        taken += VECTOR;
        if found.len() >= RECORDS_PER_SCAN {
            break;
        }
    }
    *state = array;
    *phase = match string {
        _ if !array.in_record() => Phase::BetweenRecords,
        StringState { escaped: true, .. } => Phase::InEscape,
        StringState { quoted: true, .. } => Phase::InString,
        StringState { .. } => Phase::InRecord,
    };
    if let Some(length) = array_end? {
        taken += length;
        *phase = Phase::Root;
    }
    Ok(taken)
}

/// Takes `vector`, which begins at blob offset `at` and has `brackets` outside strings. When the array's `]` is
/// among them, returns how many bytes of the vector are up to it.
#[inline(always)]
fn vector_in_array(
    array: &mut Array,
    vector: &[u8; VECTOR],
    mut brackets: u64,
    at: u64,
    found: &mut Vec<Record>,
) -> Result<Option<usize>, CutError> {
    // The start of the bytes between two records.
    let mut gap = 0;
    while brackets != 0 {
        if !array.in_record() {
            let place = take_lowest(&mut brackets);
            array.separators(&vector[gap..place], at + gap as u64)?;
            if array.bracket_between_records(vector[place], at + place as u64)? {
                return Ok(Some(place + 1));
            }
        }
        while brackets != 0 {
            let place = take_lowest(&mut brackets);
            if let Some(record) = array.bracket_in_record(vector[place], at + place as u64)? {
                found.push(record);
                gap = place + 1;
                break;
            }
        }
    }
    if !array.in_record() {
        array.separators(&vector[gap..], at + gap as u64)?;
    }
    Ok(None)
}

/// Clears the lowest set bit of `bits` and returns its position.
fn take_lowest(bits: &mut u64) -> usize {
    let place = bits.trailing_zeros() as usize;
    *bits &= *bits - 1;
    place
}
