//! A reference implementation of the cutter, as simple as possible: byte by byte, without masks, chunks or
//! batches. The real cutter must give the same result for any bytes, valid JSON or not.
#![allow(clippy::unwrap_used)]

use super::error::{CutError, Expected};
use super::json::is_space;
use super::record::{Closed, MAX_GAP, MAX_NESTING, Record};

/// Everything that a cutter reports about an input.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct CutResult {
    /// The records before the error.
    pub(crate) records: Vec<Record>,
    pub(crate) error: Option<CutError>,
    /// [`Cutter::resume_offset`](super::Cutter::resume_offset) at the end.
    pub(crate) resume: u64,
    /// [`Cutter::open_record`](super::Cutter::open_record) at the end.
    pub(crate) open: Option<u64>,
    /// [`Cutter::closed`](super::Cutter::closed) at the end.
    pub(crate) closed: Option<Closed>,
}

/// Why reading stopped.
enum Stop {
    /// No bytes are left.
    EndOfInput,
    /// The next byte is invalid.
    Broken(Expected),
}

type Step<T> = Result<T, Stop>;

/// The state of reading.
struct ByteWise<'a> {
    bytes: &'a [u8],
    /// How many of `bytes` were taken.
    taken: usize,
    /// The blob offset of the first byte.
    base: u64,
    records: Vec<Record>,
    /// The start of the open record.
    start: Option<u64>,
    expected_commas: u64,
    verbatim: bool,
    records_seen: bool,
    closed: bool,
}

/// The result of a cutter from the start for `blob`.
pub(crate) fn cut_blob(blob: &[u8]) -> CutResult {
    let mut reader = ByteWise::new(blob, 0);
    let stop = reader.blob();
    reader.outcome(&stop)
}

/// The result of a cutter after a record for `bytes`, which begin at blob offset `offset`.
pub(crate) fn cut_array(bytes: &[u8], offset: u64) -> CutResult {
    let mut reader = ByteWise { verbatim: false, records_seen: true, ..ByteWise::new(bytes, offset) };
    let stop = reader.array().and_then(|()| reader.after_value()).and_then(|()| reader.members());
    reader.outcome(&stop)
}

impl<'a> ByteWise<'a> {
    fn new(bytes: &'a [u8], base: u64) -> Self {
        Self {
            bytes,
            taken: 0,
            base,
            records: Vec::new(),
            start: None,
            expected_commas: 0,
            verbatim: true,
            records_seen: false,
            closed: false,
        }
    }

    fn outcome(self, stop: &Step<()>) -> CutResult {
        let error = match stop {
            Err(Stop::Broken(expected)) => {
                Some(CutError { offset: self.at(), expected: *expected, found: self.bytes[self.taken] })
            }
            _ => None,
        };
        let resume = self.gap_start();
        let verbatim = self.verbatim && self.at() - resume <= MAX_GAP;
        let closed = self.closed.then_some(Closed { end: self.at(), verbatim });
        CutResult { records: self.records, error, resume, open: self.start, closed }
    }

    fn at(&self) -> u64 {
        self.base + self.taken as u64
    }

    fn gap_start(&self) -> u64 {
        self.records.last().map_or(self.base, |record| record.range.end)
    }

    fn peek(&self) -> Step<u8> {
        self.bytes.get(self.taken).copied().ok_or(Stop::EndOfInput)
    }

    /// Skips whitespace and returns the byte after it.
    fn skip_space(&mut self) -> Step<u8> {
        while is_space(self.peek()?) {
            self.taken += 1;
        }
        self.peek()
    }

    fn expect(&mut self, byte: u8, expected: Expected) -> Step<()> {
        if self.skip_space()? != byte {
            return Err(Stop::Broken(expected));
        }
        self.taken += 1;
        Ok(())
    }

    fn blob(&mut self) -> Step<()> {
        for (place, mark) in [0xEF, 0xBB, 0xBF].into_iter().enumerate() {
            match self.peek()? {
                byte if byte == mark => self.taken += 1,
                _ if place == 0 => break,
                _ => return Err(Stop::Broken(Expected::Opener)),
            }
            self.verbatim = false;
        }
        self.expect(b'{', Expected::Opener)?;
        if self.skip_space()? == b'}' {
            return Err(Stop::Broken(Expected::Records));
        }
        self.members()
    }

    /// Takes members up to the root's `}`, and the whitespace after it.
    fn members(&mut self) -> Step<()> {
        while !self.closed {
            self.expect(b'"', Expected::Name)?;
            let start = self.taken;
            self.string()?;
            let name = &self.bytes[start..self.taken - 1];
            let reads_records = serde_json::from_slice::<String>(&self.bytes[start - 1..self.taken])
                .is_ok_and(|name| name == "records");
            if reads_records && (self.records_seen || name != b"records") {
                self.taken -= 1;
                let has_escapes = name != b"records";
                return Err(Stop::Broken(if has_escapes {
                    Expected::PlainName
                } else {
                    Expected::OneRecords
                }));
            }
            self.verbatim &= reads_records;
            self.expect(b':', Expected::Colon)?;
            if reads_records {
                self.expect(b'[', Expected::Array)?;
                self.records_seen = true;
                self.array()?;
            } else {
                self.value()?;
            }
            self.after_value()?;
        }
        self.skip_space()?;
        Err(Stop::Broken(Expected::End))
    }

    /// Takes the comma after a member, or the root's `}`.
    fn after_value(&mut self) -> Step<()> {
        match self.skip_space()? {
            b',' => {}
            b'}' if self.records_seen => self.closed = true,
            b'}' => return Err(Stop::Broken(Expected::Records)),
            _ => return Err(Stop::Broken(Expected::Separator)),
        }
        self.taken += 1;
        Ok(())
    }

    /// Takes the rest of a string, after its opening quote.
    fn string(&mut self) -> Step<()> {
        loop {
            let byte = self.peek()?;
            self.taken += 1;
            match byte {
                b'"' => return Ok(()),
                b'\\' => {
                    self.peek()?;
                    self.taken += 1;
                }
                _ => {}
            }
        }
    }

    /// Takes an opening bracket and everything up to the closing one.
    fn nested(&mut self) -> Step<()> {
        let mut brackets = Vec::new();
        loop {
            match self.peek()? {
                b'"' => {
                    self.taken += 1;
                    self.string()?;
                    continue;
                }
                b'{' | b'[' if brackets.len() == MAX_NESTING as usize => {
                    return Err(Stop::Broken(Expected::LessNesting));
                }
                b'{' => brackets.push(b'}'),
                b'[' => brackets.push(b']'),
                byte @ (b'}' | b']') => {
                    let closer = *brackets.last().unwrap();
                    if byte != closer {
                        return Err(Stop::Broken(Expected::Closer(closer)));
                    }
                    brackets.pop();
                }
                _ => {}
            }
            self.taken += 1;
            if brackets.is_empty() {
                return Ok(());
            }
        }
    }

    /// Takes the value of a member.
    fn value(&mut self) -> Step<()> {
        let is_literal = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
        match self.skip_space()? {
            b'"' => {
                self.taken += 1;
                self.string()
            }
            b'{' | b'[' => self.nested(),
            byte if is_literal(byte) => {
                while is_literal(self.peek()?) {
                    self.taken += 1;
                }
                Ok(())
            }
            _ => Err(Stop::Broken(Expected::Value)),
        }
    }

    /// Takes records and separators, up to the array's `]`.
    fn array(&mut self) -> Step<()> {
        let mut commas = 0;
        loop {
            match self.skip_space()? {
                b',' => commas += 1,
                b'{' => {
                    let (gap, start) = (self.gap_start(), self.at());
                    self.start = Some(start);
                    self.nested()?;
                    self.start = None;
                    let as_expected = commas == self.expected_commas && start - gap <= MAX_GAP;
                    let contiguous = as_expected && self.expected_commas == 1;
                    self.records.push(Record { range: start..self.at(), contiguous });
                    self.verbatim &= as_expected;
                    (self.expected_commas, commas) = (1, 0);
                    continue;
                }
                b']' => {
                    self.verbatim &= commas == 0;
                    self.taken += 1;
                    return Ok(());
                }
                _ => return Err(Stop::Broken(Expected::Record)),
            }
            self.taken += 1;
        }
    }
}
