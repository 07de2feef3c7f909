//! The state machine of the cutter: bytes in, record boundaries out; holds no bytes.
//!
//! Inside the array it takes vectors of 64 bytes. It takes single bytes outside the array, at the end of a
//! chunk, and in the rare vector that the masks can't classify.

mod array;
mod phase;
mod root;
mod vectors;

use super::error::{CutError, Expected};
use super::record::{Closed, Record, is_wide};
use super::vector::VECTOR;
use array::Array;
use fearless_simd::{Level, dispatch};
use phase::Phase;
use root::Root;
use std::ops::Range;
use vectors::{RECORDS_PER_SCAN, scan_vectors};

/// UTF-8's byte order mark, which some writers put at the very start.
const BYTE_ORDER_MARK: [u8; 3] = [0xEF, 0xBB, 0xBF];

/// Finds record boundaries in consecutive bytes.
#[derive(Clone, Debug)]
pub(super) struct Scanner {
    phase: Phase,
    /// Blob offset of the next byte.
    at: u64,
    array: Array,
    root: Root,
}

impl Scanner {
    /// Begins at blob offset 0.
    pub(super) fn from_start() -> Self {
        let phase = Phase::ByteOrderMark(0);
        Self { phase, at: 0, array: Array::new(0, true), root: Root::from_start() }
    }

    /// Begins after a record, in the array.
    pub(super) fn after_record(offset: u64) -> Self {
        let array = Array::new(offset, false);
        Self { phase: Phase::BetweenRecords, at: offset, array, root: Root::in_array() }
    }

    /// The start of the incomplete record, if there is one.
    pub(super) fn open_record(&self) -> Option<u64> {
        matches!(self.phase, Phase::InRecord | Phase::InString | Phase::InEscape).then_some(self.array.start)
    }

    /// The bytes scanned since the last record or the start of the run; empty while a record is open.
    pub(super) fn gap(&self) -> Range<u64> {
        if self.open_record().is_some() { self.at..self.at } else { self.array.start..self.at }
    }

    /// The end of the scanned bytes, when it is in the array and after a wide gap.
    pub(super) fn gap_resume_offset(&self) -> Option<u64> {
        (matches!(self.phase, Phase::BetweenRecords) && is_wide(&self.gap())).then_some(self.at)
    }

    /// Whether a record has begun after a wide gap since the last call.
    pub(super) fn take_wide(&mut self) -> bool {
        std::mem::take(&mut self.array.wide)
    }

    /// How the blob ended, once the root object is closed.
    pub(super) fn closed(&self) -> Option<Closed> {
        let verbatim = self.array.verbatim && self.root.has_only_records() && !is_wide(&self.gap());
        self.root.is_closed().then_some(Closed { end: self.at, verbatim })
    }

    /// Scans to the end of `bytes`, or until `found` holds [`RECORDS_PER_SCAN`]. Returns how many bytes it
    /// took. `level` is the instruction set: AVX-512 scans 12 to 70 GB/s, SSE2 9 to 20.
    ///
    /// # Errors
    /// At the first invalid byte, where the scan ends. `found` holds the records before it.
    pub(super) fn scan(
        &mut self,
        level: Level,
        bytes: &[u8],
        found: &mut Vec<Record>,
    ) -> Result<usize, CutError> {
        let mut taken = 0;
        while taken < bytes.len() {
            let rest = &bytes[taken..];
            let (at, phase, array) = (self.at, &mut self.phase, &mut self.array);
            let in_vectors = dispatch!(level, simd => scan_vectors(simd, rest, at, phase, array, found))?;
            self.at += in_vectors as u64;
            taken += in_vectors;
            if found.len() >= RECORDS_PER_SCAN {
                break;
            }
            for &byte in bytes[taken..].iter().take(VECTOR) {
                self.byte(byte, found)?;
                self.at += 1;
                taken += 1;
            }
        }
        Ok(taken)
    }

    /// Takes one byte.
    fn byte(&mut self, byte: u8, found: &mut Vec<Record>) -> Result<(), CutError> {
        match (self.phase, byte) {
            (Phase::InString, b'"') => self.phase = Phase::InRecord,
            (Phase::InString, b'\\') => self.phase = Phase::InEscape,
            (Phase::InRecord, b'"') | (Phase::InEscape, _) => self.phase = Phase::InString,
            (Phase::InRecord, b'{' | b'[' | b'}' | b']') => {
                if let Some(record) = self.array.bracket_in_record(byte, self.at)? {
                    found.push(record);
                    self.phase = Phase::BetweenRecords;
                }
            }
            (Phase::InRecord | Phase::InString, _) => {}
            (Phase::BetweenRecords, b'{' | b'[' | b'}' | b']') => {
                let ends_array = self.array.bracket_between_records(byte, self.at)?;
                self.phase = if ends_array { Phase::Root } else { Phase::InRecord };
            }
            (Phase::BetweenRecords, _) => self.array.separators(&[byte], self.at)?,
            (Phase::ByteOrderMark(seen), _) => self.byte_order_mark(seen, byte)?,
            (Phase::Root, _) => self.root(byte)?,
        }
        Ok(())
    }

    /// Takes one of the first bytes, after `seen` bytes of the byte order mark.
    fn byte_order_mark(&mut self, seen: usize, byte: u8) -> Result<(), CutError> {
        if byte != BYTE_ORDER_MARK[seen] {
            if seen > 0 {
                return Err(CutError { offset: self.at, expected: Expected::Opener, found: byte });
            }
            return self.root(byte);
        }
        self.array.verbatim = false;
        let complete = seen + 1 == BYTE_ORDER_MARK.len();
        self.phase = if complete { Phase::Root } else { Phase::ByteOrderMark(seen + 1) };
        Ok(())
    }

    /// Takes a byte outside the array.
    fn root(&mut self, byte: u8) -> Result<(), CutError> {
        let in_array = self.root.take(byte, self.at)?;
        self.phase = if in_array { Phase::BetweenRecords } else { Phase::Root };
        Ok(())
    }
}
