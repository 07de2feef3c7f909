//! The state of the scan between two bytes.

/// What the next byte belongs to. With [`Array`](super::array::Array) and [`Root`](super::root::Root) this is
/// all the state that is kept between chunks.
#[derive(Clone, Copy, Debug)]
pub(super) enum Phase {
    /// The blob's start, after this many bytes of the byte order mark, which is optional.
    ByteOrderMark(usize),
    /// The root object, outside the array.
    Root,
    /// The array, between two records.
    BetweenRecords,
    /// A record, outside its strings.
    InRecord,
    /// A string of a record.
    InString,
    /// A string of a record, after a backslash.
    InEscape,
}
