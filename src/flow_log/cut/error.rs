//! What the cutter says of bytes that are no flow log, or that it has not.

use super::MAX_NESTING;
use std::fmt;
use std::ops::Range;

/// What should have stood where the blob's structure broke.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// The `{` of the root object.
    Opener,
    /// The name of a member of the root object.
    Name,
    /// The `:` behind such a name.
    Colon,
    /// The value of such a member.
    Value,
    /// A comma or the root's `}`, behind such a member.
    Separator,
    /// The member `records` before the root's `}`.
    Records,
    /// No second member `records`.
    OneRecords,
    /// The name `records` without escapes.
    PlainName,
    /// The `[` of the member `records`.
    Array,
    /// In the array: the `{` of a record, a comma, or the closing `]`.
    Record,
    /// This bracket, which closes what is open.
    Closer(u8),
    /// No more than [`MAX_NESTING`] open brackets.
    LessNesting,
    /// Nothing but whitespace, for the root object has been closed.
    End,
}

impl fmt::Display for Expected {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Opener => write!(out, "`{{`, which opens `{{\"records\":[…]}}`"),
            Self::Name => write!(out, "the name of a member"),
            Self::Colon => write!(out, "`:`"),
            Self::Value => write!(out, "the value of a member"),
            Self::Separator => write!(out, "`,` or `}}`"),
            Self::Records => write!(out, "a member `records`, and the root object has none"),
            Self::OneRecords => write!(out, "no second member `records`"),
            Self::PlainName => write!(out, "the name `records` without escapes"),
            Self::Array => write!(out, "`[`, for `records` is a list"),
            Self::Record => write!(out, "a record, `,` or `]`"),
            Self::Closer(bracket) => write!(out, "`{}`", char::from(*bracket)),
            Self::LessNesting => write!(out, "at most {MAX_NESTING} nested levels"),
            Self::End => write!(out, "nothing behind the closing `}}`"),
        }
    }
}

/// The bytes are no object with a list `records`, seen at the first byte that can't be.
///
/// The records before it are good: [`Cutter::resume_offset`](super::Cutter::resume_offset) ends the last of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("blob offset {offset}: expected {expected}, found `{}`", found.escape_ascii())]
pub struct CutError {
    /// The byte's offset in the blob.
    pub offset: u64,
    /// What could have stood there.
    pub expected: Expected,
    /// The byte.
    pub found: u8,
}

/// Bytes were asked for that the cutter was never given, or has been told to forget.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("blob bytes {asked:?} were asked for, but only {held:?} are held")]
pub struct NotHeld {
    /// What was asked for.
    pub asked: Range<u64>,
    /// What is held.
    pub held: Range<u64>,
}
