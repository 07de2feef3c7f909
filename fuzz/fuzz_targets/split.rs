//! Fuzzes the splitter: see `flowlog_forwarder::fuzzing::split`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| flowlog_forwarder::fuzzing::split(data));
