//! Fuzzes connection strings: see `flowlog_forwarder::fuzzing::connection_string`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| flowlog_forwarder::fuzzing::connection_string(data));
