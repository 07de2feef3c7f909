//! Fuzzes the hub's answer to a token: see `flowlog_forwarder::fuzzing::put_token_answer`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| flowlog_forwarder::fuzzing::put_token_answer(data));
