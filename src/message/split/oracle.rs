//! Reads a record with `serde_json`: its tuples, each with everything that encloses it.
#![allow(clippy::unwrap_used)]

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::fmt;

/// The members of an object in order, their values as written.
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = Members<'de>;
            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Collect)
    }
}

/// A value that is not split further, after the members that enclose it, from the outside in.
pub(super) type Leaf = (Vec<String>, String);

/// The list in the member `name` of the object `json`, after the other members as text.
fn list<'a>(json: &'a str, name: &str) -> Option<(String, Vec<&'a RawValue>)> {
    let Members(members) = serde_json::from_str(json).ok()?;
    let place = members.iter().position(|(key, value)| key == name && value.get().starts_with('['))?;
    let items = serde_json::from_str(members[place].1.get()).ok()?;
    let text = |(index, (key, value)): (usize, &(String, &RawValue))| {
        format!("{key:?}:{}", if index == place { "[…]" } else { value.get() })
    };
    Some((members.iter().enumerate().map(text).collect::<Vec<_>>().join(","), items))
}

fn add_leaves(json: &str, lists: &[&str], enclosing: &mut Vec<String>, leaves: &mut Vec<Leaf>) {
    match lists.split_first().and_then(|(name, inner)| Some((list(json, name)?, inner))) {
        Some(((members, items), inner)) if !items.is_empty() => {
            enclosing.push(members);
            for item in items {
                add_leaves(item.get(), inner, enclosing, leaves);
            }
            enclosing.pop();
        }
        _ => leaves.push((enclosing.clone(), json.to_owned())),
    }
}

/// All leaves of `record`, in order. Empty when it has no flows. Names the lists itself, to check the table
/// of log kinds as well.
pub(super) fn leaves(record: &str) -> Vec<Leaf> {
    let Members(members) = serde_json::from_str(record).unwrap();
    let mut leaves = Vec::new();
    for (place, (name, wrapper)) in members.iter().enumerate() {
        let inner = match name.as_str() {
            "flowRecords" => ["flowGroups", "flowTuples"],
            "properties" => ["flows", "flowTuples"],
            _ => continue,
        };
        let Some((within, flows)) = list(wrapper.get(), "flows") else { continue };
        let text = |(index, (key, value)): (usize, &(String, &RawValue))| {
            format!("{key:?}:{}", if index == place { "{…}" } else { value.get() })
        };
        let mut enclosing = vec![members.iter().enumerate().map(text).collect::<Vec<_>>().join(","), within];
        for flow in flows {
            add_leaves(flow.get(), &inner, &mut enclosing, &mut leaves);
        }
    }
    leaves
}
