//! Generators of unusual JSON for property tests.

use proptest::collection::vec;
use proptest::prelude::*;
use std::ops::Range;

/// JSON whitespace, mostly none.
pub(crate) fn space() -> impl Strategy<Value = String> {
    prop_oneof![4 => Just(String::new()), 1 => "[ \t\r\n]{1,5}"]
}

/// A JSON string with its quotes. Contains brackets, all kinds of escapes, and any Unicode.
pub(crate) fn text() -> impl Strategy<Value = String> {
    let special = prop::sample::select(vec![
        r"\\",
        r#"\""#,
        r"\\\\",
        r#"\\\""#,
        r"\u0022",
        r"\ud83d\ude00",
        r"\u005c",
        r"\n",
        "]}",
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        r#"{\"records\":["#,
        "records",
        "1663146003599,10.0.0.6,192.0.2.180,23956,443,6,O,B,NX,0,0,0,0",
        "é",
        "漢",
        "😀",
        "\u{2028}",
        "",
    ]);
    let piece = prop_oneof![3 => special.prop_map(str::to_owned), 1 => r#"[^\x00-\x1f\\"]{0,3}"#];
    vec(piece, 0..5).prop_map(|pieces| format!("\"{}\"", pieces.concat()))
}

/// Any JSON value, up to three levels deep.
pub(crate) fn value() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        3 => text(),
        1 => prop::sample::select(vec!["0", "-1.5e+3", "true", "false", "null", "12345678901234567890"])
            .prop_map(str::to_owned),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![object(inner.clone()), list(inner, 0..4).prop_map(|items| format!("[{items}]"))]
    })
}

/// A JSON object whose members have the value `value`.
pub(crate) fn object(value: BoxedStrategy<String>) -> BoxedStrategy<String> {
    let member =
        (text(), space(), space(), value).prop_map(|(name, a, b, value)| format!("{name}{a}:{b}{value}"));
    list(member, 0..4).prop_map(|members| format!("{{{members}}}")).boxed()
}

/// `count` items, each surrounded by whitespace, with commas between them.
pub(crate) fn list(
    item: impl Strategy<Value = String>,
    count: Range<usize>,
) -> impl Strategy<Value = String> {
    let spaced = (space(), item, space()).prop_map(|(a, item, b)| format!("{a}{item}{b}"));
    (vec(spaced, count), space())
        .prop_map(|(items, empty)| if items.is_empty() { empty } else { items.join(",") })
}

/// Other members of a root object than `records`.
fn members() -> impl Strategy<Value = Vec<String>> {
    let name = text().prop_filter("could be the name `records`", |name| !name.contains("records"));
    let member = (space(), name, space(), space(), value(), space())
        .prop_map(|(a, name, b, c, value, d)| format!("{a}{name}{b}:{c}{value}{d}"));
    vec(member, 0..3)
}

/// A whole blob with other members before and after `records`, and the range of the member `records`.
pub(crate) fn rooted_blob() -> impl Strategy<Value = (String, Range<usize>)> {
    let records = list(object(value().boxed()), 0..6);
    let around = (members(), members(), vec(space(), 5));
    let mark = prop_oneof![1 => Just("\u{feff}"), 9 => Just("")];
    (mark, around, records).prop_map(|(mark, (before, behind, s), records)| {
        let start = format!("{mark}{}{{{}", s[0], before.iter().flat_map(|m| [m, ","]).collect::<String>());
        let array = format!("{}\"records\"{}:{}[{records}]{}", s[1], s[2], s[3], s[4]);
        let end = behind.iter().flat_map(|m| [",", m]).collect::<String>();
        let range = start.len()..start.len() + array.len();
        (format!("{start}{array}{end}}}{}", s[0]), range)
    })
}

/// A whole blob, `{"records":[…]}`.
pub(crate) fn blob() -> impl Strategy<Value = String> {
    let mark = prop_oneof![9 => Just(""), 1 => Just("\u{feff}")];
    let opener = (space(), space(), space(), space());
    let records = list(object(value().boxed()), 0..6);
    (mark, opener, records, space(), space()).prop_map(|(mark, (a, b, c, d), records, e, f)| {
        format!("{mark}{a}{{{b}\"records\"{c}:{d}[{records}]{e}}}{f}")
    })
}

/// Chunk lengths, repeated as needed; an empty list means one chunk.
pub(crate) fn chunk_sizes() -> impl Strategy<Value = Vec<usize>> {
    prop_oneof![1 => Just(vec![1]), 3 => vec(1usize..40, 1..6), 1 => vec(1usize..4000, 1..3), 1 => Just(vec![])]
}
