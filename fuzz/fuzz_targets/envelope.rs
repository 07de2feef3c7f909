//! Fuzzes the body of an invocation: see `flowlog_forwarder::fuzzing::envelope`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| flowlog_forwarder::fuzzing::envelope(data));
