//! Storage and identity with endless or invalid answers.

use super::answers::{BLOCKS_BEFORE, block, endless, refused, without_end};
use super::content::Content;
use super::request::{Kind, StorageRequest};
use super::{HOSTILE, Shape, play_all};
use crate::support::records::{content, record};
use axum::body::Body;
use axum::http::{HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse as _, Response};
use futures_util::FutureExt as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// How long a test waits for an event while a peer sends something endless.
pub(super) const WAIT: Duration = Duration::from_secs(8);

pub(super) fn honest() -> Content {
    Content::of(&content(&[record(1, 50), record(2, 50)]))
}

/// A blob whose second record is broken, each record in its own block.
fn broken() -> Content {
    let record = record(1, 50);
    Content::of("{\"records\":[").then(&record).then(",{\"a\":1}}").then(",").then(&record).then("]}")
}

/// Delivers an event of `content` while `answer` replaces the answers to requests of `kind`.
fn answering(
    name: &'static str,
    kind: Kind,
    content: fn() -> Content,
    answer: impl Fn(&StorageRequest) -> Option<Response> + Send + Sync + Clone + 'static,
) -> Shape {
    Shape::new(name, HOSTILE, move |setup| {
        let (answer, requested) = (answer.clone(), Arc::new(AtomicU64::new(0)));
        async move {
            let count = Arc::clone(&requested);
            setup.storage.override_answers(Arc::new(move |incoming| {
                let answer = (incoming.kind == kind).then(|| answer(incoming)).flatten()?;
                count.fetch_add(1, Ordering::Relaxed);
                Some(answer)
            }));
            let event = setup.commit(&setup.blob(), content());
            setup.deliver_within(&event, WAIT).await;
            setup.expect(requested.load(Ordering::Relaxed) > 0, || format!("{kind:?} was not requested"));
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

/// A JSON body that begins with `text` and never ends.
fn json_without_end(status: StatusCode, text: &'static str, pattern: &str) -> Response {
    json_body(status, without_end(text, pattern))
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
    let on = |method: Method, answer: fn() -> Response| {
        move |incoming: &StorageRequest| (incoming.method == method).then(answer)
    };
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
async fn answers_of_storage_take_bounded_memory() {
    play_all(&["--partitions", "1"], reads().into_iter().chain(rows()).collect()).await;
}

/// The valid beginning of the JSON of a token.
const TOKEN: &str =
    "{\"expires_on\":\"4102444800\",\"resource\":\"r\",\"token_type\":\"Bearer\",\"access_token\":\"";

fn identity() -> Vec<Shape> {
    let always = |answer: fn() -> Response| move |_: &StorageRequest| Some(answer());
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
async fn answers_of_the_identity_endpoint_take_bounded_memory() {
    play_all(&["--tls", "--identity", "--partitions", "1"], identity()).await;
}
