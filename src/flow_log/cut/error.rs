//! The cutter's errors.

use super::record::MAX_NESTING;
use std::fmt;
use std::ops::Range;

/// What the cutter expected where the blob's structure broke.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// The `{` of the root object.
    Opener,
    /// The name of a member of the root object.
    Name,
    /// The `:` after such a name.
    Colon,
    /// The value of such a member.
    Value,
    /// A comma or the root's `}`, after such a member.
    Separator,
    /// The member `records`, before the root's `}`.
    Records,
    /// No second member `records`.
    OneRecords,
    /// The name `records` without escapes.
    PlainName,
    /// The `[` of the member `records`.
    Array,
    /// In the array: the `{` of a record, a comma, or the closing `]`.
    Record,
    /// This bracket, which matches the innermost open one.
    Closer(u8),
    /// At most [`MAX_NESTING`] open brackets.
    LessNesting,
    /// Only whitespace, after the root object is closed.
    End,
}

impl fmt::Display for Expected {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Opener => write!(out, "the `{{` of `{{\"records\":[…]}}`"),
            Self::Name => write!(out, "the name of a member"),
            Self::Colon => write!(out, "`:`"),
            Self::Value => write!(out, "the value of a member"),
            Self::Separator => write!(out, "`,` or `}}`"),
            Self::Records => write!(out, "a member `records` before the root object ends"),
            Self::OneRecords => write!(out, "no second member `records`"),
            Self::PlainName => write!(out, "the name `records` without escapes"),
            Self::Array => write!(out, "`[`, because `records` is a list"),
            Self::Record => write!(out, "a record, `,` or `]`"),
            Self::Closer(bracket) => write!(out, "`{}`", char::from(*bracket)),
            Self::LessNesting => write!(out, "at most {MAX_NESTING} nested levels"),
            Self::End => write!(out, "nothing after the closing `}}`"),
        }
    }
}

/// The bytes are not an object with a list `records`. Names the first byte that is invalid.
///
/// The records before it are valid; the last of them ends at
/// [`Cutter::resume_offset`](super::Cutter::resume_offset).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("blob offset {offset}: expected {expected}, found `{}`", found.escape_ascii())]
pub struct CutError {
    /// The byte's offset in the blob.
    pub offset: u64,
    /// What would be valid there.
    pub expected: Expected,
    /// The byte.
    pub found: u8,
}

/// A slice was requested of bytes that were not pushed yet, or were released or discarded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("blob bytes {requested:?} are not held, only bytes of {held:?}")]
pub struct NotHeld {
    /// The range requested.
    pub requested: Range<u64>,
    /// The range from the last release to the end of the input.
    pub held: Range<u64>,
}
