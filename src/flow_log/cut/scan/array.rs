//! The meaning of brackets and separators in the array.
#![allow(
    clippy::inline_always,
    reason = "code gets the instructions of the dispatch only when inlined into it"
)]

use crate::flow_log::cut::error::{CutError, Expected};
use crate::flow_log::cut::json::is_space;
use crate::flow_log::cut::nesting::Nesting;
use crate::flow_log::cut::record::{MAX_GAP, Record};

/// A number of commas that is never expected.
const NEVER_EXPECTED: u64 = u64::MAX;

/// The state of the array.
#[derive(Clone, Copy, Debug)]
pub(super) struct Array {
    nesting: Nesting,
    /// The start of the open record. Otherwise the start of the gap: the last record's end, or the start of
    /// the run.
    pub(super) start: u64,
    /// Whether a record began after a wide gap.
    pub(super) wide: bool,
    /// How many commas are expected before the next record: one, or none before the first of a run.
    expected_commas: u64,
    /// How many commas were seen since the last record.
    commas: u64,
    /// Whether everything from offset 0 is held and valid JSON as it stands: no byte order mark, no wide gap,
    /// no missing or extra comma.
    pub(super) verbatim: bool,
}

impl Array {
    /// No record yet, in a run that begins at blob offset `start`. `verbatim` when that is the blob's start.
    pub(super) fn new(start: u64, verbatim: bool) -> Self {
        Self { nesting: Nesting::default(), start, wide: false, expected_commas: 0, commas: 0, verbatim }
    }

    /// Whether a record is open.
    pub(super) fn in_record(&self) -> bool {
        self.nesting.depth() > 0
    }

    /// Takes a bracket in a record, outside its strings. Returns the record when the bracket ends it.
    #[inline(always)]
    pub(super) fn bracket_in_record(&mut self, bracket: u8, offset: u64) -> Result<Option<Record>, CutError> {
        if matches!(bracket, b'{' | b'[') {
            self.nesting.open(bracket, offset)?;
            return Ok(None);
        }
        self.nesting.close(bracket, offset)?;
        if self.in_record() {
            return Ok(None);
        }
        let as_expected = self.commas == self.expected_commas;
        let contiguous = as_expected && self.expected_commas == 1;
        let record = Record { range: self.start..offset + 1, contiguous };
        self.verbatim &= as_expected;
        self.commas = 0;
        self.expected_commas = 1;
        self.start = offset + 1;
        Ok(Some(record))
    }

    /// Takes a bracket between two records. Returns whether it is the array's `]`.
    #[inline(always)]
    pub(super) fn bracket_between_records(&mut self, bracket: u8, offset: u64) -> Result<bool, CutError> {
        match bracket {
            b'{' => {
                if offset - self.start > MAX_GAP {
                    self.end_wide_gap();
                }
                self.start = offset;
                self.nesting = Nesting::of_record();
                Ok(false)
            }
            b']' => {
                self.verbatim &= self.commas == 0;
                Ok(true)
            }
            _ => Err(CutError { offset, expected: Expected::Record, found: bracket }),
        }
    }

    /// The gap before the new record will be discarded, so the record is not contiguous.
    #[cold]
    fn end_wide_gap(&mut self) {
        self.wide = true;
        self.commas = NEVER_EXPECTED;
    }

    /// Takes the bytes between two records, which begin at blob offset `offset`: whitespace and commas.
    #[inline(always)]
    pub(super) fn separators(&mut self, gap: &[u8], offset: u64) -> Result<(), CutError> {
        // Most writers put a single comma. Skipping the loop saves 4 % of the time for a record of two bytes.
        self.commas += if gap == b"," { 1 } else { count_commas(gap, offset)? };
        Ok(())
    }
}

/// How many commas are in `gap`, which begins at blob offset `offset`.
fn count_commas(gap: &[u8], offset: u64) -> Result<u64, CutError> {
    let mut commas = 0;
    for (offset, &found) in (offset..).zip(gap) {
        match found {
            b',' => commas += 1,
            _ if is_space(found) => {}
            _ => return Err(CutError { offset, expected: Expected::Record, found }),
        }
    }
    Ok(commas)
}
