//! Fuzzes checkpoint rows: see `flowlog_forwarder::fuzzing::table_rows`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| flowlog_forwarder::fuzzing::table_rows(data));
