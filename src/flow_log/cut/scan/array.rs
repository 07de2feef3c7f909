//! What the array's brackets and separators mean.
#![allow(clippy::inline_always, reason = "only what is inlined into the dispatch gets its instructions")]

use super::is_space;
use crate::flow_log::cut::{CutError, Expected, MAX_GAP, Nesting, Record};

/// A number of commas that is never due.
const UNDUE: u64 = u64::MAX;

/// How far the array has come.
#[derive(Clone, Copy, Debug)]
pub(super) struct Array {
    nesting: Nesting,
    /// Where the open record starts. While none is open, where the gap does: at the last record's end, or
    /// where the run began.
    pub(super) start: u64,
    /// Whether a record began more than [`MAX_GAP`] behind the last one's end.
    pub(super) wide: bool,
    /// How many commas belong before the next record: one, but none before the first of a run.
    due: u64,
    /// How many were seen.
    commas: u64,
    /// Whether all that was seen, from offset 0, is held and is JSON as it stands: no mark, no wide gap, no
    /// comma too many or too few.
    pub(super) plain: bool,
}

impl Array {
    /// No record yet in a run from blob offset `start` on. `plain` unless the run begins within the array.
    pub(super) fn new(start: u64, plain: bool) -> Self {
        Self { nesting: Nesting::default(), start, wide: false, due: 0, commas: 0, plain }
    }

    /// Whether a record is open.
    pub(super) fn in_record(&self) -> bool {
        self.nesting.depth() > 0
    }

    /// Takes a bracket in a record, outside its strings; gives the record that it ends.
    #[inline(always)]
    pub(super) fn within(&mut self, bracket: u8, offset: u64) -> Result<Option<Record>, CutError> {
        if matches!(bracket, b'{' | b'[') {
            self.nesting.open(bracket, offset)?;
            return Ok(None);
        }
        self.nesting.close(bracket, offset)?;
        if self.in_record() {
            return Ok(None);
        }
        let as_due = self.commas == self.due;
        let record = Record { range: self.start..offset + 1, follows_plainly: as_due && self.due == 1 };
        self.plain &= as_due;
        self.commas = 0;
        self.due = 1;
        self.start = offset + 1;
        Ok(Some(record))
    }

    /// Takes a bracket between two records; whether it is the array's `]`.
    #[inline(always)]
    pub(super) fn between(&mut self, bracket: u8, offset: u64) -> Result<bool, CutError> {
        match bracket {
            b'{' => {
                if offset - self.start > MAX_GAP {
                    self.pass_wide_gap();
                }
                self.start = offset;
                self.nesting = Nesting::of_record();
                Ok(false)
            }
            b']' => {
                self.plain &= self.commas == 0;
                Ok(true)
            }
            _ => Err(CutError { offset, expected: Expected::Record, found: bracket }),
        }
    }

    /// The gap before a record that has just begun is let go, so the record follows nothing.
    #[cold]
    fn pass_wide_gap(&mut self) {
        self.wide = true;
        self.commas = UNDUE;
    }

    /// Takes what stands between two records, from blob offset `offset` on: whitespace and commas.
    #[inline(always)]
    pub(super) fn separators(&mut self, gap: &[u8], offset: u64) -> Result<(), CutError> {
        // As most writers do it. Without the loop: 4 % of the time that a record of two bytes takes.
        self.commas += if gap == b"," { 1 } else { commas(gap, offset)? };
        Ok(())
    }
}

/// How many commas stand in `gap`.
fn commas(gap: &[u8], offset: u64) -> Result<u64, CutError> {
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
