//! Dates as HTTP headers and storage listings write them.

use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;

/// `text` in milliseconds since the Unix epoch; `None` when it is not a date, or lies before 1970.
pub(crate) fn unix_millis(text: &str) -> Option<u64> {
    // RFC 2822 allows the form that HTTP uses.
    let seconds = OffsetDateTime::parse(text, &Rfc2822).ok()?.unix_timestamp();
    u64::try_from(seconds).ok()?.checked_mul(1_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_http_date_becomes_unix_milliseconds() {
        assert_eq!(unix_millis("Sun, 06 Nov 1994 08:49:37 GMT"), Some(784_111_777_000));
        for text in ["", "yesterday", "Sun, 06 Nov 1914 08:49:37 GMT", "784111777"] {
            assert_eq!(unix_millis(text), None, "{text}");
        }
    }
}
