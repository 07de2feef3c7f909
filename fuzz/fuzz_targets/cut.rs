//! Any bytes in any chunks: the cutter must agree with `serde_json`, as in the property tests.
//!
//! `cargo +nightly fuzz run cut -- -max_total_time=60 -dict=fuzz/json.dict`
#![no_main]

use flowlog_forwarder::cut::{Closed, CutError, Cutter, Expected, MAX_NESTING, Record};
use libfuzzer_sys::fuzz_target;

#[path = "../../src/cut/oracle.rs"]
mod oracle;

// The first three bytes are chunk lengths, the rest is the blob.
fuzz_target!(|data: &[u8]| {
    if let Some((sizes, blob)) = data.split_first_chunk::<3>() {
        oracle::check(blob, &sizes.map(usize::from));
        oracle::check(&[b"{\"records\":[{", blob].concat(), &sizes.map(usize::from));
    }
});
