//! Where the blocks of a blob begin.
//!
//! Protocol: REST reference, *Get Block List*.

use super::account::Account;
use crate::azure::http::{BodyLimit, status};
use crate::flow_log::FlowLogBlob;
use crate::ports::blobs::ReadError;
use azure_core::http::Url;
use azure_core::http::headers::HeaderName;
use azure_core::xml::from_xml;
use serde::Deserialize;

/// The most blocks that a blob can have. (REST reference, *Put Block List*.)
const MAX_BLOCKS: usize = 50_000;
/// A block takes about 140 bytes: its id has up to 88 characters.
const ANSWER_LIMIT: BodyLimit = BodyLimit { bytes: 16 << 20, what: "a block list" };

/// No field has a default: any other XML must be an error, not "no blocks".
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
    /// The offsets at which the committed blocks of version `etag` of `blob` begin.
    pub(super) async fn blocks(&self, blob: &FlowLogBlob, etag: &str) -> Result<Vec<u64>, ReadError> {
        let failed = |reason: String| ReadError::NoBlockList { reason };
        let url = Url::parse(&format!("{}?comp=blocklist&blocklisttype=committed", blob.url()));
        let url = url.map_err(|error| failed(error.to_string()))?;
        let answer = self.get_xml(url, ANSWER_LIMIT).await.map_err(|error| match status(&error) {
            Some(404) => ReadError::NotFound,
            _ => failed(self.describe(blob.container(), &error)),
        })?;
        // The operation does not support If-Match.
        let current = answer.headers().get_optional_string(&HeaderName::from_static("etag"));
        let current = current.ok_or_else(|| failed("the answer has no ETag".to_owned()))?;
        if current.trim_matches('"') != etag {
            return Err(ReadError::Changed);
        }
        block_starts(answer.body()).map_err(failed)
    }
}

/// The offsets of the blocks that `body` lists.
pub(crate) fn block_starts(body: &[u8]) -> Result<Vec<u64>, String> {
    // The parser's error is left out: it repeats the whole answer.
    let answer: BlockList =
        from_xml(body).map_err(|_| "the answer is not the XML of a block list".to_owned())?;
    let blocks = answer.committed_blocks.blocks;
    if blocks.len() > MAX_BLOCKS {
        return Err(format!("the answer lists {} blocks; a blob has at most {MAX_BLOCKS}", blocks.len()));
    }
    let mut offset = 0_u64;
    let mut starts = Vec::with_capacity(blocks.len());
    for Block { size } in blocks {
        starts.push(offset);
        offset = offset.checked_add(size).ok_or_else(|| "the sum of the block sizes overflows".to_owned())?;
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
    fn each_block_begins_where_the_one_before_ends() {
        let body = list(&[12, 0, 300, 2].map(block).concat());
        assert_eq!(block_starts(body.as_bytes()), Ok(vec![0, 12, 12, 312]));
        assert_eq!(block_starts(list("").as_bytes()), Ok(Vec::new()));
        assert_eq!(block_starts(b"<BlockList><CommittedBlocks /></BlockList>"), Ok(Vec::new()));
    }

    #[test]
    fn other_xml_or_too_many_blocks_are_an_error() {
        for body in ["", "<html>proxy</html>", "<BlockList/>", &list("<Block><Name>x</Name></Block>")] {
            assert!(block_starts(body.as_bytes()).is_err(), "{body}");
        }
        assert!(block_starts(list(&[u64::MAX, 1].map(block).concat()).as_bytes()).is_err());
        assert!(block_starts(list(&block(1).repeat(MAX_BLOCKS)).as_bytes()).is_ok());
        assert!(block_starts(list(&block(1).repeat(MAX_BLOCKS + 1)).as_bytes()).is_err());
    }
}
