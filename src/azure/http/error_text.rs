//! Texts of the SDK's errors that are safe to log: one line, no secrets.

use azure_core::error::{Error, ErrorKind};
use azure_core::http::RawResponse;
use serde::Deserialize;
use std::error::Error as _;
use std::iter::successors;

/// The longest text of a peer that an error repeats, characters.
const MAX_CHARS: usize = 300;

/// What went wrong, in one line without secrets.
///
/// The HTTP client's own text contains the request URL, and with it a SAS signature. So that text is left out;
/// only the causes below it (refused, timed out, closed) are kept.
#[must_use]
pub fn describe_error(error: &Error) -> String {
    if let Some(answer) = describe_answer(error.kind()) {
        return answer;
    }
    let mut text = match error.kind() {
        ErrorKind::Credential => "no token".to_owned(),
        ErrorKind::Connection => "no connection".to_owned(),
        _ => "transfer failed".to_owned(),
    };
    for inner in causes(error) {
        let may_hold_url = inner.is::<reqwest::Error>() || inner.is::<Error>();
        if !may_hold_url {
            text = format!("{text}: {inner}");
        } else if let Some(answer) =
            inner.downcast_ref::<Error>().and_then(|inner| describe_answer(inner.kind()))
        {
            text = format!("{text}: {answer}");
        }
    }
    let timed_out =
        causes(error).find_map(|cause| cause.downcast_ref().filter(|e: &&reqwest::Error| e.is_timeout()));
    if let Some(timeout) = timed_out {
        text = format!("{text} (timed out{})", if timeout.is_connect() { " while connecting" } else { "" });
    }
    one_line(&text)
}

/// The status of the service's answer, if it answered.
pub(crate) fn status(error: &Error) -> Option<u16> {
    error.http_status().map(u16::from)
}

/// [`status`], also of the errors below `error`: errors of credentials wrap the answer.
pub(crate) fn status_within(error: &Error) -> Option<u16> {
    let below = causes(error).filter_map(|cause| cause.downcast_ref::<Error>());
    std::iter::once(error).chain(below).find_map(status)
}

/// The text of a peer, as one line of bounded length without control characters.
pub(crate) fn one_line(text: &str) -> String {
    let mut line: String =
        text.split(|c: char| c.is_whitespace() || c.is_control()).fold(String::new(), |line, word| {
            if line.is_empty() || word.is_empty() { line + word } else { line + " " + word }
        });
    if let Some((end, _)) = line.char_indices().nth(MAX_CHARS) {
        line.truncate(end);
        line.push('…');
    }
    line
}

fn causes(error: &Error) -> impl Iterator<Item = &(dyn std::error::Error + 'static)> {
    successors(error.source(), |&cause| cause.source())
}

/// Status, code and message of the service's answer; `None` when there was no answer.
fn describe_answer(kind: &ErrorKind) -> Option<String> {
    let ErrorKind::HttpResponse { status, error_code, raw_response } = kind else { return None };
    // When the service sent no code, the SDK puts the status there.
    let code = error_code.as_deref().filter(|code| *code != status.to_string());
    let message = raw_response.as_deref().and_then(message);
    let text = [code.map(str::to_owned), message].into_iter().flatten().collect::<Vec<_>>().join(": ");
    let text = if text.is_empty() { status.to_string() } else { one_line(&text) };
    Some(format!("HTTP {}: {text}", u16::from(*status)))
}

/// The message in an error's body: XML from blob services, JSON from table services and identity endpoints.
fn message(answer: &RawResponse) -> Option<String> {
    #[derive(Deserialize)]
    struct Json {
        #[serde(alias = "odata.error")]
        error: Option<Inner>,
        message: Option<Text>,
    }
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Inner {
        Whole { message: Text },
        Code(String),
    }
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Text {
        Plain(String),
        Localised { value: String },
    }
    let text = std::str::from_utf8(answer.body()).ok()?.trim();
    let found = if let Ok(Json { error, message }) = serde_json::from_str::<Json>(text) {
        let inner = error.map(|inner| match inner {
            Inner::Whole { message } => message,
            Inner::Code(code) => Text::Plain(code),
        });
        let (Text::Plain(found) | Text::Localised { value: found }) = message.or(inner)?;
        found
    } else {
        text.split_once("<Message>")?.1.split_once("</Message>")?.0.to_owned()
    };
    // The lines after the first hold the request's id and time.
    Some(one_line(found.lines().next()?)).filter(|line| !line.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use azure_core::http::StatusCode;
    use azure_core::http::headers::Headers;

    #[tokio::test]
    async fn a_failed_request_never_shows_its_signature() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let refused =
            reqwest::Client::new().get("http://127.0.0.1:9/c/b?sig=SECRET").send().await.unwrap_err();
        assert!(format!("{refused}").contains("SECRET"), "the client's own text holds the signature");
        let error = Error::with_error(ErrorKind::Connection, refused, "failed to execute `reqwest` request");
        let text = describe_error(&error);
        assert!(!text.contains("SECRET"), "{text}");
        assert!(text.contains("no connection") && text.contains("refused"), "{text}");
    }

    #[test]
    fn a_peers_text_becomes_one_short_line() {
        assert_eq!(one_line(" a\r\nERROR forged\t\u{1b}[31m  b "), "a ERROR forged [31m b");
        assert_eq!(one_line(&"é".repeat(1_000)), "é".repeat(MAX_CHARS) + "…");
        assert_eq!(one_line(""), "");
    }

    #[test]
    fn only_code_and_message_of_a_body_are_repeated() {
        let text = |code: Option<&str>, body: &str| {
            let body = body.to_owned().into_bytes();
            let answer = RawResponse::from_bytes(StatusCode::Forbidden, Headers::new(), body);
            let kind = ErrorKind::HttpResponse {
                status: StatusCode::Forbidden,
                error_code: code.map(str::to_owned),
                raw_response: Some(Box::new(answer)),
            };
            describe_error(&Error::with_message(kind, "whole body"))
        };
        let xml = "<Error><Code>C</Code><Message>Not allowed.\nRequestId:1\nTime:2</Message>\
                   <AuthenticationErrorDetail>SECRET</AuthenticationErrorDetail></Error>";
        assert_eq!(text(Some("C"), xml), "HTTP 403: C: Not allowed.");
        let odata =
            r#"{"odata.error":{"code":"C","message":{"lang":"en-US","value":"Not allowed.\nRequestId:1"}}}"#;
        assert_eq!(text(Some("C"), odata), "HTTP 403: C: Not allowed.");
        assert_eq!(text(None, r#"{"statusCode":403,"message":"No identity"}"#), "HTTP 403: No identity");
        assert_eq!(text(None, r#"{"error":{"code":"x","message":"No identity"}}"#), "HTTP 403: No identity");
        assert_eq!(text(None, r#"{"error":"invalid_resource"}"#), "HTTP 403: invalid_resource");
        for body in ["", "<html>SECRET</html>", "{\"message\":", "[1]"] {
            assert!(!text(None, body).contains("SECRET"), "{body}");
        }
    }
}
