//! Any bytes for the reader of pages of names and of block lists: see `flowlog_forwarder::fuzzing`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| flowlog_forwarder::fuzzing::listing(data));
