//! Finds the lists that lead to a record's tuples, and their elements.
//!
//! The record may be split between the elements of each of these lists (see [`LogKind`]):
//!
//! | list | virtual network | network security group |
//! |---|---|---|
//! | 0 | `flowRecords.flows` | `properties.flows` |
//! | 1 | `flowGroups` | `flows` |
//! | 2 | `flowTuples` | `flowTuples` |

use crate::flow_log::LogKind;
use crate::flow_log::cut::{CutError, Expected, Nesting, is_space};
use crate::flow_log::kind::{LISTS, LONGEST_MEMBER};
use memchr::memchr2;

/// What the last byte taken was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token {
    /// The `[` of this list.
    ListStart(usize),
    /// The `]` of this list.
    ListEnd(usize),
    /// The first byte of an element of this list.
    ElementStart(usize),
    /// The last byte of an element of this list.
    ElementEnd(usize),
    /// The last byte of the record.
    RecordEnd,
}

/// The innermost open bracket on the path from the record to its tuples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Level {
    /// Before the record's `{`.
    Outside,
    /// The record's object.
    Record,
    /// The member that holds list 0.
    Wrapper,
    /// This list.
    List(usize),
    /// An object that is an element of this list.
    Element(usize),
}

impl Level {
    /// The level one bracket further out.
    fn parent(self) -> Self {
        match self {
            Self::Outside | Self::Record => Self::Outside,
            Self::Wrapper => Self::Record,
            Self::List(0) => Self::Wrapper,
            Self::List(list) => Self::Element(list - 1),
            Self::Element(list) => Self::List(list),
        }
    }

    fn is_object(self) -> bool {
        matches!(self, Self::Record | Self::Wrapper | Self::Element(_))
    }
}

/// What the next byte belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lexeme {
    /// The structure outside strings.
    Structure,
    /// A string.
    Text,
    /// A string, after a backslash.
    Escape,
    /// An element that is a number or a literal, which ends before the next separator.
    Literal,
}

/// Takes the bytes of one record, from its `{` on, in chunks of any size.
#[derive(Clone, Debug)]
pub(super) struct Tokenizer {
    /// Blob offset of the next byte.
    at: u64,
    /// All open brackets.
    nesting: Nesting,
    level: Level,
    /// How many brackets are open on the path, up to `level`.
    level_depth: u32,
    lexeme: Lexeme,
    /// The kind of flow log, by the last wrapper.
    kind: Option<&'static LogKind>,
    /// Whether the next string at this level is a member's name.
    name_next: bool,
    /// The current member's name as written, up to [`LONGEST_MEMBER`] bytes.
    name: Vec<u8>,
}

impl Tokenizer {
    /// Begins at a record's first byte.
    pub(super) fn new(start: u64) -> Self {
        Self {
            at: start,
            nesting: Nesting::default(),
            level: Level::Outside,
            level_depth: 0,
            lexeme: Lexeme::Structure,
            kind: None,
            name_next: false,
            name: Vec::with_capacity(LONGEST_MEMBER),
        }
    }

    /// The blob offset after the bytes taken.
    pub(super) fn at(&self) -> u64 {
        self.at
    }

    /// Takes bytes up to the next token or to the end of `bytes`. Returns how many bytes it took. Must not be
    /// called after [`Token::RecordEnd`].
    ///
    /// # Errors
    /// When brackets don't match, or are nested too deep.
    pub(super) fn next_token(&mut self, bytes: &[u8]) -> Result<(usize, Option<Token>), CutError> {
        let base = self.at;
        let mut consumed = 0;
        while let Some(&byte) = bytes.get(consumed) {
            let token = match self.lexeme {
                Lexeme::Text => {
                    let length = memchr2(b'"', b'\\', &bytes[consumed..]);
                    let end = length.map_or(bytes.len(), |length| consumed + length);
                    self.keep_name(&bytes[consumed..end]);
                    consumed = end;
                    match bytes.get(end) {
                        None => break,
                        Some(b'"') => {
                            self.lexeme = Lexeme::Structure;
                            self.end_element()
                        }
                        Some(_) => {
                            self.lexeme = Lexeme::Escape;
                            None
                        }
                    }
                }
                Lexeme::Escape => {
                    // A name with escapes never counts as one on the path.
                    self.keep_name(b"\\");
                    self.lexeme = Lexeme::Text;
                    None
                }
                Lexeme::Literal
                    if is_space(byte) || matches!(byte, b',' | b'"' | b'{' | b'}' | b'[' | b']') =>
                {
                    self.lexeme = Lexeme::Structure;
                    self.at = base + consumed as u64;
                    return Ok((consumed, self.end_element()));
                }
                Lexeme::Literal => None,
                Lexeme::Structure => self.structure(byte, base + consumed as u64)?,
            };
            consumed += 1;
            if token.is_some() {
                self.at = base + consumed as u64;
                return Ok((consumed, token));
            }
        }
        self.at = base + consumed as u64;
        Ok((consumed, None))
    }

    /// Whether all open brackets are on the path.
    fn on_path(&self) -> bool {
        self.nesting.depth() == self.level_depth
    }

    /// Takes a byte outside strings.
    fn structure(&mut self, byte: u8, offset: u64) -> Result<Option<Token>, CutError> {
        if self.level == Level::Outside && byte != b'{' {
            return Err(CutError { offset, expected: Expected::Record, found: byte });
        }
        match byte {
            b'{' | b'[' => return self.open(byte, offset),
            b'}' | b']' => return self.close(byte, offset),
            b'"' => {
                self.lexeme = Lexeme::Text;
                if self.on_path() && self.name_next {
                    self.name.clear();
                }
                return Ok(self.start_element());
            }
            b':' if self.on_path() => self.name_next = false,
            b',' if self.on_path() => self.name_next = self.level.is_object(),
            _ if is_space(byte) || byte == b',' || byte == b':' => {}
            _ => {
                let token = self.start_element();
                if token.is_some() {
                    self.lexeme = Lexeme::Literal;
                }
                return Ok(token);
            }
        }
        Ok(None)
    }

    /// Takes `{` or `[`.
    fn open(&mut self, bracket: u8, offset: u64) -> Result<Option<Token>, CutError> {
        let token = self.start_element();
        let child = self.on_path().then(|| self.child(bracket)).flatten();
        self.nesting.open(bracket, offset)?;
        let Some(child) = child else { return Ok(token) };
        if child == Level::Wrapper {
            self.kind = LogKind::with_wrapper(&self.name);
        }
        self.level = child;
        self.level_depth += 1;
        self.name_next = child.is_object();
        self.name.clear();
        Ok(match child {
            Level::List(list) => Some(Token::ListStart(list)),
            _ => token,
        })
    }

    /// The level that `bracket` opens, when it is on the path.
    fn child(&self, bracket: u8) -> Option<Level> {
        let is_list = |list: usize| self.kind.is_some_and(|kind| self.name == kind.lists[list].as_bytes());
        match (self.level, bracket) {
            (Level::Outside, b'{') => Some(Level::Record),
            (Level::Record, b'{') if LogKind::with_wrapper(&self.name).is_some() => Some(Level::Wrapper),
            (Level::Wrapper, b'[') if is_list(0) => Some(Level::List(0)),
            (Level::Element(list), b'[') if is_list(list + 1) => Some(Level::List(list + 1)),
            (Level::List(list), b'{') if list + 1 < LISTS => Some(Level::Element(list)),
            _ => None,
        }
    }

    /// Takes `}` or `]`.
    fn close(&mut self, bracket: u8, offset: u64) -> Result<Option<Token>, CutError> {
        let closed = self.on_path().then_some(self.level);
        self.nesting.close(bracket, offset)?;
        let Some(closed) = closed else { return Ok(self.end_element()) };
        self.level = closed.parent();
        self.level_depth -= 1;
        Ok(match closed {
            Level::List(list) => Some(Token::ListEnd(list)),
            Level::Element(list) => Some(Token::ElementEnd(list)),
            Level::Record => Some(Token::RecordEnd),
            _ => None,
        })
    }

    /// The token of a byte that begins a value.
    fn start_element(&self) -> Option<Token> {
        match self.level {
            Level::List(list) if self.on_path() => Some(Token::ElementStart(list)),
            _ => None,
        }
    }

    /// The token of a byte that ends a value.
    fn end_element(&self) -> Option<Token> {
        match self.level {
            Level::List(list) if self.on_path() => Some(Token::ElementEnd(list)),
            _ => None,
        }
    }

    /// Adds `bytes` to the name, when the current string is a member's name on the path.
    fn keep_name(&mut self, bytes: &[u8]) {
        if self.name_next && self.on_path() {
            let space = LONGEST_MEMBER - self.name.len();
            self.name.extend_from_slice(&bytes[..bytes.len().min(space)]);
        }
    }
}
