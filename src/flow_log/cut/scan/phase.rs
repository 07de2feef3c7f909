//! Where the scan stands between two bytes.

/// Together with [`Array`](super::array::Array) and [`Root`](super::root::Root) this is all the state that
/// is kept between chunks.
#[derive(Clone, Copy, Debug)]
pub(super) enum Phase {
    /// At the start, after this many bytes of the byte order mark, which is optional.
    ByteOrderMark(usize),
    /// In the root object, outside the array.
    Root,
    /// In the array, between two records.
    BetweenRecords,
    /// In a record, outside its strings.
    InRecord,
    /// In a string of a record.
    InString,
    /// After a backslash in a string of a record.
    InEscape,
}
