//! The cutter once more, as simply as it can be written: byte by byte, with no masks, chunks or batches. It
//! says what the real one must say of any bytes, those included that no JSON holds.
#![allow(clippy::unwrap_used)]

use super::oracle::Outcome;
use super::scan::is_space;
use super::{Closed, CutError, Expected, MAX_NESTING, Record};

/// What is open, from the outside in.
struct ByteWise {
    records: Vec<Record>,
    /// Where the open record starts.
    start: Option<u64>,
    brackets: Vec<u8>,
    quoted: bool,
    escaped: bool,
    commas: u64,
    /// How many commas belong before the next record.
    due: u64,
    plain: bool,
}

/// What a cutter says of `bytes` behind the array's `[`, which is the byte before blob offset `offset`. With
/// `plain` the blob has been read from its start.
pub(super) fn cut_array(bytes: &[u8], offset: u64, plain: bool) -> Outcome {
    let mut state = ByteWise {
        records: Vec::new(),
        start: None,
        brackets: Vec::new(),
        quoted: false,
        escaped: false,
        commas: 0,
        due: 0,
        plain,
    };
    let mut error = None;
    let mut closed = None;
    for (at, &byte) in (offset..).zip(bytes) {
        let step = if state.start.is_some() { state.within(byte, at) } else { state.between(byte, at) };
        match step {
            Ok(false) => {}
            Ok(true) => {
                let tail = &bytes[usize::try_from(at + 1 - offset).unwrap()..];
                (closed, error) = close(tail, at + 1, state.plain);
                break;
            }
            Err(expected) => {
                error = Some(CutError { offset: at, expected, found: byte });
                break;
            }
        }
    }
    let start = if plain { 0 } else { offset };
    let resume = state.records.last().map_or(start, |record| record.range.end);
    Outcome { records: state.records, error, resume, open: state.start, closed }
}

impl ByteWise {
    /// Takes a byte between two records; whether it is the array's `]`.
    fn between(&mut self, byte: u8, at: u64) -> Result<bool, Expected> {
        match byte {
            b',' => self.commas += 1,
            b'{' => {
                self.brackets.push(byte);
                self.start = Some(at);
            }
            b']' => {
                self.plain &= self.commas == 0;
                return Ok(true);
            }
            _ if is_space(byte) => {}
            _ => return Err(Expected::Record),
        }
        Ok(false)
    }

    /// Takes a byte of a record.
    fn within(&mut self, byte: u8, at: u64) -> Result<bool, Expected> {
        match byte {
            _ if self.escaped => self.escaped = false,
            b'\\' if self.quoted => self.escaped = true,
            b'"' => self.quoted = !self.quoted,
            _ if self.quoted => {}
            b'{' | b'[' if self.brackets.len() == MAX_NESTING as usize => return Err(Expected::LessNesting),
            b'{' | b'[' => self.brackets.push(byte),
            b'}' | b']' => {
                let closer = if self.brackets.last() == Some(&b'{') { b'}' } else { b']' };
                if byte != closer {
                    return Err(Expected::Closer(closer));
                }
                self.brackets.pop();
                if self.brackets.is_empty() {
                    self.end(at + 1);
                }
            }
            _ => {}
        }
        Ok(false)
    }

    fn end(&mut self, end: u64) {
        let as_due = self.commas == self.due;
        let start = self.start.take().unwrap();
        self.records.push(Record { range: start..end, follows_plainly: as_due && self.due == 1 });
        self.plain &= as_due;
        (self.due, self.commas) = (1, 0);
    }
}

/// Takes what follows the array's `]`.
fn close(tail: &[u8], offset: u64, plain: bool) -> (Option<Closed>, Option<CutError>) {
    let mut closed = None;
    for (at, &found) in (offset..).zip(tail) {
        match (closed, found) {
            _ if is_space(found) => {}
            (None, b'}') => {}
            (None, _) => {
                return (None, Some(CutError { offset: at, expected: Expected::Closer(b'}'), found }));
            }
            (Some(_), _) => return (closed, Some(CutError { offset: at, expected: Expected::End, found })),
        }
        if closed.is_some() || found == b'}' {
            closed = Some(Closed { end: at + 1, plain });
        }
    }
    (closed, None)
}
