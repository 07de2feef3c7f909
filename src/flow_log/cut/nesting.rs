//! Which brackets are open, in one word.

use super::{CutError, Expected};

/// How many brackets may be open inside one record, its own included.
///
/// Flow-log records open 8. The bound is where other JSON readers stop too (`serde_json` at 128, .NET at 64),
/// so a deeper record could not be read behind the hub; and it lets one `u128`, a bit for each open
/// bracket, carry the whole nesting from chunk to chunk.
pub const MAX_NESTING: u32 = u128::BITS;

/// The open brackets of one record: a stack of bits, the innermost lowest, 1 for `{` and 0 for `[`.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Nesting {
    kinds: u128,
    depth: u32,
}

impl Nesting {
    /// Only a record's own `{` is open. Nothing has to be shifted or checked for that: 5 % of the time that
    /// a record of two bytes takes.
    pub(crate) fn of_record() -> Self {
        Self { kinds: 1, depth: 1 }
    }

    /// How many brackets are open.
    pub(crate) fn depth(self) -> u32 {
        self.depth
    }

    /// Takes `{` or `[` at blob offset `offset`.
    ///
    /// # Errors
    /// When that makes more than [`MAX_NESTING`] open brackets.
    pub(crate) fn open(&mut self, bracket: u8, offset: u64) -> Result<(), CutError> {
        if self.depth == MAX_NESTING {
            return Err(CutError { offset, expected: Expected::LessNesting, found: bracket });
        }
        self.kinds = self.kinds << 1 | u128::from(bracket == b'{');
        self.depth += 1;
        Ok(())
    }

    /// Takes `}` or `]` at blob offset `offset`. At least one bracket must be open.
    ///
    /// # Errors
    /// When the innermost open bracket is of the other kind.
    pub(crate) fn close(&mut self, bracket: u8, offset: u64) -> Result<(), CutError> {
        let expected = if self.kinds & 1 == 1 { b'}' } else { b']' };
        if bracket != expected {
            return Err(CutError { offset, expected: Expected::Closer(expected), found: bracket });
        }
        self.kinds >>= 1;
        self.depth -= 1;
        Ok(())
    }
}
