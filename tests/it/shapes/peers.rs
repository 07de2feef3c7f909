//! Peers that answer without an end, or with what no service answers.

use super::content::Content;
use super::storage::{Asked, BLOCKS_BEFORE, Kind, block, endless, refused};
use super::{HOSTILE, Place, Shape, play_all};
use crate::samples::{content, record};
use axum::body::Body;
use axum::http::{HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::FutureExt as _;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// How long a peer is borne with. What it answers is without an end, so any time is long enough.
const BORNE: Duration = Duration::from_secs(8);

fn honest() -> Content {
    Content::of(&content(&[record(1, 50), record(2, 50)]))
}

/// A blob whose second record is none, each record in a block of its own.
fn broken() -> Content {
    let record = record(1, 50);
    Content::of("{\"records\":[").then(&record).then(",{\"a\":1}}").then(",").then(&record).then("]}")
}

/// Delivers an event of `content` while `answer` is all that requests of `kind` get.
fn answering(
    name: &'static str,
    kind: Kind,
    content: fn() -> Content,
    answer: impl Fn(&Asked) -> Option<Response> + Send + Sync + Clone + 'static,
) -> Shape {
    Shape::new(name, HOSTILE, move |place| {
        let (answer, asked_for) = (answer.clone(), Arc::new(AtomicU64::new(0)));
        async move {
            let count = Arc::clone(&asked_for);
            place.storage.twist(Arc::new(move |asked| {
                let answer = (asked.kind == kind).then(|| answer(asked)).flatten()?;
                count.fetch_add(1, Ordering::Relaxed);
                Some(answer)
            }));
            let event = place.commit(&place.blob(), content());
            place.deliver_within(&event, BORNE).await;
            place.expect(asked_for.load(Ordering::Relaxed) > 0, || format!("{kind:?} was not asked for"));
        }
        .boxed()
    })
}

fn read(body: Body) -> Response {
    let headers =
        [("etag", "\"0x1\""), ("content-range", "bytes 0-999/1000"), ("x-ms-blob-type", "BlockBlob")];
    (StatusCode::PARTIAL_CONTENT, headers, body).into_response()
}

fn json_body(status: StatusCode, body: Body) -> Response {
    (status, [("content-type", "application/json"), ("etag", "W/\"1\"")], body).into_response()
}

/// A body of JSON that begins with `text` and has no end.
fn json_without_end(status: StatusCode, text: &'static str, pattern: &str) -> Response {
    use futures_util::{StreamExt as _, stream};
    let head = stream::once(async move { Ok::<_, std::convert::Infallible>(text.into()) });
    let rest = endless(pattern).into_data_stream().map(|piece| Ok(piece.unwrap()));
    json_body(status, Body::from_stream(head.chain(rest)))
}

fn with_long_header(mut answer: Response) -> Response {
    let value = HeaderValue::from_str(&"x".repeat(8 << 20)).unwrap();
    answer.headers_mut().insert("x-ms-meta-long", value);
    answer
}

fn with_many_headers(mut answer: Response) -> Response {
    for _ in 0..20_000 {
        answer.headers_mut().append("x-ms-meta-many", HeaderValue::from_static("0123456789"));
    }
    answer
}

fn reads() -> Vec<Shape> {
    vec![
        answering("a read of a range whose body does not end", Kind::Read, honest, |_| {
            Some(read(endless("x")))
        }),
        answering("a read whose body claims a terabyte", Kind::Read, honest, |_| {
            let mut answer = read(endless("x"));
            answer.headers_mut().insert("content-length", HeaderValue::from_static("1099511627776"));
            Some(answer)
        }),
        answering("a read that is refused without an end", Kind::Read, honest, |_| {
            let mut answer = refused(StatusCode::FORBIDDEN, "AuthorizationFailure");
            *answer.body_mut() = endless("<Message>no</Message>");
            Some(answer)
        }),
        answering("a read that is busy without an end", Kind::Read, honest, |_| {
            Some((StatusCode::SERVICE_UNAVAILABLE, endless("busy ")).into_response())
        }),
        answering("a read with a header of 8 MiB", Kind::Read, honest, |_| {
            Some(with_long_header(read(Body::empty())))
        }),
        answering("a read with 20,000 headers", Kind::Read, honest, |_| {
            Some(with_many_headers(read(Body::empty())))
        }),
        answering("a block list that does not end", Kind::Blocks, broken, |_| {
            let blocks: String = (0..1_000).map(|number| block(number, 100)).collect();
            let xml: &'static str = BLOCKS_BEFORE;
            let mut answer = json_without_end(StatusCode::OK, xml, &blocks);
            answer.headers_mut().insert("content-type", HeaderValue::from_static("application/xml"));
            Some(answer)
        }),
        answering("a block list that is refused without an end", Kind::Blocks, broken, |_| {
            Some((StatusCode::FORBIDDEN, endless("no ")).into_response())
        }),
        answering("a quarantine that refuses without an end", Kind::Quarantine, broken, |_| {
            Some((StatusCode::FORBIDDEN, endless("no ")).into_response())
        }),
    ]
}

fn rows() -> Vec<Shape> {
    let on =
        |method: Method, answer: fn() -> Response| move |asked: &Asked| (asked.method == method).then(answer);
    vec![
        answering(
            "a row that does not end",
            Kind::Row,
            honest,
            on(Method::GET, || json_without_end(StatusCode::OK, "{\"PartitionKey\":\"", "x")),
        ),
        answering(
            "a row with members without an end",
            Kind::Row,
            honest,
            on(Method::GET, || json_without_end(StatusCode::OK, "{", "\"a\":\"b\",")),
        ),
        answering(
            "a row that is refused without an end",
            Kind::Row,
            honest,
            on(Method::GET, || json_body(StatusCode::FORBIDDEN, endless("no "))),
        ),
        answering(
            "a row that is written with an answer without an end",
            Kind::Row,
            honest,
            on(Method::POST, || json_body(StatusCode::CREATED, endless("{} "))),
        ),
        answering(
            "a row whose version is 8 MiB long",
            Kind::Row,
            honest,
            on(Method::GET, || with_long_header(json_body(StatusCode::OK, Body::from("{}")))),
        ),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_of_storage_are_read_to_a_bound() {
    play_all(&["--partitions", "1"], reads().into_iter().chain(rows()).collect()).await;
}

/// A token's JSON that begins well.
const TOKEN: &str =
    "{\"expires_on\":\"4102444800\",\"resource\":\"r\",\"token_type\":\"Bearer\",\"access_token\":\"";

fn identity() -> Vec<Shape> {
    let always = |answer: fn() -> Response| move |_: &Asked| Some(answer());
    vec![
        answering(
            "a token that does not end",
            Kind::Token,
            honest,
            always(|| json_without_end(StatusCode::OK, TOKEN, "x")),
        ),
        answering(
            "a token that is refused without an end",
            Kind::Token,
            honest,
            always(|| json_without_end(StatusCode::FORBIDDEN, "{\"message\":\"", "no ")),
        ),
        answering(
            "a token of 32 MiB",
            Kind::Token,
            honest,
            always(|| json_body(StatusCode::OK, Body::from(format!("{TOKEN}{}\"}}", "x".repeat(32 << 20))))),
        ),
        answering(
            "a token with a header of 8 MiB",
            Kind::Token,
            honest,
            always(|| with_long_header(json_body(StatusCode::OK, Body::from("{}")))),
        ),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_of_the_identity_endpoint_are_read_to_a_bound() {
    play_all(&["--tls", "--identity", "--partitions", "1"], identity()).await;
}

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
async fn answers_of_the_hub_are_read_to_a_bound() {
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
