//! Fuzzes the cutter: see `flowlog_forwarder::fuzzing::cut`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| flowlog_forwarder::fuzzing::cut(data));
