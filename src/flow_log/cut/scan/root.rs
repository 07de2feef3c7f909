//! The root object around the array: finds the member `records` and skips all others.

use crate::flow_log::cut::error::{CutError, Expected};
use crate::flow_log::cut::json::is_space;
use crate::flow_log::cut::nesting::Nesting;

/// The member that holds the records.
const RECORDS: &[u8] = b"records";

/// The longest spelling of that name, with an escape such as `\u0072` for each letter.
const LONGEST_NAME: usize = 6 * RECORDS.len();

/// What the next byte belongs to. Whitespace may come before it, except in names, numbers and strings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// The root's `{`.
    Opener,
    /// The first member's name, or the root's `}`.
    First,
    /// A member's name, after a comma.
    Name,
    /// The rest of a name.
    InName,
    /// The byte after a backslash in a name.
    NameEscape,
    /// The `:` after a name.
    Colon,
    /// A member's value.
    Value,
    /// The rest of a number or a literal.
    Literal,
    /// An object or a list, outside its strings.
    Nested,
    /// A string.
    Text,
    /// The byte after a backslash in a string.
    Escape,
    /// The comma after a member, or the root's `}`.
    AfterValue,
    /// Nothing: the root is closed.
    Closed,
}

/// The root object, byte by byte, without the content of the array.
#[derive(Clone, Debug)]
pub(super) struct Root {
    state: State,
    /// The current member's name as written, up to one byte more than [`LONGEST_NAME`].
    name: Vec<u8>,
    /// Whether the current member is `records`.
    in_records: bool,
    /// Whether the member `records` was seen.
    records_seen: bool,
    /// Whether no other member was seen.
    only_records: bool,
    /// The open brackets of the current value.
    nesting: Nesting,
}

impl Root {
    /// Before the root's `{`.
    pub(super) fn from_start() -> Self {
        Self {
            state: State::Opener,
            name: Vec::new(),
            in_records: false,
            records_seen: false,
            only_records: true,
            nesting: Nesting::default(),
        }
    }

    /// In the array, whatever came before it.
    pub(super) fn in_array() -> Self {
        Self { state: State::AfterValue, records_seen: true, ..Self::from_start() }
    }

    /// Whether the root's `}` was seen.
    pub(super) fn is_closed(&self) -> bool {
        self.state == State::Closed
    }

    /// Whether no member but `records` was seen.
    pub(super) fn has_only_records(&self) -> bool {
        self.only_records
    }

    /// Takes a byte outside the array. Returns whether it is the array's `[`; then the next byte to take is
    /// the one after the array's `]`.
    pub(super) fn take(&mut self, byte: u8, offset: u64) -> Result<bool, CutError> {
        self.state = match (self.state, byte) {
            (State::InName, b'"') => {
                self.end_name(byte, offset)?;
                State::Colon
            }
            (State::InName, b'\\') => self.in_name(byte, State::NameEscape),
            (State::InName | State::NameEscape, _) => self.in_name(byte, State::InName),
            (State::Text, b'"') => self.after_value(),
            (State::Text, b'\\') => State::Escape,
            (State::Text | State::Escape, _) | (State::Nested, b'"') => State::Text,
            (State::Nested, b'{' | b'[') => self.open(byte, offset)?,
            (State::Nested, b'}' | b']') => {
                self.nesting.close(byte, offset)?;
                self.after_value()
            }
            (State::Nested, _) => State::Nested,
            (State::Literal, _) if is_literal(byte) => State::Literal,
            (State::Literal, _) if is_space(byte) => State::AfterValue,
            (_, _) if is_space(byte) => self.state,
            (State::Opener, b'{') => State::First,
            (State::First | State::Name, b'"') => {
                self.name.clear();
                State::InName
            }
            (State::Colon, b':') => State::Value,
            (State::Value, b'[') if self.in_records => {
                self.state = State::AfterValue;
                self.records_seen = true;
                return Ok(true);
            }
            (State::Value, b'"') if !self.in_records => State::Text,
            (State::Value, b'{' | b'[') if !self.in_records => self.open(byte, offset)?,
            (State::Value, _) if !self.in_records && is_literal(byte) => State::Literal,
            (State::Literal | State::AfterValue, b',') => State::Name,
            (State::First | State::Literal | State::AfterValue, b'}') if self.records_seen => State::Closed,
            (state, _) => {
                let expected = self.expected(state, byte);
                return Err(CutError { offset, expected, found: byte });
            }
        };
        Ok(false)
    }

    /// What would be valid instead of `byte`.
    fn expected(&self, state: State, byte: u8) -> Expected {
        match state {
            State::Opener => Expected::Opener,
            State::Closed => Expected::End,
            State::Colon => Expected::Colon,
            State::Value if self.in_records => Expected::Array,
            State::Value => Expected::Value,
            _ if byte == b'}' && !self.records_seen && state != State::Name => Expected::Records,
            State::First | State::Name => Expected::Name,
            _ => Expected::Separator,
        }
    }

    fn in_name(&mut self, byte: u8, next: State) -> State {
        // One byte more shows that the name is longer.
        if self.name.len() <= LONGEST_NAME {
            self.name.push(byte);
        }
        next
    }

    /// Takes the closing `"` of a name.
    fn end_name(&mut self, found: u8, offset: u64) -> Result<(), CutError> {
        self.in_records = self.name == RECORDS;
        self.only_records &= self.in_records;
        let expected = match &self.name[..] {
            RECORDS if self.records_seen => Expected::OneRecords,
            escaped if is_records_escaped(escaped) => Expected::PlainName,
            _ => return Ok(()),
        };
        Err(CutError { offset, expected, found })
    }

    /// Takes an opening bracket.
    fn open(&mut self, bracket: u8, offset: u64) -> Result<State, CutError> {
        self.nesting.open(bracket, offset)?;
        Ok(State::Nested)
    }

    /// The state after a string or a closing bracket.
    fn after_value(&self) -> State {
        if self.nesting.depth() == 0 { State::AfterValue } else { State::Nested }
    }
}

/// Whether `byte` is valid in a number or a literal.
fn is_literal(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.')
}

/// Whether `raw` is the name `records` written with escapes.
fn is_records_escaped(raw: &[u8]) -> bool {
    if raw.len() > LONGEST_NAME || !raw.contains(&b'\\') {
        return false;
    }
    let quoted = [b"\"", raw, b"\""].concat();
    serde_json::from_slice::<String>(&quoted).is_ok_and(|name| name.as_bytes() == RECORDS)
}
