//! What the host wants to hear.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

/// How many lines an answer has at most; the process's own log has all of them.
const MOST_LINES: usize = 100;

/// The answer to an invocation, `{"Outputs":{},"Logs":[…],"ReturnValue":null}`.
///
/// Its body is never empty, whatever the status: the host waits until its own timeout for the result of
/// an invocation that was answered with 200 and no body. It reads the body of a 200 only.
#[derive(Debug)]
pub(super) struct Answer {
    status: StatusCode,
    logs: Vec<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Wire {
    outputs: Outputs,
    logs: Vec<String>,
    return_value: (),
}

#[derive(Serialize)]
struct Outputs {}

impl Answer {
    /// All is done that can be done.
    pub(super) fn ok(logs: Vec<String>) -> Self {
        Self { status: StatusCode::OK, logs }
    }

    /// Event Grid should deliver again: the host turns any failure into that.
    pub(super) fn failed(logs: Vec<String>) -> Self {
        Self { status: StatusCode::INTERNAL_SERVER_ERROR, logs }
    }

    /// Not a path of ours.
    pub(super) fn not_found(hint: String) -> Self {
        Self { status: StatusCode::NOT_FOUND, logs: vec![hint] }
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let mut logs = self.logs;
        if logs.len() > MOST_LINES {
            let more = logs.len() - MOST_LINES;
            logs.truncate(MOST_LINES);
            logs.push(format!("… and {more} more"));
        }
        (self.status, Json(Wire { outputs: Outputs {}, logs, return_value: () })).into_response()
    }
}
