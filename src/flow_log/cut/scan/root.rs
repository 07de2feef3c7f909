//! The root object around the array: finds the member `records`, and passes over all others.

use super::is_space;
use crate::flow_log::cut::{CutError, Expected, Nesting};

/// The member that holds the records.
const RECORDS: &[u8] = b"records";

/// As long as that name can be written, each letter as `\u0072` and so on.
const LONGEST: usize = 6 * RECORDS.len();

/// Where the root stands between two bytes. Whitespace may stand before what comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// The root's `{` comes next.
    Opener,
    /// The first member's name, or the root's `}`, comes next.
    First,
    /// The name of a member behind a comma comes next.
    Name,
    /// In a name.
    InName,
    /// In a name, behind a backslash.
    NameEscape,
    /// The `:` behind a name comes next.
    Colon,
    /// A member's value comes next.
    Value,
    /// In a number or a literal.
    Bare,
    /// In an object or a list, outside its strings.
    Nested,
    /// In a string.
    Text,
    /// In a string, behind a backslash.
    Escape,
    /// The comma behind a member, or the root's `}`, comes next.
    Behind,
    /// Nothing comes next.
    Closed,
}

/// The root object, byte by byte, but for what stands in the array.
#[derive(Clone, Debug)]
pub(super) struct Root {
    state: State,
    /// The name of the member at hand as written, as far as it can be `records`.
    name: Vec<u8>,
    /// Whether the member at hand is `records`.
    at_records: bool,
    /// Whether `records` was met.
    met: bool,
    /// Whether no other member was.
    alone: bool,
    /// The brackets open in the value at hand.
    nesting: Nesting,
}

impl Root {
    /// Before the root's `{`.
    pub(super) fn from_start() -> Self {
        let nesting = Nesting::default();
        Self { state: State::Opener, name: Vec::new(), at_records: false, met: false, alone: true, nesting }
    }

    /// In the array; what stands before it is not known.
    pub(super) fn in_array() -> Self {
        Self { state: State::Behind, met: true, ..Self::from_start() }
    }

    /// Whether the root's `}` was met.
    pub(super) fn is_closed(&self) -> bool {
        self.state == State::Closed
    }

    /// Whether no member but `records` was met.
    pub(super) fn is_plain(&self) -> bool {
        self.alone
    }

    /// Takes a byte outside the array; whether it is the array's `[`. After that, the next byte to be taken
    /// is the one behind the array's `]`.
    pub(super) fn take(&mut self, byte: u8, offset: u64) -> Result<bool, CutError> {
        self.state = match (self.state, byte) {
            (State::InName, b'"') => {
                self.end_name(byte, offset)?;
                State::Colon
            }
            (State::InName, b'\\') => self.in_name(byte, State::NameEscape),
            (State::InName | State::NameEscape, _) => self.in_name(byte, State::InName),
            (State::Text, b'"') => self.behind_value(),
            (State::Text, b'\\') => State::Escape,
            (State::Text | State::Escape, _) | (State::Nested, b'"') => State::Text,
            (State::Nested, b'{' | b'[') => self.open(byte, offset)?,
            (State::Nested, b'}' | b']') => {
                self.nesting.close(byte, offset)?;
                self.behind_value()
            }
            (State::Nested, _) => State::Nested,
            (State::Bare, _) if is_bare(byte) => State::Bare,
            (State::Bare, _) if is_space(byte) => State::Behind,
            (_, _) if is_space(byte) => self.state,
            (State::Opener, b'{') => State::First,
            (State::First | State::Name, b'"') => {
                self.name.clear();
                State::InName
            }
            (State::Colon, b':') => State::Value,
            (State::Value, b'[') if self.at_records => {
                self.state = State::Behind;
                self.met = true;
                return Ok(true);
            }
            (State::Value, b'"') if !self.at_records => State::Text,
            (State::Value, b'{' | b'[') if !self.at_records => self.open(byte, offset)?,
            (State::Value, _) if !self.at_records && is_bare(byte) => State::Bare,
            (State::Bare | State::Behind, b',') => State::Name,
            (State::First | State::Bare | State::Behind, b'}') if self.met => State::Closed,
            (state, _) => {
                let expected = self.expected(state, byte);
                return Err(CutError { offset, expected, found: byte });
            }
        };
        Ok(false)
    }

    /// What could have stood where `byte` can't.
    fn expected(&self, state: State, byte: u8) -> Expected {
        match state {
            State::Opener => Expected::Opener,
            State::Closed => Expected::End,
            State::Colon => Expected::Colon,
            State::Value if self.at_records => Expected::Array,
            State::Value => Expected::Value,
            _ if byte == b'}' && !self.met && state != State::Name => Expected::Records,
            State::First | State::Name => Expected::Name,
            _ => Expected::Separator,
        }
    }

    fn in_name(&mut self, byte: u8, next: State) -> State {
        // One byte more than fits tells that the name is longer.
        if self.name.len() <= LONGEST {
            self.name.push(byte);
        }
        next
    }

    /// Takes the `"` that ends a name.
    fn end_name(&mut self, found: u8, offset: u64) -> Result<(), CutError> {
        self.at_records = self.name == RECORDS;
        self.alone &= self.at_records;
        let expected = match &self.name[..] {
            RECORDS if self.met => Expected::OneRecords,
            escaped if is_records_escaped(escaped) => Expected::PlainName,
            _ => return Ok(()),
        };
        Err(CutError { offset, expected, found })
    }

    /// Takes a bracket that opens.
    fn open(&mut self, bracket: u8, offset: u64) -> Result<State, CutError> {
        self.nesting.open(bracket, offset)?;
        Ok(State::Nested)
    }

    /// The state behind a string or a bracket that closes.
    fn behind_value(&self) -> State {
        if self.nesting.depth() == 0 { State::Behind } else { State::Nested }
    }
}

/// Whether `byte` may stand in a number or a literal.
fn is_bare(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.')
}

/// Whether the name `raw` reads `records` and has escapes.
fn is_records_escaped(raw: &[u8]) -> bool {
    if raw.len() > LONGEST || !raw.contains(&b'\\') {
        return false;
    }
    let quoted = [b"\"", raw, b"\""].concat();
    serde_json::from_slice::<String>(&quoted).is_ok_and(|name| name.as_bytes() == RECORDS)
}
