//! Any bytes as a record: splitting never panics, does not depend on chunks, and keeps to the limit.
//!
//! `cargo +nightly fuzz run split -- -max_total_time=60 -dict=fuzz/json.dict`
#![no_main]

use bytes::Bytes;
use flowlog_forwarder::cut::Cutter;
use flowlog_forwarder::rope::Rope;
use flowlog_forwarder::split::{Part, SplitError, split};
use libfuzzer_sys::fuzz_target;

const START: u64 = 12;

/// The parts' bodies and ranges; what the error says otherwise.
fn told(result: Result<Option<Vec<Part>>, SplitError>) -> Result<Vec<(Bytes, u64, u64)>, String> {
    let tell = |part: Part| (part.message.body.to_bytes(), part.message.range.start, part.message.range.end);
    Ok(result.map_err(|error| error.to_string())?.into_iter().flatten().map(tell).collect())
}

// The first two bytes are the chunk length and the limit, the rest is the record, which may lack its opening.
fuzz_target!(|data: &[u8]| {
    let Some(([chunk, limit], rest)) = data.split_first_chunk::<2>().map(|(head, rest)| (*head, rest)) else {
        return;
    };
    let max_body = 64 + u64::from(limit) * 4;
    for opening in [
        "",
        "{\"flowRecords\":{\"flows\":[{\"flowGroups\":[{\"flowTuples\":[",
        "{\"properties\":{\"flows\":[",
    ] {
        let record = [opening.as_bytes(), rest].concat();
        let whole = told(split(&Rope::from(Bytes::copy_from_slice(&record)), START, max_body));
        let pieces = record.chunks(usize::from(chunk).max(1)).map(Bytes::copy_from_slice);
        assert_eq!(whole, told(split(&pieces.collect(), START, max_body)));
        let mut end = START;
        for (body, from, to) in whole.unwrap_or_default() {
            assert!(body.len() as u64 <= max_body);
            assert_eq!(from, end);
            end = to;
            // A body is one record to the cutter.
            let mut cutter = Cutter::from_start();
            let length = body.len() as u64;
            cutter.push(body);
            assert_eq!(cutter.next_record().unwrap().unwrap().range, START..length - 2);
            assert_eq!(cutter.next_record(), Ok(None));
            assert!(cutter.closed().unwrap().plain);
        }
    }
});
