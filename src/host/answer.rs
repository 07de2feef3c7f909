//! What the host wants to hear.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

/// How many lines an answer has at most; the process's own log has all of them.
const MOST_LINES: usize = 100;

/// Longest line of an answer, bytes. Application Insights takes up to 32 KiB for each; a line about a real
/// blob has a few hundred.
pub(super) const LONGEST_LINE: usize = 2 << 10;

/// The answer to an invocation, `{"Outputs":{},"Logs":[…],"ReturnValue":null}`.
///
/// Its body is never empty, whatever the status: the host waits until its own timeout for the result of
/// an invocation that was answered with 200 and no body. It reads the body of a 200 only.
#[derive(Debug)]
pub(super) struct Answer {
    status: StatusCode,
    logs: Logs,
}

/// The lines of an answer: the first [`MOST_LINES`], and how many more there were.
#[derive(Debug, Default)]
pub(super) struct Logs {
    lines: Vec<String>,
    more: usize,
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
            self.lines.push(cut(line));
        } else {
            self.more += 1;
        }
    }
}

impl From<String> for Logs {
    fn from(line: String) -> Self {
        Self { lines: vec![cut(line)], more: 0 }
    }
}

impl Answer {
    /// All is done that can be done.
    pub(super) fn ok(logs: impl Into<Logs>) -> Self {
        Self { status: StatusCode::OK, logs: logs.into() }
    }

    /// Event Grid should deliver again: the host turns any failure into that.
    pub(super) fn failed(logs: impl Into<Logs>) -> Self {
        Self { status: StatusCode::INTERNAL_SERVER_ERROR, logs: logs.into() }
    }

    /// Not a path of ours.
    pub(super) fn not_found(hint: String) -> Self {
        Self { status: StatusCode::NOT_FOUND, logs: hint.into() }
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let Logs { lines: mut logs, more } = self.logs;
        if more > 0 {
            logs.push(format!("… and {more} more"));
        }
        (self.status, Json(Wire { outputs: Outputs {}, logs, return_value: () })).into_response()
    }
}

/// `line`, cut to [`LONGEST_LINE`].
fn cut(mut line: String) -> String {
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
        assert_eq!((logs.lines.len(), logs.more), (MOST_LINES, 150));
        assert!(logs.lines.iter().all(|line| line.len() <= LONGEST_LINE && line.ends_with("(cut)")));
        assert_eq!(cut("x".repeat(LONGEST_LINE)), "x".repeat(LONGEST_LINE));
    }
}
