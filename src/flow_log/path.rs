//! What a blob's name says: the flow log, the hour, the network interface.

use super::Kind;
use time::{Date, Month};

/// Azure's limit for a blob's name, characters.
const LONGEST_NAME: usize = 1024;

/// The file name of every hour.
const FILE_NAME: &str = "PT1H.json";

/// What a blob's name says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Path {
    pub(super) kind: Kind,
    pub(super) flow_log: String,
    pub(super) date: Date,
    pub(super) hour: u8,
    pub(super) mac: String,
}

/// Why a blob's name is not the name of an hour of flow logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotFlowLog {
    /// The last segment is another file.
    #[error("is not a PT1H.json")]
    OtherFile,
    /// No blob has such a name, or it would be read under another one.
    #[error("has a name that no flow log has (too long, with control characters, or with a segment . or ..)")]
    Name,
    /// It does not begin as flow logs do.
    #[error("does not begin with flowLogResourceID= or resourceId=")]
    Prefix,
    /// A segment is missing or out of range.
    #[error("has no valid {0} in its name")]
    Segment(&'static str),
}

impl Path {
    /// Reads `name` by its `key=value` segments: keys in any case, `m=` once for the month and again for
    /// the minute; segments with unknown keys are skipped.
    pub(super) fn parse(name: &str) -> Result<Self, NotFlowLog> {
        let (folder, file) = name.rsplit_once('/').ok_or(NotFlowLog::OtherFile)?;
        if !file.eq_ignore_ascii_case(FILE_NAME) {
            return Err(NotFlowLog::OtherFile);
        }
        if name.chars().count() > LONGEST_NAME || name.chars().any(char::is_control) {
            return Err(NotFlowLog::Name);
        }
        // A URL with such a segment is read as a URL without it: perhaps another container's.
        // `\` ends a segment there as well.
        if name.split(['/', '\\']).any(|segment| matches!(segment, "." | "..")) {
            return Err(NotFlowLog::Name);
        }
        let (first_key, rest) = folder.split_once('=').ok_or(NotFlowLog::Prefix)?;
        let kind = match first_key.to_ascii_lowercase().as_str() {
            "flowlogresourceid" => Kind::VNet,
            "resourceid" => Kind::Nsg,
            _ => return Err(NotFlowLog::Prefix),
        };
        // The date is at the end, so a `y=` inside a resource's name does not mislead.
        let segments = rest.split('/').collect::<Vec<_>>();
        let start = segments.iter().rposition(|segment| value(segment, "y").is_some());
        let (resource, hour) = segments.split_at(start.ok_or(NotFlowLog::Segment("year (y=)"))?);
        let find = |key| hour.iter().filter_map(move |segment| value(segment, key));
        let number = |value: Option<&str>, digits: usize, what: &'static str| {
            value
                .filter(|text| text.len() <= digits && text.bytes().all(|b| b.is_ascii_digit()))
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
        let mac = find("macAddress").next().map(address).filter(|mac| !mac.is_empty());
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

fn date(year: u16, month: u16, day: u16) -> Result<Date, NotFlowLog> {
    // Flow logs began in 2017; an earlier year is a template or a mistake.
    if year < 2017 {
        return Err(NotFlowLog::Segment("year (y=)"));
    }
    let month = u8::try_from(month).ok().and_then(|month| Month::try_from(month).ok());
    let month = month.ok_or(NotFlowLog::Segment("month (m=)"))?;
    let day = u8::try_from(day).ok();
    day.and_then(|day| Date::from_calendar_date(year.into(), month, day).ok())
        .ok_or(NotFlowLog::Segment("day (d=)"))
}

/// A network interface's address without separators, upper case. Only letters and digits are kept, so
/// that it can stand in a table's key.
fn address(text: &str) -> String {
    text.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_uppercase()).collect()
}
