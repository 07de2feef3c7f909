//! The members of one event, shortened while they are read, and the commit that they describe.

use super::commit::{Commit, Ignored, LONGEST_ETAG, shorten};
use super::shape::{Any, Shape, read_text};
use crate::flow_log::LONGEST_URL;
use serde::Deserialize;
use serde::de::{Error, IgnoredAny, MapAccess};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// The only event type that reports content.
pub(super) const BLOB_CREATED: &str = "Microsoft.Storage.BlobCreated";

/// The API calls that raise the event without giving the blob content.
pub(super) const NO_CONTENT: [&str; 4] = ["CreateDirectory", "DeleteBlob", "DeleteDirectory", "DeleteFile"];

/// An event in Event Grid's schema or `CloudEvents` 1.0. The former has `eventType` and `eventTime`, the latter
/// `type` and `time`; all other names are the same. All members are optional.
#[derive(Debug, Default)]
pub(super) struct Fields {
    pub(super) id: String,
    pub(super) kind: String,
    pub(super) time: Option<OffsetDateTime>,
    pub(super) data: Data,
}

/// The part that Blob storage defines.
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
    Complete(String),
    /// Longer than [`LONGEST_URL`], and not kept.
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
    /// Reads the members of an event. The inner error concerns this event alone; the JSON around it can still
    /// be read.
    pub(super) fn read<'de, A: MapAccess<'de>>(mut members: A) -> Result<Result<Self, Ignored>, A::Error> {
        let (mut fields, mut error) = (Self::default(), None);
        while let Some(member) = members.next_key()? {
            let result = match member {
                EventMember::Id => {
                    text(&mut members, "id", shorten)?.map(|id| fields.id = id.unwrap_or_default())
                }
                EventMember::Type => {
                    text(&mut members, "type", shorten)?.map(|kind| fields.kind = kind.unwrap_or_default())
                }
                EventMember::Time => {
                    text(&mut members, "time", time)?.map(|time| fields.time = time.flatten())
                }
                EventMember::Data => members.next_value_seed(Any(DataShape))?.map(|data| fields.data = data),
                EventMember::Other => members.next_value::<IgnoredAny>().map(|_| Ok(()))?,
            };
            error = error.or(result.err());
        }
        Ok(error.map_or(Ok(fields), Err))
    }

    /// The commit that the event reports.
    pub(super) fn into_commit(self) -> Result<Commit, Ignored> {
        let Self { id, kind, time, data } = self;
        if kind != BLOB_CREATED {
            return Err(Ignored::OtherType(kind));
        }
        if let Some(api) = data.api.as_deref().filter(|api| NO_CONTENT.contains(api)) {
            return Err(Ignored::NoContent(api.to_owned()));
        }
        // On accounts with a hierarchical namespace a file is created empty, and flushed with content later.
        if let (Some("CreateFile"), Some(0)) = (data.api.as_deref(), data.length) {
            return Err(Ignored::NoContent("CreateFile".to_owned()));
        }
        let url = match data.url {
            Some(Address::Complete(url)) => url,
            Some(Address::TooLong) => return Err(Ignored::LongUrl),
            None => return Err(Ignored::NoUrl),
        };
        Ok(Commit { id, url, etag: data.etag, length: data.length, api: data.api, time })
    }
}

impl Data {
    fn read<'de, A: MapAccess<'de>>(mut members: A) -> Result<Result<Self, Ignored>, A::Error> {
        let (mut data, mut error) = (Self::default(), None);
        while let Some(member) = members.next_key()? {
            let result = match member {
                DataMember::Api => text(&mut members, "data.api", shorten)?.map(|api| data.api = api),
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
            error = error.or(result.err());
        }
        Ok(error.map_or(Ok(data), Err))
    }
}

/// The next value, converted by `keep`. It must be a string or `null`.
fn text<'de, A: MapAccess<'de>, T>(
    members: &mut A,
    name: &'static str,
    keep: impl FnOnce(&str) -> T,
) -> Result<Result<Option<T>, Ignored>, A::Error> {
    members.next_value_seed(Any(Text { name, keep }))
}

/// A string that is converted by `keep`.
struct Text<K> {
    name: &'static str,
    keep: K,
}

impl<T, K: FnOnce(&str) -> T> Shape<'_> for Text<K> {
    type Output = Result<Option<T>, Ignored>;

    fn other<E: Error>(self) -> Result<Self::Output, E> {
        Ok(Err(Ignored::NotAnEvent(format!("its {} is not a string", self.name))))
    }

    fn text<E: Error>(self, text: &str) -> Result<Self::Output, E> {
        Ok(Ok(Some((self.keep)(text))))
    }

    fn null<E: Error>(self) -> Result<Self::Output, E> {
        Ok(Ok(None))
    }
}

/// An event's `data`: an object, or a string with the object. Anything else is read as no data.
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
        Ok(read_text(text, ObjectInText).unwrap_or_else(|_| Ok(Data::default())))
    }
}

/// The same inside a string, where another string is read as no data.
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

/// A number, or a string with a number. Anything else is read as none.
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
        1..=LONGEST_URL => Some(Address::Complete(url.to_owned())),
        _ => Some(Address::TooLong),
    }
}

/// An `ETag` without quotes, as it compares with those of block lists and headers. Events have it with or
/// without quotes. An invalid one is read as none.
fn etag(text: &str) -> Option<String> {
    let bare = text.trim().trim_start_matches("W/").trim_matches('"');
    let is_etag = (1..=LONGEST_ETAG).contains(&bare.len()) && !bare.chars().any(char::is_control);
    is_etag.then(|| bare.to_owned())
}

/// A time, in the format of both schemas.
pub(super) fn time(text: &str) -> Option<OffsetDateTime> {
    OffsetDateTime::parse(text.trim(), &Rfc3339).ok()
}
