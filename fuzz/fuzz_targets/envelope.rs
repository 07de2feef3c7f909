//! Any bytes for the host's envelope: see `flowlog_forwarder::fuzzing`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| flowlog_forwarder::fuzzing::envelope(data));
