//! The cutter, other ways to find records in the same bytes, and the limits of the machine. All run
//! together, because a single figure can't be compared between machines.

use bytes::Bytes;
use divan::counter::BytesCount;
use divan::{Bencher, black_box};
use flowlog_forwarder::flow_log::cut::Cutter;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::fmt::{self, Write as _};

/// The approximate input length: like a read window, more than a core's own caches hold.
const LENGTH: usize = 4 << 20;

fn main() {
    divan::main();
}

/// The shape of the records.
#[derive(Clone, Copy)]
enum Shape {
    /// As Network Watcher writes them: no whitespace, 100 tuples.
    Compact,
    /// The same, indented.
    Pretty,
    /// Tuples full of escaped quotes and backslashes.
    Escapes,
    /// As long as one tuple: a time, a MAC address and a rule.
    Small,
    /// Two bytes each.
    Tiny,
    /// One record of the whole length.
    Huge,
}

impl fmt::Display for Shape {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Compact => "compact",
            Self::Pretty => "pretty",
            Self::Escapes => "escapes",
            Self::Small => "small",
            Self::Tiny => "tiny",
            Self::Huge => "huge",
        })
    }
}

const SHAPES: [Shape; 6] =
    [Shape::Compact, Shape::Pretty, Shape::Escapes, Shape::Small, Shape::Tiny, Shape::Huge];

/// One record of `tuples` tuples.
fn record(shape: Shape, tuples: usize) -> String {
    let (line, gap) = if matches!(shape, Shape::Pretty) { ("\n            ", " ") } else { ("", "") };
    let mut text = format!(
        "{{{line}\"time\":{gap}\"2026-11-22T09:01:52.5625085Z\",{line}\"macAddress\":{gap}\"112233445566\",\
         {line}\"category\":{gap}\"FlowLogFlowEvent\",{line}\"flowRecords\":{gap}{{\"flows\":{gap}[{{\
         \"flowGroups\":{gap}[{{{line}\"rule\":{gap}\"Internet\",{line}\"flowTuples\":{gap}["
    );
    for number in 0..tuples {
        let comma = if number == 0 { "" } else { "," };
        let port = 1024 + number % 60_000;
        // Writing into a `String` can't fail.
        let _ = if matches!(shape, Shape::Escapes) {
            write!(text, "{comma}{line}\"{port},\\\"a\\\\b\\\",\\\"{{[\\\",\\\"c\\\\\\\"\"")
        } else {
            write!(
                text,
                "{comma}{line}\"1763802{number:06},10.0.0.4,192.0.2.17,{port},443,6,O,E,NX,12,1436,9,7023\""
            )
        };
    }
    text.push_str("]}]}]}}");
    text
}

/// A whole blob of such records.
fn blob(shape: Shape) -> Bytes {
    let one = match shape {
        Shape::Small => {
            "{\"time\":\"2026-11-22T09:01:52.5625085Z\",\"macAddress\":\"112233445566\",\"rule\":\"Internet\"}".to_owned()
        }
        Shape::Tiny => "{}".to_owned(),
        Shape::Huge => record(shape, LENGTH / 75),
        _ => record(shape, 100),
    };
    let records = vec![one.as_str(); (LENGTH / (one.len() + 1)).max(1)];
    format!("{{\"records\":[{}]}}", records.join(",")).into()
}

#[derive(Deserialize)]
struct Records<'a> {
    #[serde(borrow)]
    records: Vec<&'a RawValue>,
}

fn count(bencher: Bencher<'_, '_>, shape: Shape, work: impl Fn(&Bytes) -> usize + Sync) {
    let bytes = blob(shape);
    bencher.counter(BytesCount::of_slice(&bytes[..])).bench(|| work(black_box(&bytes)));
}

fn cut_all(bytes: &Bytes) -> usize {
    let mut cutter = Cutter::from_start();
    cutter.push(bytes.clone());
    let mut records = 0;
    while let Some(record) = cutter.next_record().unwrap_or_else(|error| panic!("{error}")) {
        black_box(&record);
        records += 1;
    }
    records
}

#[divan::bench(args = SHAPES)]
fn cutter(bencher: Bencher<'_, '_>, shape: Shape) {
    count(bencher, shape, cut_all);
}

#[divan::bench(args = SHAPES)]
fn raw_value(bencher: Bencher<'_, '_>, shape: Shape) {
    count(bencher, shape, |bytes| {
        let parsed: Records<'_> = serde_json::from_slice(bytes).unwrap_or_else(|error| panic!("{error}"));
        black_box(&parsed.records).len()
    });
}

#[derive(Deserialize)]
struct LazyRecords<'a> {
    #[serde(borrow)]
    records: Vec<sonic_rs::LazyValue<'a>>,
}

/// Like `raw_value`, with `sonic-rs`: one SIMD pass that keeps each element as a raw slice.
///
/// `sonic-rs` chooses its instructions at compile time, so it has those of the published binary. Its own
/// iterator over an array reads everything twice: slower, except for `tiny`, where it equals `raw_value`.
#[divan::bench(args = SHAPES)]
fn sonic_lazy(bencher: Bencher<'_, '_>, shape: Shape) {
    count(bencher, shape, |bytes| {
        let parsed: LazyRecords<'_> = sonic_rs::from_slice(bytes).unwrap_or_else(|error| panic!("{error}"));
        black_box(&parsed.records).len()
    });
}

/// Only finds all quotes and closing brackets.
#[divan::bench(args = SHAPES)]
fn memchr3(bencher: Bencher<'_, '_>, shape: Shape) {
    count(bencher, shape, |bytes| memchr::memchr3_iter(b'"', b'}', b']', bytes).count());
}

/// Searches for a byte that does not occur: the fastest way to look at every byte.
#[divan::bench(args = SHAPES)]
fn memchr_none(bencher: Bencher<'_, '_>, shape: Shape) {
    count(bencher, shape, |bytes| memchr::memchr_iter(b'\0', bytes).count());
}

#[divan::bench(args = SHAPES)]
fn memcpy(bencher: Bencher<'_, '_>, shape: Shape) {
    let (bytes, mut copy) = (blob(shape), Vec::with_capacity(2 * LENGTH));
    bencher.counter(BytesCount::of_slice(&bytes[..])).bench_local(|| {
        copy.clear();
        copy.extend_from_slice(black_box(&bytes));
        black_box(&copy).len()
    });
}
