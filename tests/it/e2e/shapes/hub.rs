//! A hub with endless or invalid answers.

use super::peers::{WAIT, honest};
use super::{HOSTILE, Setup, Shape, play_all};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::FutureExt as _;
use serde_json::{Value, json};

/// Delivers an event while the hub has `fault`.
fn token_answer(name: &'static str, fault: fn() -> Value) -> Shape {
    Shape::new(name, HOSTILE, move |setup| {
        async move {
            let mut fault = fault();
            (fault["action"], fault["count"]) = ("cbs".into(), "all".into());
            setup.hub_fault(fault).await;
            setup.deliver_within(&setup.commit(&setup.blob(), honest()), WAIT).await;
            setup.rig.call("DELETE", "/hub/faults", None).await;
        }
        .boxed()
    })
}

/// Delivers an event after the hub has written `bytes` to the connection `times` times.
fn written(
    name: &'static str,
    bytes: impl Fn() -> Vec<u8> + Send + Sync + Clone + 'static,
    times: u32,
) -> Shape {
    Shape::new(name, HOSTILE, move |setup| {
        let bytes = bytes.clone();
        async move {
            setup.deliver_within(&setup.commit(&setup.blob(), honest()), WAIT).await;
            let bytes = STANDARD.encode(bytes());
            let done = setup.hub_fault(json!({"action": "raw", "bytes": bytes, "times": times})).await;
            setup.expect(done["affected"].as_u64() > Some(0), || "the hub has no connection".to_owned());
            setup.deliver_within(&setup.commit(&setup.blob(), honest()), WAIT).await;
        }
        .boxed()
    })
}

/// A frame with part of a transfer on the link `handle`; more parts follow.
fn transfer(handle: u8) -> Vec<u8> {
    const PAYLOAD: usize = 30_000;
    // Described list (0x14, transfer) of: handle, delivery-id, delivery-tag, message-format, settled, more.
    let fields = [0x52, handle, 0x52, 1, 0xa0, 1, b't', 0x43, 0x42, 0x41];
    let mut body = vec![0x00, 0x53, 0x14, 0xc0, u8::try_from(fields.len() + 1).unwrap(), 6];
    body.extend(fields);
    body.extend(std::iter::repeat_n(b'x', PAYLOAD));
    frame(u32::try_from(body.len() + 8).unwrap(), &body)
}

/// A frame of channel 0 that claims `size` bytes.
fn frame(size: u32, body: &[u8]) -> Vec<u8> {
    [&size.to_be_bytes()[..], &[2, 0, 0, 0], body].concat()
}

/// Frames that claim to be shorter than their header: on an open connection, and on one that opens.
const SHORT_FRAMES: [(u32, &str, &str); 4] = [
    (4, "a frame of the hub of 4 bytes", "a frame of the hub of 4 bytes, at the opening"),
    (5, "a frame of the hub of 5 bytes", "a frame of the hub of 5 bytes, at the opening"),
    (6, "a frame of the hub of 6 bytes", "a frame of the hub of 6 bytes, at the opening"),
    (7, "a frame of the hub of 7 bytes", "a frame of the hub of 7 bytes, at the opening"),
];

fn hub() -> Vec<Shape> {
    let mut shapes = vec![
        token_answer("an answer about a token, nested 20,000 deep", || json!({"nested": 20_000})),
        token_answer("an answer about a token, nested a million deep", || json!({"nested": 1_000_000})),
        token_answer("an answer about a token, of 64 MiB", || json!({"bytes": 64 << 20})),
        token_answer(
            "a token refused in 8 MiB of words",
            || json!({"status": 401, "description": "no ".repeat((8 << 20) / 3)}),
        ),
        written(
            "a frame of the hub that claims 4 GiB, and 64 MiB of it",
            || frame(u32::MAX, &[0; 65_528]),
            1_000,
        ),
        written("64 MiB of the hub that are no frames", || vec![b'x'; 1 << 20], 64),
        written("empty frames of the hub, 8 million", || frame(8, &[]).repeat(8_000), 1_000),
    ];
    for (length, running, opening) in SHORT_FRAMES {
        let frame = move || frame(length, &[0; 8]);
        shapes.push(written(running, frame, 1));
        shapes.push(Shape::new(opening, HOSTILE, move |setup| {
            async move {
                let bytes = STANDARD.encode(frame());
                setup.hub_fault(json!({"action": "raw-open", "bytes": bytes})).await;
                setup.deliver_within(&setup.commit(&setup.blob(), honest()), WAIT).await;
            }
            .boxed()
        }));
    }
    shapes.push(written(
        "a message of the hub that does not end",
        || (0..4).flat_map(transfer).collect(),
        800,
    ));
    shapes
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_of_the_hub_take_bounded_memory() {
    play_all(&["--partitions", "1"], hub()).await;
}

impl Setup {
    /// Adds a fault to the hub.
    async fn hub_fault(&self, mut fault: Value) -> Value {
        // Faults of tokens and of new connections belong to no hub.
        if fault["action"] == "raw" {
            fault["hub"] = self.rig.hub().into();
        }
        self.rig.call("POST", "/hub/faults", Some(fault)).await
    }
}
