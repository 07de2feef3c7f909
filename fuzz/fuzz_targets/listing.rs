//! Fuzzes pages of blob names and of block lists: see `flowlog_forwarder::fuzzing::listing`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| flowlog_forwarder::fuzzing::listing(data));
