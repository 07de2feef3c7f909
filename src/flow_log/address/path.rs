//! Parses the name of a flow-log blob: the flow log, the hour, the network interface.

use crate::flow_log::kind::{KINDS, LogKind};
use time::{Date, Month};

/// Azure's limit for a blob's name, characters.
const LONGEST_NAME: usize = 1024;

/// The file name of every flow-log blob.
const FILE_NAME: &str = "PT1H.json";

/// The parts of a blob's name.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Path {
    pub(super) kind: &'static LogKind,
    pub(super) flow_log: String,
    pub(super) date: Date,
    pub(super) hour: u8,
    pub(super) mac: String,
}

/// Why a name is not that of a flow-log blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotFlowLog {
    /// The last segment is another file.
    #[error("is not a PT1H.json")]
    OtherFile,
    /// No flow log has such a name, and a service may resolve it to another blob.
    #[error(
        "has a name that no flow log has: longer than {LONGEST_NAME} characters, with a control character or a backslash, or \
         with a folder whose name is empty or ends in a dot"
    )]
    Name,
    /// The name does not begin with the root key of a [`LogKind`].
    #[error("does not begin with {}", root_keys())]
    Prefix,
    /// A segment is missing or out of range.
    #[error("has no valid {0} in its name")]
    Segment(&'static str),
    /// A segment occurs too often, so that its value is ambiguous.
    #[error("has more than one {0} in its name")]
    Repeated(&'static str),
}

/// How the names of flow logs can begin, for an error text.
fn root_keys() -> String {
    KINDS.iter().map(|kind| format!("{}=", kind.root_key)).collect::<Vec<_>>().join(" or ")
}

impl Path {
    /// Parses the `key=value` segments of `name`. Keys may have any case; the first `m=` is the month and
    /// the second one the minute; segments with unknown keys are skipped.
    pub(super) fn parse(name: &str) -> Result<Self, NotFlowLog> {
        let (folder, file) = name.rsplit_once('/').ok_or(NotFlowLog::OtherFile)?;
        if !file.eq_ignore_ascii_case(FILE_NAME) {
            return Err(NotFlowLog::OtherFile);
        }
        let (first_key, rest) = folder.split_once('=').ok_or(NotFlowLog::Prefix)?;
        let kind = LogKind::with_root_key(first_key).ok_or(NotFlowLog::Prefix)?;
        // HTTP clients and services remove `.`, `..` and `\` from a URL, and Azure ignores a dot at the end
        // of a segment. Such a name may resolve to another blob, even in another container.
        let is_alias = |segment: &str| segment.is_empty() || segment.ends_with('.');
        if name.chars().count() > LONGEST_NAME
            || name.contains(|c: char| c.is_control() || c == '\\')
            || name.split('/').any(is_alias)
        {
            return Err(NotFlowLog::Name);
        }
        // The date is at the end, so a `y=` in a resource's name is harmless unless it is a number.
        let segments = rest.split('/').collect::<Vec<_>>();
        let start = segments.iter().rposition(|segment| value(segment, "y").is_some());
        let (resource, hour) = segments.split_at(start.ok_or(NotFlowLog::Segment("year (y=)"))?);
        if resource.iter().any(|segment| value(segment, "y").is_some_and(is_number)) {
            return Err(NotFlowLog::Repeated("year (y=)"));
        }
        let find = |key| hour.iter().filter_map(move |segment| value(segment, key));
        for (key, at_most, what) in [
            ("m", 2, "month (m=) and minute (m=)"),
            ("d", 1, "day (d=)"),
            ("h", 1, "hour (h=)"),
            ("macAddress", 1, "macAddress"),
        ] {
            if find(key).count() > at_most {
                return Err(NotFlowLog::Repeated(what));
            }
        }
        let number = |value: Option<&str>, digits: usize, what: &'static str| {
            value
                .filter(|text| text.len() <= digits && is_number(text))
                .and_then(|text| text.parse::<u16>().ok())
                .ok_or(NotFlowLog::Segment(what))
        };
        let year = number(find("y").next(), 4, "year (y=)")?;
        let month = number(find("m").next(), 2, "month (m=)")?;
        let day = number(find("d").next(), 2, "day (d=)")?;
        let hour_of_day = number(find("h").next(), 2, "hour (h=)")?;
        if let Some(minute) = find("m").nth(1) {
            number(Some(minute), 2, "minute (m=)")?;
        }
        let mac = find("macAddress").next().map(normalise_mac).filter(|mac| !mac.is_empty());
        Ok(Self {
            kind,
            flow_log: resource.join("/").trim_start_matches('/').to_owned(),
            date: date(year, month, day)?,
            hour: u8::try_from(hour_of_day)
                .ok()
                .filter(|hour| *hour < 24)
                .ok_or(NotFlowLog::Segment("hour (h=)"))?,
            mac: mac.ok_or(NotFlowLog::Segment("macAddress"))?,
        })
    }
}

/// The value of the segment `key=value`, when its key is `key`.
fn value<'a>(segment: &'a str, key: &str) -> Option<&'a str> {
    segment.split_once('=').filter(|(name, _)| name.eq_ignore_ascii_case(key)).map(|(_, value)| value)
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

fn date(year: u16, month: u16, day: u16) -> Result<Date, NotFlowLog> {
    // The first flow logs were written in 2017.
    if year < 2017 {
        return Err(NotFlowLog::Segment("year (y=)"));
    }
    let month = u8::try_from(month).ok().and_then(|month| Month::try_from(month).ok());
    let month = month.ok_or(NotFlowLog::Segment("month (m=)"))?;
    let day = u8::try_from(day).ok();
    day.and_then(|day| Date::from_calendar_date(year.into(), month, day).ok())
        .ok_or(NotFlowLog::Segment("day (d=)"))
}

/// A MAC address in upper case. Only letters and digits are kept, so that it is valid in a table key.
fn normalise_mac(text: &str) -> String {
    text.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_uppercase()).collect()
}
