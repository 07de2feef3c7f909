//! Reads listings and ranges of rows page by page.

use crate::flow_log::Container;
use crate::ports::blobs::{BlobListing, Depth, ListError, Names, Page};
use crate::ports::checkpoints::{CheckpointTable, Continuation, Rows, StoreError, StoredRow};

/// The names below a prefix.
#[derive(Debug)]
pub(super) struct NamePages {
    prefix: String,
    depth: Depth,
    marker: Option<String>,
}

impl NamePages {
    pub(super) fn new(prefix: String, depth: Depth) -> Self {
        Self { prefix, depth, marker: None }
    }

    pub(super) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Whether the last page read has another one behind it.
    pub(super) fn has_more(&self) -> bool {
        self.marker.is_some()
    }

    /// Reads the next page, of at most `at_most` names. Not to be called after the last one.
    pub(super) async fn next(
        &mut self,
        listing: &impl BlobListing,
        container: &Container,
        at_most: u32,
    ) -> Result<Page, ListError> {
        let Self { prefix, depth, marker } = self;
        let names = Names { prefix, depth: *depth, marker: marker.as_deref(), at_most };
        let mut page = listing.list(container, names).await?;
        self.marker = page.next.take();
        Ok(page)
    }
}

/// The checkpoint rows in a range.
pub(super) struct RowPages<'t, T> {
    table: &'t T,
    rows: Rows,
    after: Option<Continuation>,
    ended: bool,
}

impl<'t, T: CheckpointTable> RowPages<'t, T> {
    pub(super) fn new(table: &'t T, rows: Rows) -> Self {
        Self { table, rows, after: None, ended: false }
    }

    /// Reads the next page, of at most `at_most` rows; none after the last one.
    pub(super) async fn next(&mut self, at_most: u32) -> Result<Option<Vec<StoredRow>>, StoreError> {
        if self.ended {
            return Ok(None);
        }
        let page = self.table.scan(&self.rows, self.after.as_ref(), at_most).await?;
        self.after = page.next;
        self.ended = self.after.is_none();
        Ok(Some(page.rows))
    }
}
