//! The state machine under the cutter: bytes in, record boundaries out, nothing held.
//!
//! In the array it goes by blocks of 64 bytes. What stands around the array, the rest of a chunk that is no
//! whole block, and the rare block that the masks can't tell are taken byte by byte.

mod array;
mod blocks;
mod root;

use super::block::BLOCK;
use super::{Closed, CutError, Expected, Record};
use array::Array;
use fearless_simd::{Level, dispatch};
use root::Root;
use std::ops::Range;

/// Found so many records, a scan stops. It finds more than one at a time because it has to begin with a call
/// through the choice of instructions, which nothing is inlined across; and few enough that they stay in the
/// nearest cache.
const ENOUGH: usize = 64;

/// UTF-8's byte order mark, which some writers put at the very start.
const BYTE_ORDER_MARK: [u8; 3] = [0xEF, 0xBB, 0xBF];

/// Whether `byte` is whitespace to JSON.
pub(crate) fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

/// Where the scan stands between two bytes. Together with [`Array`] and [`Root`] it is all that a chunk
/// boundary carries.
#[derive(Clone, Copy, Debug)]
enum Phase {
    /// So many bytes of the byte order mark were seen; none is as good as all.
    Mark(usize),
    /// In the root object, outside the array.
    Root,
    /// In the array, between two records.
    Between,
    /// In a record, outside its strings.
    Structure,
    /// In a string of a record.
    Text,
    /// Behind a backslash in a string of a record.
    Escape,
}

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
        Self { phase: Phase::Mark(0), at: 0, array: Array::new(0, true), root: Root::from_start() }
    }

    /// Begins behind a record, in the array.
    pub(super) fn after_record(offset: u64) -> Self {
        let array = Array::new(offset, false);
        Self { phase: Phase::Between, at: offset, array, root: Root::in_array() }
    }

    /// Where the record that has begun but not ended starts.
    pub(super) fn open_record(&self) -> Option<u64> {
        matches!(self.phase, Phase::Structure | Phase::Text | Phase::Escape).then_some(self.array.start)
    }

    /// The bytes scanned since the last record, or since the start; none while a record is open.
    pub(super) fn gap(&self) -> Range<u64> {
        if self.open_record().is_some() { self.at..self.at } else { self.array.start..self.at }
    }

    /// The end of what was scanned, when it is in the array and stands behind a wide gap.
    pub(super) fn passed_to(&self) -> Option<u64> {
        (matches!(self.phase, Phase::Between) && super::is_wide(&self.gap())).then_some(self.at)
    }

    /// Whether a record began since the last call behind a gap of more than [`MAX_GAP`](super::MAX_GAP).
    pub(super) fn take_wide(&mut self) -> bool {
        std::mem::take(&mut self.array.wide)
    }

    /// The end, once the closer was seen.
    pub(super) fn closed(&self) -> Option<Closed> {
        let plain = self.array.plain && self.root.is_plain() && !super::is_wide(&self.gap());
        self.root.is_closed().then_some(Closed { end: self.at, plain })
    }

    /// Scans on to the end of `bytes`, or until `found` holds enough, and says how many bytes that took.
    /// `level` is what instructions there are: 12 to 70 GB/s with AVX-512 where SSE2 does 9 to 20.
    ///
    /// # Errors
    /// When a byte can't stand where it does; the scan can't go on from there. `found` has what is before it.
    pub(super) fn scan(
        &mut self,
        level: Level,
        bytes: &[u8],
        found: &mut Vec<Record>,
    ) -> Result<usize, CutError> {
        let mut taken = 0;
        while taken < bytes.len() {
            taken += dispatch!(level, simd => self.blocks(simd, &bytes[taken..], found))?;
            if found.len() >= ENOUGH {
                break;
            }
            for &byte in bytes[taken..].iter().take(BLOCK) {
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
            (Phase::Text, b'"') => self.phase = Phase::Structure,
            (Phase::Text, b'\\') => self.phase = Phase::Escape,
            (Phase::Structure, b'"') | (Phase::Escape, _) => self.phase = Phase::Text,
            (Phase::Structure, b'{' | b'[' | b'}' | b']') => {
                if let Some(record) = self.array.within(byte, self.at)? {
                    found.push(record);
                    self.phase = Phase::Between;
                }
            }
            (Phase::Structure | Phase::Text, _) => {}
            (Phase::Between, b'{' | b'[' | b'}' | b']') => {
                let closer = self.array.between(byte, self.at)?;
                self.phase = if closer { Phase::Root } else { Phase::Structure };
            }
            (Phase::Between, _) => self.array.separators(&[byte], self.at)?,
            (Phase::Mark(seen), _) => self.mark(seen, byte)?,
            (Phase::Root, _) => self.root(byte)?,
        }
        Ok(())
    }

    /// Takes the first bytes, of which `seen` were of the mark.
    fn mark(&mut self, seen: usize, byte: u8) -> Result<(), CutError> {
        if byte != BYTE_ORDER_MARK[seen] {
            if seen > 0 {
                return Err(CutError { offset: self.at, expected: Expected::Opener, found: byte });
            }
            return self.root(byte);
        }
        self.array.plain = false;
        let all = seen + 1 == BYTE_ORDER_MARK.len();
        self.phase = if all { Phase::Root } else { Phase::Mark(seen + 1) };
        Ok(())
    }

    /// Takes a byte outside the array.
    fn root(&mut self, byte: u8) -> Result<(), CutError> {
        let in_array = self.root.take(byte, self.at)?;
        self.phase = if in_array { Phase::Between } else { Phase::Root };
        Ok(())
    }
}
