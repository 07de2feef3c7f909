//! The cutter once more, as simply as it can be written: byte by byte, with no masks, chunks or batches. It
//! says what the real one must say of any bytes, those included that no JSON holds.
#![allow(clippy::unwrap_used)]

use super::oracle::Outcome;
use super::scan::is_space;
use super::{Closed, CutError, Expected, MAX_GAP, MAX_NESTING, Record};

/// Why reading stopped.
enum Stop {
    /// There are no more bytes.
    Out,
    /// The next byte can't stand there.
    Broken(Expected),
}

type Step<T> = Result<T, Stop>;

/// What was read so far.
struct ByteWise<'a> {
    bytes: &'a [u8],
    /// How many of them were taken.
    taken: usize,
    /// The blob offset of the first of them.
    base: u64,
    records: Vec<Record>,
    /// Where the open record starts.
    start: Option<u64>,
    /// How many commas belong before the next record.
    due: u64,
    plain: bool,
    /// Whether `records` was met.
    met: bool,
    closed: bool,
}

/// What a cutter from the start says of `blob`.
pub(crate) fn cut_blob(blob: &[u8]) -> Outcome {
    let mut reader = ByteWise::new(blob, 0);
    let stop = reader.blob();
    reader.outcome(&stop)
}

/// What a cutter behind a record, which ends at blob offset `offset`, says of the `bytes` from there on.
pub(crate) fn cut_array(bytes: &[u8], offset: u64) -> Outcome {
    let mut reader = ByteWise { plain: false, met: true, ..ByteWise::new(bytes, offset) };
    let stop = reader.array().and_then(|()| reader.behind()).and_then(|()| reader.members());
    reader.outcome(&stop)
}

impl<'a> ByteWise<'a> {
    fn new(bytes: &'a [u8], base: u64) -> Self {
        let (records, start) = (Vec::new(), None);
        Self { bytes, taken: 0, base, records, start, due: 0, plain: true, met: false, closed: false }
    }

    fn outcome(self, stop: &Step<()>) -> Outcome {
        let error = match stop {
            Err(Stop::Broken(expected)) => {
                Some(CutError { offset: self.at(), expected: *expected, found: self.bytes[self.taken] })
            }
            _ => None,
        };
        let resume = self.gap_start();
        let plain = self.plain && self.at() - resume <= MAX_GAP;
        let closed = self.closed.then_some(Closed { end: self.at(), plain });
        Outcome { records: self.records, error, resume, open: self.start, closed }
    }

    fn at(&self) -> u64 {
        self.base + self.taken as u64
    }

    fn gap_start(&self) -> u64 {
        self.records.last().map_or(self.base, |record| record.range.end)
    }

    fn peek(&self) -> Step<u8> {
        self.bytes.get(self.taken).copied().ok_or(Stop::Out)
    }

    /// The next byte that is no whitespace.
    fn behind_space(&mut self) -> Step<u8> {
        while is_space(self.peek()?) {
            self.taken += 1;
        }
        self.peek()
    }

    fn expect(&mut self, byte: u8, expected: Expected) -> Step<()> {
        if self.behind_space()? != byte {
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
            self.plain = false;
        }
        self.expect(b'{', Expected::Opener)?;
        if self.behind_space()? == b'}' {
            return Err(Stop::Broken(Expected::Records));
        }
        self.members()
    }

    /// Takes members up to the root's `}`, and what follows it.
    fn members(&mut self) -> Step<()> {
        while !self.closed {
            self.expect(b'"', Expected::Name)?;
            let start = self.taken;
            self.string()?;
            let name = &self.bytes[start..self.taken - 1];
            let reads_records = serde_json::from_slice::<String>(&self.bytes[start - 1..self.taken])
                .is_ok_and(|name| name == "records");
            if reads_records && (self.met || name != b"records") {
                self.taken -= 1;
                let plain_name = name == b"records";
                return Err(Stop::Broken(if plain_name {
                    Expected::OneRecords
                } else {
                    Expected::PlainName
                }));
            }
            self.plain &= reads_records;
            self.expect(b':', Expected::Colon)?;
            if reads_records {
                self.expect(b'[', Expected::Array)?;
                self.met = true;
                self.array()?;
            } else {
                self.value()?;
            }
            self.behind()?;
        }
        self.behind_space()?;
        Err(Stop::Broken(Expected::End))
    }

    /// Takes the comma behind a member, or the root's `}`.
    fn behind(&mut self) -> Step<()> {
        match self.behind_space()? {
            b',' => {}
            b'}' if self.met => self.closed = true,
            b'}' => return Err(Stop::Broken(Expected::Records)),
            _ => return Err(Stop::Broken(Expected::Separator)),
        }
        self.taken += 1;
        Ok(())
    }

    /// Takes a string behind its opening quote.
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

    /// Takes a bracket that opens, and all up to the one that closes it.
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
        let bare = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
        match self.behind_space()? {
            b'"' => {
                self.taken += 1;
                self.string()
            }
            b'{' | b'[' => self.nested(),
            byte if bare(byte) => {
                while bare(self.peek()?) {
                    self.taken += 1;
                }
                Ok(())
            }
            _ => Err(Stop::Broken(Expected::Value)),
        }
    }

    /// Takes records and what separates them, up to the array's `]`.
    fn array(&mut self) -> Step<()> {
        let mut commas = 0;
        loop {
            match self.behind_space()? {
                b',' => commas += 1,
                b'{' => {
                    let (gap, start) = (self.gap_start(), self.at());
                    self.start = Some(start);
                    self.nested()?;
                    self.start = None;
                    let as_due = commas == self.due && start - gap <= MAX_GAP;
                    let follows_plainly = as_due && self.due == 1;
                    self.records.push(Record { range: start..self.at(), follows_plainly });
                    self.plain &= as_due;
                    (self.due, commas) = (1, 0);
                    continue;
                }
                b']' => {
                    self.plain &= commas == 0;
                    self.taken += 1;
                    return Ok(());
                }
                _ => return Err(Stop::Broken(Expected::Record)),
            }
            self.taken += 1;
        }
    }
}
