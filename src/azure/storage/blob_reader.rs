//! Ranged reads of flow-log blobs.

use super::account::Account;
use super::client::{StorageSetupError, one_request};
use crate::azure::http::status;
use crate::config::StorageAccount;
use crate::flow_log::FlowLogBlob;
use crate::flow_log::rope::Rope;
use crate::ports::blobs::{BlobReader, Chunk, Condition, ReadError};
use azure_core::Bytes;
use azure_core::http::{Etag, Url};
use futures_util::TryStreamExt;
use std::ops::Range;

/// Pieces of an answer below this length are copied together: each keeps alive the whole buffer in which it
/// arrived.
const SHORT_PIECE: usize = 4 << 10;
/// How long pieces become that are copied together.
const JOINED_PIECE: usize = 64 << 10;

/// Reads blobs of the configured storage accounts only, so that a token or key is never sent to another account.
pub struct AzureBlobs {
    accounts: Vec<Account>,
}

impl AzureBlobs {
    /// Clients for `accounts`, over one connection pool. Sends nothing yet.
    ///
    /// # Errors
    /// When a key or an identity can't be used.
    pub fn new(accounts: &[StorageAccount], http: &reqwest::Client) -> Result<Self, StorageSetupError> {
        let accounts = accounts.iter().map(|account| Account::new(account, http));
        Ok(Self { accounts: accounts.collect::<Result<_, _>>()? })
    }

    /// The account at `url`; an error text when it is not configured.
    pub(super) fn account(&self, url: &Url) -> Result<&Account, String> {
        let account = self.accounts.iter().find(|account| account.url == *url);
        account.ok_or_else(|| format!("storage account {url} is not in FLOWLOG_STORAGE"))
    }
}

impl BlobReader for AzureBlobs {
    async fn read(
        &self,
        blob: &FlowLogBlob,
        range: Range<u64>,
        condition: Condition<'_>,
    ) -> Result<Chunk, ReadError> {
        let failed = |reason: String| ReadError::Failed { range: range.clone(), reason };
        let account = self.account(blob.account()).map_err(failed)?;
        let client = account.client.blob_client(blob.container(), blob.name());
        let mut options = one_request(&range);
        match condition {
            Condition::None => {}
            Condition::IfMatch(etag) => options.if_match = Some(quoted(etag)),
            Condition::IfNoneMatch(etag) => options.if_none_match = Some(quoted(etag)),
        }
        let answer = client.download(Some(options)).await.map_err(|error| match status(&error) {
            Some(304) => ReadError::Unchanged,
            Some(404) => ReadError::NotFound,
            Some(412) => ReadError::Changed,
            Some(416) => ReadError::PastEnd,
            _ => failed(account.describe(blob.container(), &error)),
        })?;
        let blob_length = answer
            .headers
            .get_optional_str(&"content-range".into())
            .and_then(|header| header.rsplit_once('/')?.1.parse().ok())
            .or(answer.properties.content_length)
            .ok_or_else(|| failed("the answer has no length".to_owned()))?;
        if range.start >= blob_length && blob_length > 0 {
            // Azure answers 416; Azurite sends an empty range when it starts exactly at the end.
            return Err(ReadError::PastEnd);
        }
        let etag = answer.properties.etag.ok_or_else(|| failed("the answer has no ETag".to_owned()))?;
        let pieces = answer.body.try_fold(PieceJoiner::default(), |mut pieces, piece| async move {
            pieces.push(piece);
            Ok(pieces)
        });
        let bytes =
            pieces.await.map_err(|error| failed(account.describe(blob.container(), &error)))?.finish();
        let expected = blob_length.min(range.end).saturating_sub(range.start);
        if bytes.len() as u64 != expected {
            return Err(failed(format!("the answer has {} bytes instead of {expected}", bytes.len())));
        }
        Ok(Chunk { bytes, blob_length, etag: etag.as_ref().trim_matches('"').to_owned() })
    }

    async fn blocks(&self, blob: &FlowLogBlob, etag: &str) -> Result<Vec<u64>, ReadError> {
        let account = self.account(blob.account()).map_err(|reason| ReadError::NoBlockList { reason })?;
        account.blocks(blob, etag).await
    }
}

/// Collects the bytes of an answer and joins short pieces.
#[derive(Default)]
struct PieceJoiner {
    whole: Rope,
    short: Vec<u8>,
}

impl PieceJoiner {
    fn push(&mut self, piece: Bytes) {
        if piece.len() < SHORT_PIECE {
            self.short.extend_from_slice(&piece);
            if self.short.len() >= JOINED_PIECE {
                self.join();
            }
        } else {
            self.join();
            self.whole.push(piece);
        }
    }

    fn join(&mut self) {
        self.whole.push(std::mem::take(&mut self.short).into());
    }

    fn finish(mut self) -> Rope {
        self.join();
        self.whole
    }
}

fn quoted(etag: &str) -> Etag {
    format!("\"{etag}\"").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_pieces_are_joined() {
        let mut joiner = PieceJoiner::default();
        let mut expected = Vec::new();
        for number in 0..200_000_u32 {
            let size = if number % 50_000 == 7 { SHORT_PIECE } else { 1 };
            let piece = vec![number.to_le_bytes()[0]; size];
            expected.extend_from_slice(&piece);
            joiner.push(piece.into());
        }
        let whole = joiner.finish();
        assert_eq!(whole.to_bytes(), expected);
        assert!(whole.pieces().count() < 20, "{}", whole.pieces().count());
    }
}
