//! Hostile blobs.

use super::content::Content;
use super::{Shape, play_all};
use crate::support::records::record;

const MIB: u64 = 1 << 20;
const MILLION: u64 = 1_000_000;

const OPENING: &str = "{\"records\":[";
const CLOSING: &str = "]}";
/// The parts of a record before and after its groups, and of a group before and after its tuples.
const GROUPS_BEFORE: &str = "{\"time\":\"t\",\"macAddress\":\"6045BD000001\",\"flowRecords\":{\"flows\":[{\"aclID\":\"a\",\"flowGroups\":[";
const GROUPS_BEHIND: &str = "]}]}}";
const TUPLES_BEFORE: &str = "{\"rule\":\"r\",\"flowTuples\":[";
const TUPLES_BEHIND: &str = "]}";

fn open() -> Content {
    Content::of(OPENING)
}

fn record_of_groups(groups: impl FnOnce(Content) -> Content) -> Content {
    groups(open().then(GROUPS_BEFORE)).then(GROUPS_BEHIND).then(CLOSING)
}

fn record_of_tuples(tuples: impl FnOnce(Content) -> Content) -> Content {
    record_of_groups(|content| tuples(content.then(TUPLES_BEFORE)).then(TUPLES_BEHIND))
}

/// `start`, then `count` numbered members.
fn numbered(start: Content, count: u64) -> Content {
    let names: Vec<String> = (0..count).map(|number| format!("\"k{number:07}\":1,")).collect();
    start.then(&names.concat())
}

fn honest() -> String {
    record(1, 20)
}

fn separators() -> Vec<Shape> {
    vec![
        Shape::blob("200 MiB of blanks after the opening", || open().times(200 * MIB, " ").then(CLOSING)),
        Shape::blob("200 MiB of commas after the opening", || open().times(200 * MIB, ",").then(CLOSING)),
        Shape::blob("200 MiB of newlines between two records", || {
            open().then(&honest()).times(200 * MIB, "\n").then(",").then(&honest()).then(CLOSING)
        }),
        Shape::blob("200 MiB of blanks and commas by turns", || open().times(100 * MIB, " ,").then(CLOSING)),
        Shape::blob("100 MiB of blanks behind the end", || {
            open().then(&honest()).then(CLOSING).times(100 * MIB, " ")
        }),
        Shape::blob("8 million empty records", || open().times(8 * MILLION, "{},").then("{}").then(CLOSING)),
        Shape::blob("24 MiB of empty records without commas", || open().times(12 * MIB, "{}").then(CLOSING)),
        Shape::blob("8 million records of one byte", || {
            open().times(8 * MILLION, "1,").then("1").then(CLOSING)
        }),
        Shape::blob("64 MiB of quotes", || open().times(64 * MIB, "\"").then(CLOSING)),
        Shape::blob("64 MiB of ends", || open().then(&honest()).times(32 * MIB, CLOSING)),
    ]
}

fn records() -> Vec<Shape> {
    vec![
        Shape::blob("one string of 64 MiB in a record", || {
            open().then("{\"text\":\"").times(64 * MIB, "x").then("\"}").then(CLOSING)
        }),
        Shape::blob("one string of 300 MiB in a record", || {
            open().then("{\"text\":\"").times(300 * MIB, "x").then("\"}").then(CLOSING)
        }),
        Shape::blob("one string of 64 MiB of escapes", || {
            open().then("{\"text\":\"").times(32 * MIB, "\\\"").then("\"}").then(CLOSING)
        }),
        Shape::blob("an array of 16 million short strings", || {
            open().then("{\"texts\":[").times(16 * MILLION, "\"\",").then("\"\"]}").then(CLOSING)
        }),
        Shape::blob("64 MiB of records 100 deep", || {
            let deep = format!("{}{}", "{\"a\":[".repeat(50), "]}".repeat(50));
            open().filled(&format!("{deep},"), 64 * MIB / 401 * 401).then("{}").then(CLOSING)
        }),
        Shape::blob("64 MiB of brackets that only open", || open().then("{\"a\":").times(64 * MIB, "[")),
        Shape::blob("64 MiB of objects that only open", || open().times(64 * MIB / 5, "{\"a\":")),
        Shape::blob("a record with a million keys", || {
            numbered(open().then("{"), MILLION).then("\"last\":1}").then(CLOSING)
        }),
        Shape::blob("a record with a million tiny tuples", || {
            record_of_tuples(|tuples| tuples.times(MILLION, "\"a\",").then("\"a\""))
        }),
        Shape::blob("a record with a million empty groups", || {
            record_of_groups(|groups| groups.times(MILLION, "{},").then("{}"))
        }),
        Shape::blob("a record with a million groups of one tuple", || {
            let group = format!("{TUPLES_BEFORE}\"a\"{TUPLES_BEHIND}");
            record_of_groups(|groups| groups.times(MILLION, &format!("{group},")).then(&group))
        }),
        Shape::blob("a record with 64 MiB of blanks between tuples", || {
            record_of_tuples(|tuples| tuples.then("\"a\",").times(64 * MIB, " ").then("\"b\""))
        }),
        Shape::blob("a record of 64 MiB in honest tuples", || {
            let tuple = "\"1663146003599,10.0.0.6,192.0.2.180,23956,443,6,O,B,NX,0,0,0,0\"";
            record_of_tuples(|tuples| tuples.times(MILLION, &format!("{tuple},")).then(tuple))
        }),
    ]
}

fn whole_blobs() -> Vec<Shape> {
    vec![
        Shape::blob("a tail of 48 MiB cut off in a string", || {
            open().then(&honest()).then(",{\"text\":\"").times(48 * MIB, "x")
        }),
        Shape::blob("a tail of 48 MiB cut off between brackets", || {
            open().then(&honest()).then(",{\"a\":[").times(16 * MIB, "[],")
        }),
        Shape::blob("a member of 64 MiB before the records", || {
            Content::of("{\"version\":\"")
                .times(64 * MIB, "1")
                .then("\",\"records\":[")
                .then(&honest())
                .then(CLOSING)
        }),
        Shape::blob("a member of 64 MiB behind the records", || {
            open().then(&honest()).then("],\"tail\":\"").times(64 * MIB, "1").then("\"}")
        }),
        Shape::blob("a million members before the records", || {
            numbered(Content::of("{"), MILLION).then("\"records\":[").then(&honest()).then(CLOSING)
        }),
        Shape::blob("records a second time, of 64 MiB", || {
            open().then(&honest()).then("],\"records\":[").times(16 * MIB, "{}, ").then("{}").then(CLOSING)
        }),
        Shape::blob("64 MiB that are no JSON", || Content::default().times(64 * MIB, "x")),
        Shape::blob("64 MiB of zero bytes", || Content::default().times(64 * MIB, "\0")),
        Shape::blob("an array 64 million deep for the records", || {
            Content::of("{\"records\":").times(64 * MIB, "[")
        }),
        Shape::blob("a byte order mark and 64 MiB of blanks", || {
            Content::of("\u{feff}").times(64 * MIB, " ").then(OPENING).then(&honest()).then(CLOSING)
        }),
        Shape::blob("50,000 tiny blocks behind a broken record", || {
            let broken = open().then("{\"text\":\"no end,");
            (0..50_000).fold(broken, |content, _| content.then("{\"a\":\"b\"},")).then("{}").then(CLOSING)
        }),
        Shape::blob("every other of 20,000 blocks broken", || {
            (0..10_000)
                .fold(open(), |content, _| content.then("{\"a\":\"b},").then("{\"a\":\"b\"},"))
                .then("{}")
                .then(CLOSING)
        }),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn separators_without_end_are_not_kept() {
    play_all(&["--partitions", "1"], separators()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn records_of_any_size_and_depth_take_bounded_memory() {
    play_all(&["--partitions", "1"], records()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn blobs_of_any_layout_take_bounded_memory() {
    play_all(&["--partitions", "1"], whole_blobs()).await;
}
