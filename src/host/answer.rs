//! The JSON answer to an invocation.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

/// Most lines in one answer; the process's own log has all of them.
const MOST_LINES: usize = 100;

/// Longest line of an answer, bytes. Application Insights accepts up to 32 KiB; a line about a real blob has
/// a few hundred bytes.
pub(super) const LONGEST_LINE: usize = 2 << 10;

/// The answer to an invocation, `{"Outputs":{},"Logs":[…],"ReturnValue":null}`.
///
/// The body is never empty: after a 200 without a body the host waits for a result until its own timeout.
/// With any other status the host ignores the body.
#[derive(Debug)]
pub(super) struct Answer {
    status: StatusCode,
    logs: Logs,
}

/// The first [`MOST_LINES`] lines, and the number of lines dropped.
#[derive(Debug, Default)]
pub(super) struct Logs {
    lines: Vec<String>,
    dropped: usize,
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

impl Logs {
    pub(super) fn push(&mut self, line: String) {
        if self.lines.len() < MOST_LINES {
            self.lines.push(truncate(line));
        } else {
            self.dropped += 1;
        }
    }
}

impl From<String> for Logs {
    fn from(line: String) -> Self {
        Self { lines: vec![truncate(line)], dropped: 0 }
    }
}

impl Answer {
    /// No other delivery is needed.
    pub(super) fn ok(logs: impl Into<Logs>) -> Self {
        Self { status: StatusCode::OK, logs: logs.into() }
    }

    /// Makes the host fail the invocation, so Event Grid delivers again.
    pub(super) fn failed(logs: impl Into<Logs>) -> Self {
        Self { status: StatusCode::INTERNAL_SERVER_ERROR, logs: logs.into() }
    }

    pub(super) fn not_found(hint: String) -> Self {
        Self { status: StatusCode::NOT_FOUND, logs: hint.into() }
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let Logs { lines: mut logs, dropped } = self.logs;
        if dropped > 0 {
            logs.push(format!("… and {dropped} more"));
        }
        (self.status, Json(Wire { outputs: Outputs {}, logs, return_value: () })).into_response()
    }
}

/// Limits `line` to [`LONGEST_LINE`].
fn truncate(mut line: String) -> String {
    const MARK: &str = " … (cut)";
    if line.len() > LONGEST_LINE {
        line.truncate(line.floor_char_boundary(LONGEST_LINE - MARK.len()));
        line.push_str(MARK);
        line.shrink_to_fit();
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_bounded_in_number_and_length() {
        let mut logs = Logs::default();
        (0..250).for_each(|_| logs.push("ä".repeat(5_000)));
        assert_eq!((logs.lines.len(), logs.dropped), (MOST_LINES, 150));
        assert!(logs.lines.iter().all(|line| line.len() <= LONGEST_LINE && line.ends_with("(cut)")));
        assert_eq!(truncate("x".repeat(LONGEST_LINE)), "x".repeat(LONGEST_LINE));
    }
}
