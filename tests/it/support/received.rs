//! What a consumer of the hub sees.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flowlog_forwarder::message::Batch;
use serde_json::Value;
use std::ops::Range;

/// One message as a consumer sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    pub id: String,
    pub source: String,
    pub etag: String,
    pub range: Range<u64>,
    pub partition_key: Option<String>,
    pub body: Vec<u8>,
}

impl Received {
    /// A message as the rig's control API shows it.
    pub fn from_rig(event: &Value) -> Self {
        let properties = &event["applicationProperties"];
        assert_eq!(event["contentType"], "application/json");
        Self {
            id: event["messageId"].as_str().unwrap().to_owned(),
            source: properties["source"].as_str().unwrap().to_owned(),
            etag: properties["etag"].as_str().unwrap().to_owned(),
            range: properties["offset-start"].as_u64().unwrap()..properties["offset-end"].as_u64().unwrap(),
            partition_key: event["partitionKey"].as_str().map(ToOwned::to_owned),
            body: STANDARD.decode(event["body"].as_str().unwrap()).unwrap(),
        }
    }
}

/// What a consumer sees of `batch`.
pub fn received(batch: &Batch) -> Vec<Received> {
    let origin = &batch.origin;
    let messages = batch.messages.iter().map(|message| Received {
        id: format!("{}-{}-{}", origin.id_prefix, message.range.start, message.range.end),
        source: origin.source.clone(),
        etag: origin.etag.clone(),
        range: message.range.clone(),
        partition_key: origin.partition_key.clone(),
        body: message.body.to_bytes().to_vec(),
    });
    messages.collect()
}
