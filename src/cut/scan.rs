//! The state machine under the cutter: bytes in, record boundaries out, nothing held.
//!
//! In the array it goes by blocks of 64 bytes. The opener, what follows the array, the rest of a chunk that
//! is no whole block, and the rare block that the masks can't tell are taken byte by byte.

mod array;
mod blocks;

use super::block::BLOCK;
use super::{Closed, CutError, Expected, Record};
use array::Array;
use fearless_simd::{Level, dispatch};

/// Found so many records, a scan stops. It finds more than one at a time because it has to begin with a call
/// through the choice of instructions, which nothing is inlined across; and few enough that they stay in the
/// nearest cache.
const ENOUGH: usize = 64;

/// What stands before the first record. Whitespace may stand before each of these.
const OPENER: [&[u8]; 4] = [b"{", b"\"records\"", b":", b"["];

/// UTF-8's byte order mark, which some writers put at the very start.
const BYTE_ORDER_MARK: [u8; 3] = [0xEF, 0xBB, 0xBF];

/// Whether `byte` is whitespace to JSON.
pub(crate) fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

/// Where the scan stands between two bytes. Together with [`Array`] it is all that a chunk boundary carries.
#[derive(Clone, Copy, Debug)]
enum Phase {
    /// So many bytes of the byte order mark were seen; none is as good as all.
    Mark(usize),
    /// In the opener: which token comes next, and how many bytes of it were seen.
    Opener { token: usize, seen: usize },
    /// In the array, between two records.
    Between,
    /// In a record, outside its strings.
    Structure,
    /// In a string of a record.
    Text,
    /// Behind a backslash in a string of a record.
    Escape,
    /// The array's `]` was seen, the closing `}` was not.
    Closing,
    /// Behind the closing `}`.
    Closed,
}

/// Finds record boundaries in consecutive bytes.
#[derive(Clone, Debug)]
pub(super) struct Scanner {
    phase: Phase,
    /// Blob offset of the next byte.
    at: u64,
    array: Array,
}

impl Scanner {
    /// Begins at blob offset 0.
    pub(super) fn from_start() -> Self {
        Self { phase: Phase::Mark(0), at: 0, array: Array::new(true) }
    }

    /// Begins behind a record, in the array.
    pub(super) fn after_record(offset: u64) -> Self {
        Self { phase: Phase::Between, at: offset, array: Array::new(false) }
    }

    /// Where the record that has begun but not ended starts.
    pub(super) fn open_record(&self) -> Option<u64> {
        matches!(self.phase, Phase::Structure | Phase::Text | Phase::Escape).then_some(self.array.start)
    }

    /// The end, once the closer was seen.
    pub(super) fn closed(&self) -> Option<Closed> {
        matches!(self.phase, Phase::Closed).then_some(Closed { end: self.at, plain: self.array.plain })
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
                self.phase = if closer { Phase::Closing } else { Phase::Structure };
            }
            (Phase::Between, _) => self.array.separators(&[byte], self.at)?,
            (Phase::Mark(_) | Phase::Opener { .. }, _) => self.opener(byte)?,
            (Phase::Closing | Phase::Closed, _) if is_space(byte) => {}
            (Phase::Closing, b'}') => self.phase = Phase::Closed,
            (Phase::Closing, _) => return Err(self.unexpected(Expected::Closer(b'}'), byte)),
            (Phase::Closed, _) => return Err(self.unexpected(Expected::End, byte)),
        }
        Ok(())
    }

    /// Takes a byte of the mark or of the opener.
    fn opener(&mut self, byte: u8) -> Result<(), CutError> {
        if let Phase::Mark(seen) = self.phase {
            if byte == BYTE_ORDER_MARK[seen] {
                self.array.plain = false;
                let all = seen + 1 == BYTE_ORDER_MARK.len();
                self.phase = if all { Phase::Opener { token: 0, seen: 0 } } else { Phase::Mark(seen + 1) };
                return Ok(());
            }
            if seen > 0 {
                return Err(self.unexpected(Expected::Opener, byte));
            }
            self.phase = Phase::Opener { token: 0, seen: 0 };
        }
        match self.phase {
            Phase::Opener { token, seen } if byte == OPENER[token][seen] => {
                self.phase = if seen + 1 < OPENER[token].len() {
                    Phase::Opener { token, seen: seen + 1 }
                } else if token + 1 < OPENER.len() {
                    Phase::Opener { token: token + 1, seen: 0 }
                } else {
                    Phase::Between
                };
            }
            // Inside `"records"` a space would be another member's name.
            Phase::Opener { seen: 0, .. } if is_space(byte) => {}
            _ => return Err(self.unexpected(Expected::Opener, byte)),
        }
        Ok(())
    }

    /// Says that the next byte, `found`, can't be.
    fn unexpected(&self, expected: Expected, found: u8) -> CutError {
        CutError { offset: self.at, expected, found }
    }
}
