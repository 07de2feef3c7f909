//! Bytes of JSON.

/// Whether `byte` is JSON whitespace.
pub(crate) fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}
