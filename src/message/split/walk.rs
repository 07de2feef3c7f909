//! Walks down a record to its tuples, and marks the way.
//!
//! Three lists lie one in another on that way, and each of their elements is a place to split at:
//!
//! | list | virtual network | network security group |
//! |---|---|---|
//! | 0 | `flowRecords.flows` | `properties.flows` |
//! | 1 | `flowGroups` | `flows` |
//! | 2 | `flowTuples` | `flowTuples` |

use crate::flow_log::cut::{CutError, Expected, Nesting, is_space};
use memchr::memchr2;

/// How many lists lie one in another.
pub(super) const LISTS: usize = 3;

/// Longer than any name on the way: what doesn't fit is none of them.
const NAME_ROOM: usize = 16;

/// What the last byte taken was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mark {
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

/// The brackets that lead to the tuples, from the outside in, as far as they are open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// Before the record's `{`.
    Outside,
    /// In the record's object.
    Record,
    /// In `flowRecords` or `properties`.
    Wrapper,
    /// In this list.
    List(usize),
    /// In an object that is an element of this list.
    Element(usize),
}

impl Way {
    /// The way one bracket back.
    fn back(self) -> Self {
        match self {
            Self::Outside | Self::Record => Self::Outside,
            Self::Wrapper => Self::Record,
            Self::List(0) => Self::Wrapper,
            Self::List(list) => Self::Element(list - 1),
            Self::Element(list) => Self::List(list),
        }
    }

    /// Whether names of members count here.
    fn in_object(self) -> bool {
        matches!(self, Self::Record | Self::Wrapper | Self::Element(_))
    }
}

/// Where the walk stands between two bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Text {
    /// Outside strings.
    No,
    /// In a string.
    Quoted,
    /// In a string, behind a backslash.
    Escape,
    /// In an element that is a number or a literal: it ends before the next separator.
    Bare,
}

/// Takes the bytes of one record, from its `{` on, in chunks of any size.
#[derive(Clone, Debug)]
pub(super) struct Walker {
    /// Blob offset of the next byte.
    at: u64,
    nesting: Nesting,
    /// How far down the way we are; brackets off the way are counted by `nesting` alone.
    way: Way,
    /// How many brackets are open when none off the way is.
    way_depth: u32,
    text: Text,
    /// Whether the wrapper met is `properties`, that of NSG flow logs.
    nsg: bool,
    /// Whether the next string in an object on the way is a member's name.
    name_next: bool,
    /// The name of the member we are at, as written, up to [`NAME_ROOM`] bytes.
    name: Vec<u8>,
}

impl Walker {
    /// Begins at a record's first byte.
    pub(super) fn new(start: u64) -> Self {
        Self {
            at: start,
            nesting: Nesting::default(),
            way: Way::Outside,
            way_depth: 0,
            text: Text::No,
            nsg: false,
            name_next: false,
            name: Vec::with_capacity(NAME_ROOM),
        }
    }

    /// The blob offset behind the bytes taken.
    pub(super) fn at(&self) -> u64 {
        self.at
    }

    /// Walks on to the next mark or to the end of `bytes`, and says how many bytes that took.
    /// Not to be called again once the record has ended.
    ///
    /// # Errors
    /// When brackets don't match, or nest too deep.
    pub(super) fn walk(&mut self, bytes: &[u8]) -> Result<(usize, Option<Mark>), CutError> {
        let base = self.at;
        let mut taken = 0;
        while let Some(&byte) = bytes.get(taken) {
            let mark = match self.text {
                Text::Quoted => {
                    let length = memchr2(b'"', b'\\', &bytes[taken..]);
                    let end = length.map_or(bytes.len(), |length| taken + length);
                    self.keep_name(&bytes[taken..end]);
                    taken = end;
                    match bytes.get(end) {
                        None => break,
                        Some(b'"') => self.end_string(),
                        Some(_) => {
                            self.text = Text::Escape;
                            None
                        }
                    }
                }
                Text::Escape => {
                    // A name with escapes is none of those on the way, however it reads.
                    self.keep_name(b"\\");
                    self.text = Text::Quoted;
                    None
                }
                Text::Bare if is_space(byte) || matches!(byte, b',' | b'"' | b'{' | b'}' | b'[' | b']') => {
                    self.text = Text::No;
                    self.at = base + taken as u64;
                    return Ok((taken, self.end_element()));
                }
                Text::Bare => None,
                Text::No => self.structure(byte, base + taken as u64)?,
            };
            taken += 1;
            if mark.is_some() {
                self.at = base + taken as u64;
                return Ok((taken, mark));
            }
        }
        self.at = base + taken as u64;
        Ok((taken, None))
    }

    /// Whether no bracket off the way is open.
    fn on_way(&self) -> bool {
        self.nesting.depth() == self.way_depth
    }

    /// Takes a byte outside strings.
    fn structure(&mut self, byte: u8, offset: u64) -> Result<Option<Mark>, CutError> {
        if self.way == Way::Outside && byte != b'{' {
            return Err(CutError { offset, expected: Expected::Record, found: byte });
        }
        match byte {
            b'{' | b'[' => return self.open(byte, offset),
            b'}' | b']' => return self.close(byte, offset),
            b'"' => {
                self.text = Text::Quoted;
                if self.on_way() && self.name_next {
                    self.name.clear();
                }
                return Ok(self.start_element());
            }
            b':' if self.on_way() => self.name_next = false,
            b',' if self.on_way() => self.name_next = self.way.in_object(),
            _ if is_space(byte) || byte == b',' || byte == b':' => {}
            _ => {
                let mark = self.start_element();
                if mark.is_some() {
                    self.text = Text::Bare;
                }
                return Ok(mark);
            }
        }
        Ok(None)
    }

    /// Takes `{` or `[`.
    fn open(&mut self, bracket: u8, offset: u64) -> Result<Option<Mark>, CutError> {
        let mark = self.start_element();
        let next = self.on_way().then(|| self.next_way(bracket)).flatten();
        self.nesting.open(bracket, offset)?;
        let Some(next) = next else { return Ok(mark) };
        if next == Way::Wrapper {
            self.nsg = self.name == b"properties";
        }
        self.way = next;
        self.way_depth += 1;
        self.name_next = next.in_object();
        self.name.clear();
        Ok(match next {
            Way::List(list) => Some(Mark::ListStart(list)),
            _ => mark,
        })
    }

    /// Where `bracket` leads when it leads further down the way.
    fn next_way(&self, bracket: u8) -> Option<Way> {
        let named = |names: &[&[u8]]| names.contains(&self.name.as_slice());
        let groups: &[u8] = if self.nsg { b"flows" } else { b"flowGroups" };
        match (self.way, bracket) {
            (Way::Outside, b'{') => Some(Way::Record),
            (Way::Record, b'{') if named(&[b"flowRecords", b"properties"]) => Some(Way::Wrapper),
            (Way::Wrapper, b'[') if named(&[b"flows"]) => Some(Way::List(0)),
            (Way::Element(0), b'[') if named(&[groups]) => Some(Way::List(1)),
            (Way::Element(1), b'[') if named(&[b"flowTuples"]) => Some(Way::List(2)),
            (Way::List(list @ (0 | 1)), b'{') => Some(Way::Element(list)),
            _ => None,
        }
    }

    /// Takes `}` or `]`.
    fn close(&mut self, bracket: u8, offset: u64) -> Result<Option<Mark>, CutError> {
        let left = self.on_way().then_some(self.way);
        self.nesting.close(bracket, offset)?;
        let Some(left) = left else { return Ok(self.end_element()) };
        self.way = left.back();
        self.way_depth -= 1;
        Ok(match left {
            Way::List(list) => Some(Mark::ListEnd(list)),
            Way::Element(list) => Some(Mark::ElementEnd(list)),
            Way::Record => Some(Mark::RecordEnd),
            _ => None,
        })
    }

    /// The mark for a byte that begins a value.
    fn start_element(&self) -> Option<Mark> {
        match self.way {
            Way::List(list) if self.on_way() => Some(Mark::ElementStart(list)),
            _ => None,
        }
    }

    /// The mark for a byte that ended a value.
    fn end_element(&self) -> Option<Mark> {
        match self.way {
            Way::List(list) if self.on_way() => Some(Mark::ElementEnd(list)),
            _ => None,
        }
    }

    /// Takes the `"` that ends a string.
    fn end_string(&mut self) -> Option<Mark> {
        self.text = Text::No;
        self.end_element()
    }

    /// Keeps some of a member's name, when this string is one.
    fn keep_name(&mut self, bytes: &[u8]) {
        if self.name_next && self.on_way() {
            let room = NAME_ROOM - self.name.len();
            self.name.extend_from_slice(&bytes[..bytes.len().min(room)]);
        }
    }
}
