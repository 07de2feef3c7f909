//! The state machine under the cutter: bytes in, record boundaries out, nothing held.

use super::block::{self, BLOCK, Block};
use super::{Closed, CutError, Expected, Nesting, Record};

/// What stands before the first record. Whitespace may stand before each of these.
const OPENER: [&[u8]; 4] = [b"{", b"\"records\"", b":", b"["];

/// UTF-8's byte order mark, which some writers put at the very start.
const BYTE_ORDER_MARK: [u8; 3] = [0xEF, 0xBB, 0xBF];

/// Whether `byte` is whitespace to JSON.
pub(crate) fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

/// Where the scan stands between two bytes. Together with [`Nesting`] it is all that a chunk boundary carries.
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
    /// Where the open record starts; without meaning when none is open.
    start: u64,
    nesting: Nesting,
    /// End of the last complete record of this run.
    last_end: Option<u64>,
    /// Commas since the last record, or since the opener.
    commas: u64,
    /// Whether all that was seen, from offset 0, is JSON as it stands: no mark, no comma too many or too few.
    plain: bool,
}

impl Scanner {
    /// Begins at blob offset 0.
    pub(super) fn from_start() -> Self {
        Self {
            phase: Phase::Mark(0),
            at: 0,
            start: 0,
            nesting: Nesting::default(),
            last_end: None,
            commas: 0,
            plain: true,
        }
    }

    /// Begins behind a record, in the array.
    pub(super) fn after_record(offset: u64) -> Self {
        Self { phase: Phase::Between, at: offset, plain: false, ..Self::from_start() }
    }

    /// End of the last complete record of this run.
    pub(super) fn last_end(&self) -> Option<u64> {
        self.last_end
    }

    /// Where the record that has begun but not ended starts.
    pub(super) fn open_record(&self) -> Option<u64> {
        matches!(self.phase, Phase::Structure | Phase::Text | Phase::Escape).then_some(self.start)
    }

    /// The end, once the closer was seen.
    pub(super) fn closed(&self) -> Option<Closed> {
        matches!(self.phase, Phase::Closed).then_some(Closed { end: self.at, plain: self.plain })
    }

    /// Scans on to the end of a record or of `bytes`, and says how many bytes that took.
    ///
    /// # Errors
    /// When a byte can't stand where it does; the scan can't go on from there.
    pub(super) fn scan(&mut self, bytes: &[u8]) -> Result<(usize, Option<Record>), CutError> {
        let base = self.at;
        let mut taken = 0;
        while taken < bytes.len() {
            taken = match self.phase {
                Phase::Structure | Phase::Text | Phase::Escape => self.record(bytes, taken, base)?,
                _ => self.outside(bytes, taken, base)?,
            };
            // The record's last bracket was the last byte taken.
            if matches!(self.phase, Phase::Structure) && self.nesting.depth() == 0 {
                return Ok((taken, Some(self.end_record())));
            }
        }
        Ok((taken, None))
    }

    /// Takes the bytes of a record from `bytes[at]` on, to its end or that of `bytes`; gives the place behind.
    fn record(&mut self, bytes: &[u8], mut at: usize, base: u64) -> Result<usize, CutError> {
        while at < bytes.len() && self.nesting.depth() > 0 {
            at = match bytes[at..].first_chunk() {
                Some(block) if !matches!(self.phase, Phase::Escape) => self.block(block, at, base)?,
                _ => self.byte_wise(bytes, at, base)?,
            };
        }
        self.at = base + at as u64;
        Ok(at)
    }

    /// Takes `block`, which stands at `at`, in one go when it has no escapes; gives the place behind.
    fn block(&mut self, block: &[u8; BLOCK], at: usize, base: u64) -> Result<usize, CutError> {
        let quoted = matches!(self.phase, Phase::Text);
        let ends_quoted = match block::classify(block) {
            Block::Plain { odd_quotes } => quoted ^ odd_quotes,
            Block::Escapes => return self.byte_wise(block, 0, base + at as u64).map(|taken| at + taken),
            Block::Brackets => {
                let (mut brackets, ends_quoted) = block::brackets(block, quoted);
                while brackets != 0 {
                    let place = brackets.trailing_zeros() as usize;
                    self.bracket(block[place], base + (at + place) as u64)?;
                    if self.nesting.depth() == 0 {
                        self.phase = Phase::Structure;
                        return Ok(at + place + 1);
                    }
                    brackets &= brackets - 1;
                }
                ends_quoted
            }
        };
        self.phase = if ends_quoted { Phase::Text } else { Phase::Structure };
        Ok(at + BLOCK)
    }

    /// Takes up to a block's length of bytes from `bytes[at]` on, one by one; gives the place behind.
    fn byte_wise(&mut self, bytes: &[u8], at: usize, base: u64) -> Result<usize, CutError> {
        let end = bytes.len().min(at + BLOCK);
        for (place, &byte) in bytes[..end].iter().enumerate().skip(at) {
            match (self.phase, byte) {
                (Phase::Text, b'"') => self.phase = Phase::Structure,
                (Phase::Text, b'\\') => self.phase = Phase::Escape,
                (Phase::Structure, b'"') | (Phase::Escape, _) => self.phase = Phase::Text,
                (Phase::Structure, b'{' | b'[' | b'}' | b']') => {
                    self.bracket(byte, base + place as u64)?;
                    if self.nesting.depth() == 0 {
                        return Ok(place + 1);
                    }
                }
                _ => {}
            }
        }
        Ok(end)
    }

    /// Takes a bracket outside the strings of a record.
    fn bracket(&mut self, bracket: u8, offset: u64) -> Result<(), CutError> {
        match bracket {
            b'{' | b'[' => self.nesting.open(bracket, offset),
            _ => self.nesting.close(bracket, offset),
        }
    }

    /// Takes the one byte `bytes[at]`, which no record holds; gives the place behind.
    fn outside(&mut self, bytes: &[u8], at: usize, base: u64) -> Result<usize, CutError> {
        let byte = bytes[at];
        let unexpected = |expected| Err(CutError { offset: base + at as u64, expected, found: byte });
        self.at = base + at as u64 + 1;
        if let Phase::Mark(seen) = self.phase {
            if byte == BYTE_ORDER_MARK[seen] {
                self.plain = false;
                let all = seen + 1 == BYTE_ORDER_MARK.len();
                self.phase = if all { Phase::Opener { token: 0, seen: 0 } } else { Phase::Mark(seen + 1) };
                return Ok(at + 1);
            }
            if seen > 0 {
                return unexpected(Expected::Opener);
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
            Phase::Opener { seen, .. } if seen > 0 || !is_space(byte) => {
                return unexpected(Expected::Opener);
            }
            _ if is_space(byte) => {}
            Phase::Between if byte == b',' => self.commas += 1,
            Phase::Between if byte == b'{' => {
                self.start = base + at as u64;
                self.nesting.open(byte, self.start)?;
                self.phase = Phase::Structure;
            }
            Phase::Between if byte == b']' => {
                self.plain &= self.commas == 0;
                self.phase = Phase::Closing;
            }
            Phase::Between => return unexpected(Expected::Record),
            Phase::Closing if byte == b'}' => self.phase = Phase::Closed,
            Phase::Closing => return unexpected(Expected::Closer(b'}')),
            _ => return unexpected(Expected::End),
        }
        Ok(at + 1)
    }

    /// Gives the record whose last byte was just taken.
    fn end_record(&mut self) -> Record {
        let follows_plainly = self.last_end.is_some() && self.commas == 1;
        self.plain &= follows_plainly || self.last_end.is_none() && self.commas == 0;
        self.commas = 0;
        self.last_end = Some(self.at);
        self.phase = Phase::Between;
        Record { range: self.start..self.at, follows_plainly }
    }
}
