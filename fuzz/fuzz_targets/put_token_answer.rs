//! Any bytes for the guard on what a hub sends: see `flowlog_forwarder::fuzzing`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| flowlog_forwarder::fuzzing::put_token_answer(data));
