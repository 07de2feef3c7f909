//! Turns the SDK's errors into text that is safe to log.

use azure_core::error::{Error, ErrorKind};
use std::error::Error as _;

/// What went wrong, in one line without secrets.
///
/// The HTTP client names the whole request URL in its errors, with the SAS signature when there is
/// one. So its own text is left out, and only what lies below it (refused, timed out, closed) is told.
#[must_use]
pub fn describe(error: &Error) -> String {
    if let ErrorKind::HttpResponse { status, error_code, .. } = error.kind() {
        let code = error_code.as_deref().unwrap_or("no error code");
        return format!("HTTP {}: {code}", u16::from(*status));
    }
    let mut text = match error.kind() {
        ErrorKind::Credential => "no token".to_owned(),
        ErrorKind::Connection => "no connection".to_owned(),
        _ => "transfer failed".to_owned(),
    };
    let mut cause: Option<&(dyn std::error::Error + 'static)> = error.source();
    while let Some(inner) = cause {
        let quiet = inner.is::<reqwest::Error>() || inner.is::<Error>();
        if !quiet {
            text = format!("{text}: {inner}");
        } else if let Some(ErrorKind::HttpResponse { status, error_code, .. }) =
            inner.downcast_ref::<Error>().map(Error::kind)
        {
            text = format!(
                "{text}: HTTP {}: {}",
                u16::from(*status),
                error_code.as_deref().unwrap_or("no error code")
            );
        }
        cause = inner.source();
    }
    if let Some(timeout) = find::<reqwest::Error>(error).filter(|e| e.is_timeout()) {
        text = format!("{text} (timed out{})", if timeout.is_connect() { " while connecting" } else { "" });
    }
    text
}

/// The HTTP status that the service answered with, if it answered.
#[must_use]
pub fn status(error: &Error) -> Option<u16> {
    error.http_status().map(u16::from)
}

/// The service's own error code (`TableNotFound`, `BlobNotFound`, …), if it sent one.
#[must_use]
pub fn code(error: &Error) -> Option<&str> {
    match error.kind() {
        ErrorKind::HttpResponse { error_code, .. } => error_code.as_deref(),
        _ => None,
    }
}

fn find<T: std::error::Error + 'static>(error: &Error) -> Option<&T> {
    let mut cause = error.source();
    while let Some(inner) = cause {
        if let Some(found) = inner.downcast_ref::<T>() {
            return Some(found);
        }
        cause = inner.source();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_failed_request_never_shows_its_signature() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let refused =
            reqwest::Client::new().get("http://127.0.0.1:9/c/b?sig=SECRET").send().await.unwrap_err();
        assert!(format!("{refused}").contains("SECRET"), "the client's own text is what must be kept out");
        let error = Error::with_error(ErrorKind::Connection, refused, "failed to execute `reqwest` request");
        let text = describe(&error);
        assert!(!text.contains("SECRET"), "{text}");
        assert!(text.contains("no connection") && text.contains("refused"), "{text}");
    }
}
