//! The name of a record's first member.

use super::json::is_space;
use memchr::memchr2;

/// Longest name returned, bytes; those of flow logs are shorter.
const LONGEST: usize = 64;

/// The name of the first member of `record`, as written between its quotes. It tells whether a storage block
/// really begins with a record: records of one kind begin with the same name.
///
/// `None` when `record` is not an object, has no member, or its first name has more than 64 bytes.
#[must_use]
pub fn first_key(record: &[u8]) -> Option<&[u8]> {
    let inside = record.strip_prefix(b"{")?;
    let quote = inside.iter().position(|byte| !is_space(*byte))?;
    let name = inside[quote..].strip_prefix(b"\"")?;
    let name = &name[..name.len().min(LONGEST + 1)];
    let mut end = 0;
    loop {
        end += memchr2(b'"', b'\\', name.get(end..)?)?;
        if name[end] == b'"' {
            return Some(&name[..end]);
        }
        // An escaped byte does not end the name.
        end += 2;
    }
}

#[cfg(test)]
mod tests {
    use super::first_key;
    use crate::flow_log::cut::arbitrary::{object, space, text, value};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_first_name_is_returned_as_written(
            name in text(), before in space(), after in space(), rest in object(value().boxed()),
        ) {
            let record = format!("{{{before}{name}{after}:{rest}}}");
            let inside = &name[1..name.len() - 1];
            let expected = (inside.len() <= 64).then_some(inside.as_bytes());
            prop_assert_eq!(first_key(record.as_bytes()), expected);
            for length in 0..=before.len() + name.len() {
                prop_assert_eq!(first_key(&record.as_bytes()[..length]), None);
            }
        }

        #[test]
        fn any_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            let record = [b"{\"".as_slice(), &bytes].concat();
            prop_assert!(first_key(&record).is_none_or(|name| name.len() <= 64 && record[2..].starts_with(name)));
        }
    }

    #[test]
    fn a_name_of_more_than_64_bytes_is_not_returned() {
        let record = |length: usize| format!("{{ \"{}\":1}}", "n".repeat(length));
        assert_eq!(first_key(record(64).as_bytes()), Some("n".repeat(64).as_bytes()));
        assert_eq!(first_key(record(65).as_bytes()), None);
        for none in ["", "{", "{}", "{ }", "[\"a\"]", " {\"a\":1}", "{1:\"a\"}"] {
            assert_eq!(first_key(none.as_bytes()), None, "{none}");
        }
        assert_eq!(first_key(b"{\r\n \"a\\\"b\" :1}"), Some(b"a\\\"b".as_slice()));
        assert_eq!(first_key(br#"{"":1}"#), Some(b"".as_slice()));
    }
}
