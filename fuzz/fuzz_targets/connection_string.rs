//! Any bytes for the readers of connection strings: see `flowlog_forwarder::fuzzing`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| flowlog_forwarder::fuzzing::connection_string(data));
