//! Records and the contents of blobs: written here, and found again in messages.

use serde_json::value::RawValue;

/// A record with `tuples` tuples, in the shape of flow log version 4.
pub fn record(number: u32, tuples: u32) -> String {
    let tuples: Vec<String> = (0..tuples)
        .map(|tuple| {
            format!("\"16631460{number:05},10.0.0.6,192.0.2.{},{tuple},443,6,O,B,NX,,,,\"", number % 250)
        })
        .collect();
    format!(
        "{{\"time\":\"2026-11-22T09:{:02}:52.5625085Z\",\"flowLogVersion\":4,\"flowLogGUID\":\"g-{number}\",\
         \"macAddress\":\"6045BD000001\",\"category\":\"FlowLogFlowEvent\",\"flowRecords\":{{\"flows\":[{{\
         \"aclID\":\"a\",\"flowGroups\":[{{\"rule\":\"r\",\"flowTuples\":[{}]}}]}}]}}}}",
        number % 60,
        tuples.join(",")
    )
}

/// The first `count` records of a blob.
pub fn records(count: u32) -> Vec<String> {
    (0..count).map(|number| record(number, 2)).collect()
}

/// The first `count` records of one blob of many: each `seed` has other records.
pub fn own_records(seed: u32, count: u32) -> Vec<String> {
    (0..count).map(|number| record(seed * 100 + number, 2)).collect()
}

/// The tuples of a record that [`record`] made.
pub fn tuples_of(record: &str) -> Vec<String> {
    let (_, tuples) = record.split_once("\"flowTuples\":[\"").unwrap();
    let (tuples, _) = tuples.split_once("\"]").unwrap();
    tuples.split("\",\"").map(str::to_owned).collect()
}

/// A record that cannot be split: one string of `size` bytes.
pub fn unsplittable(size: usize) -> String {
    format!("{{\"category\":\"FlowLogFlowEvent\",\"note\":\"{}\"}}", "x".repeat(size))
}

/// A whole blob of these records, as Network Watcher lays it out.
pub fn content(records: &[String]) -> String {
    format!("{{\"records\":[{}]}}", records.join(","))
}

/// The same in blocks: the opening, `per_block` records in each, the end.
pub fn blocks(records: &[String], per_block: usize) -> Vec<String> {
    blocks_of(records.chunks(per_block))
}

/// The same with these records in each block.
pub fn blocks_of<'a>(chunks: impl IntoIterator<Item = &'a [String]>) -> Vec<String> {
    let mut blocks = vec!["{\"records\":[".to_owned()];
    for (number, records) in chunks.into_iter().enumerate() {
        let comma = if number == 0 { "" } else { "," };
        blocks.push(format!("{comma}{}", records.join(",")));
    }
    blocks.push("]}".to_owned());
    blocks
}

/// The records of a body as they were written, as another JSON library finds them.
pub fn records_of(body: &[u8]) -> Vec<String> {
    #[derive(serde::Deserialize)]
    struct Body<'a> {
        #[serde(borrow)]
        records: Vec<&'a RawValue>,
    }
    let body: Body<'_> = serde_json::from_slice(body).expect("a body is valid JSON with records");
    body.records.iter().map(|record| record.get().to_owned()).collect()
}
