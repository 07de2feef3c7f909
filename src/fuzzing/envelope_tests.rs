//! The envelope target on generated envelopes.

use super::envelope;
use crate::host::event::{MAX_EVENTS, oracle};
use proptest::prelude::*;
use proptest::sample::Index;

proptest! {
    #[test]
    fn a_damaged_envelope_never_panics_and_uses_little_memory(
        valid in oracle::envelope(), length in any::<Index>(), at in any::<Index>(), byte: u8,
    ) {
        let mut body = valid.to_string().into_bytes();
        envelope(&body[..length.index(body.len())]);
        let at = at.index(body.len());
        body[at] = byte;
        envelope(&body);
    }

    #[test]
    fn a_body_of_one_repeated_value_uses_little_memory(
        value in prop_oneof![
            Just(r#"{"":0}"#), Just("0"), Just("[]"), Just(r#""""#), Just(r#""\u0000""#), Just(r#"{"data":"{}"}"#),
            Just(r#"{"type":"Microsoft.Storage.BlobCreated","data":{"url":"x","eTag":"x"}}"#),
        ],
        count in 1usize..=MAX_EVENTS,
    ) {
        envelope(format!("{{\"Data\":{{\"e\":[{}]}}}}", vec![value; count].join(",")).as_bytes());
    }
}
