//! Generated records as trees, and the parts that the splitter must make of them, found by trial.
#![allow(clippy::unwrap_used)]

use crate::flow_log::cut::arbitrary::{space, text, value};
use crate::message::BODY_OVERHEAD;
use proptest::collection::vec;
use proptest::prelude::*;
use std::ops::Range;

/// A JSON value.
#[derive(Clone, Debug)]
pub(super) enum Node {
    /// Not split further.
    Leaf(String),
    /// An object with a list to split. Each item follows its separator.
    Split { head: String, items: Vec<(String, Node)>, gap: String, end: String },
}

/// A value that is not split further, and the text that encloses it.
#[derive(Clone, Debug)]
pub(super) struct Unit {
    pub(super) range: Range<usize>,
    pub(super) tuple: bool,
    head: String,
    tail: String,
}

impl Node {
    /// Writes the record's text and lists its units.
    pub(super) fn render(&self) -> (String, Vec<Unit>) {
        let (mut text, mut units) = (String::new(), Vec::new());
        self.write(0, ("", ""), &mut text, &mut units);
        (text, units)
    }

    fn write(&self, level: usize, (head, tail): (&str, &str), text: &mut String, units: &mut Vec<Unit>) {
        let start = text.len();
        let split = match self {
            Self::Leaf(leaf) => {
                text.push_str(leaf);
                false
            }
            Self::Split { head: before, items, gap, end } => {
                text.push_str(before);
                for (separator, item) in items {
                    text.push_str(separator);
                    item.write(level + 1, (&format!("{head}{before}"), &format!("{end}{tail}")), text, units);
                }
                text.push_str(gap);
                text.push_str(end);
                !items.is_empty()
            }
        };
        if !split && level > 0 {
            let range = start..text.len();
            units.push(Unit { range, tuple: level == 3, head: head.to_owned(), tail: tail.to_owned() });
        }
    }
}

/// The body with these consecutive `units`.
fn body(record: &str, units: &[Unit]) -> Option<String> {
    let (first, last) = (units.first()?, units.last()?);
    let raw = &record[first.range.start..last.range.end];
    Some(format!("{{\"records\":[{}{raw}{}]}}", first.head, last.tail))
}

/// The length of the longest body with one unit.
pub(super) fn longest_single(record: &str, units: &[Unit]) -> Option<usize> {
    units.iter().filter_map(|unit| body(record, std::slice::from_ref(unit)).map(|body| body.len())).max()
}

/// The expected parts: body, range in the record, number of tuples. `None` when some unit doesn't fit.
pub(super) fn parts(
    record: &str,
    units: &[Unit],
    max_body: usize,
) -> Option<Vec<(String, Range<usize>, usize)>> {
    assert_eq!(BODY_OVERHEAD, 14);
    let mut parts: Vec<(String, Range<usize>, usize)> = Vec::new();
    let mut rest = units;
    while !rest.is_empty() {
        let fitting =
            |count: &usize| body(record, &rest[..*count]).is_some_and(|body| body.len() <= max_body);
        let (run, later) = rest.split_at((1..=rest.len()).take_while(fitting).last()?);
        let start = parts.last().map_or(0, |(_, range, _)| range.end);
        let end = if later.is_empty() { record.len() } else { run.last()?.range.end };
        parts.push((body(record, run)?, start..end, run.iter().filter(|unit| unit.tuple).count()));
        rest = later;
    }
    Some(parts)
}

/// Members of an object. None leads to the tuples, but some look as if they did.
fn members() -> impl Strategy<Value = Vec<String>> {
    let decoy = prop::sample::select(vec![
        r#""rule":"DefaultRule_AllowInternetOutBound""#,
        r#""aclID" : "00aa00aa-bb11-cc22-dd33-44ee44ee44ee""#,
        r#""note":"\"flowTuples\":[\"x\"]""#,
        r#""flowtuples":["x"]"#,
        r#""flowTuple":["x"]"#,
        r#""flowRecordsAndMore":{"flows":[{}]}"#,
        r#""other":{"flowTuples":["x"],"flowRecords":{"flows":[{"flowGroups":[]}]}}"#,
        r#""list":[{"flowTuples":["x"]},["flowGroups",[]],"flows"]"#,
        r#""\u0066lowTuples":"x""#,
        r#""\nflowTuples":["x"],"flows\n":["x"]"#,
        r#""properties":{"Version":2}"#,
        r#""flowRecords":{"flowGroups":[{"flowTuples":["x"]}]}"#,
    ]);
    let any =
        (text(), space(), space(), value()).prop_map(|(name, a, b, value)| format!("{name}{a}:{b}{value}"));
    vec(prop_oneof![1 => decoy.prop_map(str::to_owned), 1 => any], 0..3)
}

/// The text before and after the list or object in the member `name`.
fn around(name: &'static str, open: char, close: char) -> impl Strategy<Value = (String, String)> {
    (members(), members(), vec(space(), 7)).prop_map(move |(before, after, s)| {
        let before =
            before.iter().map(|member| format!("{}{member}{},", s[0], s[1])).collect::<Vec<_>>().concat();
        let after =
            after.iter().map(|member| format!("{},{}{member}", s[1], s[0])).collect::<Vec<_>>().concat();
        let head = format!("{{{before}{}\"{name}\"{}:{}{open}", s[2], s[3], s[4]);
        (head, format!("{close}{}{after}{}}}", s[5], s[6]))
    })
}

fn list(
    around: impl Strategy<Value = (String, String)>,
    item: impl Strategy<Value = Node>,
    count: Range<usize>,
) -> impl Strategy<Value = Node> {
    (around, vec((space(), item, space()), count), space()).prop_map(|((head, end), items, gap)| {
        let mut behind = String::new();
        let mut separated = Vec::new();
        for (index, (before, item, after)) in items.into_iter().enumerate() {
            let comma = if index > 0 { "," } else { "" };
            separated.push((format!("{behind}{comma}{before}"), item));
            behind = after;
        }
        Node::Split { head, items: separated, gap: behind + &gap, end }
    })
}

fn schema(wrapper: &'static str, groups: &'static str) -> impl Strategy<Value = Node> {
    let tuple = prop_oneof![
        4 => "1663146[0-9]{6},10\\.0\\.0\\.[0-9],192\\.0\\.2\\.180,[0-9]{5},443,6,O,[BCED],NX,,,,".prop_map(|t| format!("\"{t}\"")),
        3 => text(),
        1 => value(),
    ];
    let odd = prop_oneof![3 => value(), 1 => Just("{}".to_owned()), 1 => Just(r#"{"x":[{"flowTuples":[1]}]}"#.to_owned())];
    let group = list(around("flowTuples", '[', ']'), tuple.prop_map(Node::Leaf), 0..7);
    let group = prop_oneof![8 => group, 1 => odd.clone().prop_map(Node::Leaf)];
    let flow = list(around(groups, '[', ']'), group, 0..4);
    let flow = prop_oneof![8 => flow, 1 => odd.prop_map(Node::Leaf)];
    let record = (around(wrapper, '{', '}'), around("flows", '[', ']')).prop_map(|(outer, inner)| {
        // The inner text has the wrapper's braces already.
        let head = format!("{}{}", outer.0, &inner.0[1..]);
        let end = format!("{}{}", &inner.1[..inner.1.len() - 1], outer.1);
        (head, end)
    });
    list(record, flow, 0..4)
}

/// A record of each kind of flow log, with unusual content.
pub(super) fn record() -> impl Strategy<Value = Node> {
    prop_oneof![schema("flowRecords", "flowGroups"), schema("properties", "flows")]
}
