//! The members of one event that matter, cut to a bounded length as they are read.

use super::shape::{Any, Shape};
use super::wire::cut;
use super::{Ignored, LONGEST_ETAG};
use crate::flow_log::LONGEST_URL;
use serde::Deserialize;
use serde::de::{Error, IgnoredAny, MapAccess};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Event Grid's schema and `CloudEvents` 1.0 in one: what the former calls `eventType` and `eventTime`,
/// the latter calls `type` and `time`. The rest has the same names. No member has to be there.
#[derive(Debug, Default)]
pub(super) struct Fields {
    pub(super) id: String,
    pub(super) kind: String,
    pub(super) time: Option<OffsetDateTime>,
    pub(super) data: Data,
}

/// The part that Blob storage fills in.
#[derive(Debug, Default)]
pub(super) struct Data {
    pub(super) api: Option<String>,
    pub(super) url: Option<Address>,
    pub(super) etag: Option<String>,
    pub(super) length: Option<u64>,
}

/// A URL of an event.
#[derive(Debug)]
pub(super) enum Address {
    Whole(String),
    /// Longer than that of any blob, and not kept.
    TooLong,
}

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "camelCase")]
enum EventMember {
    Id,
    #[serde(alias = "eventType")]
    Type,
    #[serde(alias = "eventTime")]
    Time,
    Data,
    #[serde(other)]
    Other,
}

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "camelCase")]
enum DataMember {
    Api,
    Url,
    #[serde(rename = "eTag", alias = "etag")]
    Etag,
    ContentLength,
    #[serde(other)]
    Other,
}

impl Fields {
    /// Reads the members of an event. The inner error is about this event alone, and the JSON around it
    /// can still be read.
    pub(super) fn read<'de, A: MapAccess<'de>>(mut members: A) -> Result<Result<Self, Ignored>, A::Error> {
        let (mut fields, mut wrong) = (Self::default(), None);
        while let Some(member) = members.next_key()? {
            let outcome = match member {
                EventMember::Id => {
                    text(&mut members, "id", cut)?.map(|id| fields.id = id.unwrap_or_default())
                }
                EventMember::Type => {
                    text(&mut members, "type", cut)?.map(|kind| fields.kind = kind.unwrap_or_default())
                }
                EventMember::Time => {
                    text(&mut members, "time", time)?.map(|time| fields.time = time.flatten())
                }
                EventMember::Data => members.next_value_seed(Any(DataShape))?.map(|data| fields.data = data),
                EventMember::Other => members.next_value::<IgnoredAny>().map(|_| Ok(()))?,
            };
            wrong = wrong.or(outcome.err());
        }
        Ok(wrong.map_or(Ok(fields), Err))
    }
}

impl Data {
    fn read<'de, A: MapAccess<'de>>(mut members: A) -> Result<Result<Self, Ignored>, A::Error> {
        let (mut data, mut wrong) = (Self::default(), None);
        while let Some(member) = members.next_key()? {
            let outcome = match member {
                DataMember::Api => text(&mut members, "data.api", cut)?.map(|api| data.api = api),
                DataMember::Url => {
                    text(&mut members, "data.url", address)?.map(|url| data.url = url.flatten())
                }
                DataMember::Etag => {
                    text(&mut members, "data.eTag", etag)?.map(|etag| data.etag = etag.flatten())
                }
                DataMember::ContentLength => {
                    data.length = members.next_value_seed(Any(Number))?;
                    Ok(())
                }
                DataMember::Other => members.next_value::<IgnoredAny>().map(|_| Ok(()))?,
            };
            wrong = wrong.or(outcome.err());
        }
        Ok(wrong.map_or(Ok(data), Err))
    }
}

/// The next value, which has to be text or `null`, as `keep` keeps it.
fn text<'de, A: MapAccess<'de>, T>(
    members: &mut A,
    name: &'static str,
    keep: impl FnOnce(&str) -> T,
) -> Result<Result<Option<T>, Ignored>, A::Error> {
    members.next_value_seed(Any(Text { name, keep }))
}

/// Text of which only what `keep` returns is kept.
struct Text<K> {
    name: &'static str,
    keep: K,
}

impl<T, K: FnOnce(&str) -> T> Shape<'_> for Text<K> {
    type Output = Result<Option<T>, Ignored>;

    fn other<E: Error>(self) -> Result<Self::Output, E> {
        Ok(Err(Ignored::NotAnEvent(format!("its {} is no text", self.name))))
    }

    fn text<E: Error>(self, text: &str) -> Result<Self::Output, E> {
        Ok(Ok(Some((self.keep)(text))))
    }

    fn null<E: Error>(self) -> Result<Self::Output, E> {
        Ok(Ok(None))
    }
}

/// An event's `data`: an object, or text that holds the object. Anything else counts as no data.
struct DataShape;

impl<'de> Shape<'de> for DataShape {
    type Output = Result<Data, Ignored>;

    fn other<E: Error>(self) -> Result<Self::Output, E> {
        Ok(Ok(Data::default()))
    }

    fn object<A: MapAccess<'de>>(self, members: A) -> Result<Self::Output, A::Error> {
        Data::read(members)
    }

    fn text<E: Error>(self, text: &str) -> Result<Self::Output, E> {
        Ok(super::wire::read_text(text, ObjectInText).unwrap_or_else(|_| Ok(Data::default())))
    }
}

/// The same inside text, where text again counts as no data.
struct ObjectInText;

impl<'de> Shape<'de> for ObjectInText {
    type Output = Result<Data, Ignored>;

    fn other<E: Error>(self) -> Result<Self::Output, E> {
        Ok(Ok(Data::default()))
    }

    fn object<A: MapAccess<'de>>(self, members: A) -> Result<Self::Output, A::Error> {
        Data::read(members)
    }
}

/// A number, also where it travels as text; anything else counts as none.
struct Number;

impl Shape<'_> for Number {
    type Output = Option<u64>;

    fn other<E: Error>(self) -> Result<Self::Output, E> {
        Ok(None)
    }

    fn text<E: Error>(self, text: &str) -> Result<Self::Output, E> {
        Ok(text.parse().ok())
    }

    fn number<E: Error>(self, number: u64) -> Result<Self::Output, E> {
        Ok(Some(number))
    }
}

fn address(url: &str) -> Option<Address> {
    match url.len() {
        0 => None,
        1..=LONGEST_URL => Some(Address::Whole(url.to_owned())),
        _ => Some(Address::TooLong),
    }
}

/// An `ETag` as the block list and headers compare it: events carry it bare or in quotes. One that no
/// service gives counts as none: the event is then as good as one without.
fn etag(text: &str) -> Option<String> {
    let bare = text.trim().trim_start_matches("W/").trim_matches('"');
    let is_etag = (1..=LONGEST_ETAG).contains(&bare.len()) && !bare.chars().any(char::is_control);
    is_etag.then(|| bare.to_owned())
}

/// A time as either schema writes it.
pub(super) fn time(text: &str) -> Option<OffsetDateTime> {
    OffsetDateTime::parse(text.trim(), &Rfc3339).ok()
}
