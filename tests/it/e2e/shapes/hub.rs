//! A hub that answers without an end, or with what no service answers.

use super::peers::{BORNE, honest};
use super::{HOSTILE, Place, Shape, play_all};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::FutureExt as _;
use serde_json::{Value, json};

/// Delivers an event while the hub has `fault`.
fn token_answer(name: &'static str, fault: fn() -> Value) -> Shape {
    Shape::new(name, HOSTILE, move |place| {
        async move {
            let mut fault = fault();
            (fault["action"], fault["count"]) = ("cbs".into(), "all".into());
            place.hub_fault(fault).await;
            place.deliver_within(&place.commit(&place.blob(), honest()), BORNE).await;
            place.rig.call("DELETE", "/hub/faults", None).await;
        }
        .boxed()
    })
}

/// Writes `bytes` to the connection, `times` times, and delivers an event.
fn written(
    name: &'static str,
    bytes: impl Fn() -> Vec<u8> + Send + Sync + Clone + 'static,
    times: u32,
) -> Shape {
    Shape::new(name, HOSTILE, move |place| {
        let bytes = bytes.clone();
        async move {
            place.deliver_within(&place.commit(&place.blob(), honest()), BORNE).await;
            let bytes = STANDARD.encode(bytes());
            let done = place.hub_fault(json!({"action": "raw", "bytes": bytes, "times": times})).await;
            place.expect(done["affected"].as_u64() > Some(0), || "the hub has no connection".to_owned());
            place.deliver_within(&place.commit(&place.blob(), honest()), BORNE).await;
        }
        .boxed()
    })
}

/// A frame that carries a part of a transfer on the link `handle`, with more to come.
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

/// Frames that claim to be shorter than their own head: on a connection at work, and on one that opens.
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
        shapes.push(Shape::new(opening, HOSTILE, move |place| {
            async move {
                let bytes = STANDARD.encode(frame());
                place.hub_fault(json!({"action": "raw-open", "bytes": bytes})).await;
                place.deliver_within(&place.commit(&place.blob(), honest()), BORNE).await;
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

impl Place {
    /// Adds a fault to this place's hub.
    async fn hub_fault(&self, mut fault: Value) -> Value {
        // Tokens and connections are of no hub.
        if fault["action"] == "raw" {
            fault["hub"] = self.rig.hub().into();
        }
        self.rig.call("POST", "/hub/faults", Some(fault)).await
    }
}
