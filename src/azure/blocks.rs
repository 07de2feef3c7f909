//! Where the blocks of a blob begin: *Get Block List*.
//!
//! Source of the protocol: REST reference, *Get Block List*.

use super::answer::Cap;
use super::blob::Account;
use super::failure;
use crate::flow_log::FlowLogBlob;
use crate::ports::blobs::ReadError;
use azure_core::error::CheckSuccessOptions;
use azure_core::http::headers::HeaderName;
use azure_core::http::{Context, Method, PipelineSendOptions, Request, Url};
use azure_core::xml::from_xml;
use serde::Deserialize;

const API_VERSION: &str = "2022-11-02";
/// The most blocks that a blob can have. (REST reference, *Put Block List*.)
const MOST_BLOCKS: usize = 50_000;
/// A block takes about 140 bytes: its id has up to 88 characters.
const ANSWER: Cap = Cap { bytes: 16 << 20, what: "a block list" };

/// Neither part has a default: an answer that is something else must not be read as "no blocks".
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct BlockList {
    committed_blocks: Blocks,
}

#[derive(Deserialize)]
struct Blocks {
    #[serde(rename = "Block", default)]
    blocks: Vec<Block>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Block {
    size: u64,
}

impl Account {
    /// Where the committed blocks of the version `etag` of `blob` begin.
    pub(super) async fn blocks(&self, blob: &FlowLogBlob, etag: &str) -> Result<Vec<u64>, ReadError> {
        let failed = |reason: String| ReadError::NoBlockList { reason };
        let url = Url::parse(&format!("{}?comp=blocklist&blocklisttype=committed", blob.url()));
        let url = url.map_err(|error| failed(error.to_string()))?;
        let mut request = Request::new(url, Method::Get);
        request.insert_header("accept", "application/xml");
        request.insert_header("x-ms-version", API_VERSION);
        let options = PipelineSendOptions {
            check_success: CheckSuccessOptions { success_codes: &[200] },
            ..PipelineSendOptions::default()
        };
        let context = Context::new().with_value(ANSWER);
        let sent = self.pipeline.send(&context, &mut request, Some(options)).await;
        let answer = sent.map_err(|error| match failure::status(&error) {
            Some(404) => ReadError::NotFound,
            _ => failed(self.told(blob.container(), &error)),
        })?;
        // The operation takes no If-Match.
        let current = answer.headers().get_optional_string(&HeaderName::from_static("etag"));
        let current = current.ok_or_else(|| failed("the answer names no ETag".to_owned()))?;
        if current.trim_matches('"') != etag {
            return Err(ReadError::Changed);
        }
        starts(answer.body()).map_err(failed)
    }
}

/// Where the blocks begin that the answer's body lists.
pub(super) fn starts(body: &[u8]) -> Result<Vec<u64>, String> {
    // The error's own text repeats the whole answer.
    let answer: BlockList =
        from_xml(body).map_err(|_| "the answer is not the XML of a block list".to_owned())?;
    let blocks = answer.committed_blocks.blocks;
    if blocks.len() > MOST_BLOCKS {
        return Err(format!("the answer lists {} blocks; a blob has at most {MOST_BLOCKS}", blocks.len()));
    }
    let mut at = 0_u64;
    let mut starts = Vec::with_capacity(blocks.len());
    for Block { size } in blocks {
        starts.push(at);
        at = at.checked_add(size).ok_or_else(|| "the blocks' sizes have no sum".to_owned())?;
    }
    Ok(starts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(blocks: &str) -> String {
        format!(
            "\u{feff}<?xml version=\"1.0\" encoding=\"utf-8\"?><BlockList><CommittedBlocks>{blocks}\
             </CommittedBlocks></BlockList>"
        )
    }

    fn block(size: u64) -> String {
        format!("<Block><Name>MDAwMQ==</Name><Size>{size}</Size></Block>")
    }

    #[test]
    fn blocks_begin_where_those_before_them_end() {
        let body = list(&[12, 0, 300, 2].map(block).concat());
        assert_eq!(starts(body.as_bytes()), Ok(vec![0, 12, 12, 312]));
        assert_eq!(starts(list("").as_bytes()), Ok(Vec::new()));
        assert_eq!(starts(b"<BlockList><CommittedBlocks /></BlockList>"), Ok(Vec::new()));
    }

    #[test]
    fn what_is_no_block_list_or_too_much_of_one_is_an_error() {
        for body in ["", "<html>proxy</html>", "<BlockList/>", &list("<Block><Name>x</Name></Block>")] {
            assert!(starts(body.as_bytes()).is_err(), "{body}");
        }
        assert!(starts(list(&[u64::MAX, 1].map(block).concat()).as_bytes()).is_err());
        assert!(starts(list(&block(1).repeat(MOST_BLOCKS)).as_bytes()).is_ok());
        assert!(starts(list(&block(1).repeat(MOST_BLOCKS + 1)).as_bytes()).is_err());
    }
}
