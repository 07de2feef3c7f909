//! Entry points of the fuzz targets: see `crate::fuzzing`.
#![allow(clippy::unwrap_used)]

use super::event_hubs::wire::frame_check::{FrameCheck, MAX_DEPTH, MAX_FRAME_BYTES};
use super::storage::block_list::block_starts;
use super::storage::listing::read_page;
use super::storage::table::entity::Entity;
use super::storage::table::page::read_rows;

/// Reads any bytes as a page of names and as a block list.
///
/// # Panics
/// When the result holds more than the answer.
pub fn listing(data: &[u8]) {
    if let Ok(page) = read_page(data) {
        let names = page.blobs.iter().map(|blob| blob.name.len() + blob.etag.len());
        let held = names.chain(page.folders.iter().map(String::len)).sum::<usize>();
        assert!(held + page.next.map_or(0, |next| next.len()) <= data.len());
    }
    if let Ok(starts) = block_starts(data) {
        assert!(starts.len() <= data.len() / b"<Size>0</Size>".len() && starts.is_sorted());
    }
}

/// Reads any bytes as a page of rows and as one row.
///
/// # Panics
/// When a row changes by writing and reading it again.
pub fn table_rows(data: &[u8]) {
    let rows = read_rows(data).unwrap_or_default();
    assert!(rows.len() <= 1_000);
    for stored in rows.into_iter().flatten() {
        let written = Entity::encode(&stored.key, &stored.row).unwrap();
        assert_eq!(Entity::decode(&written).unwrap(), stored.row);
    }
    let _ = Entity::decode(data);
}

/// Checks any bytes as an answer of a hub to `put-token`. The first byte is the length of the pieces in which the
/// others arrive.
///
/// # Panics
/// When a frame passes the check that a recursive reader, as in `fe2o3-amqp`, would read deeper than allowed.
pub fn put_token_answer(data: &[u8]) {
    let Some((piece, body)) = data.split_first() else { return };
    let _ = push_in_pieces(body, usize::from(*piece).max(1));
    let length = u32::try_from(body.len() + 8).unwrap();
    let frame = [&length.to_be_bytes()[..], &[2, 0, 0, 0], body].concat();
    if let Some(passed) = push_in_pieces(&frame, usize::from(*piece).max(1)) {
        assert_eq!(passed, frame);
        assert!(length <= MAX_FRAME_BYTES);
        let mut rest = body;
        while !rest.is_empty() {
            rest = &rest[whole_value(rest, None, MAX_DEPTH)..];
        }
    }
}

fn push_in_pieces(bytes: &[u8], piece: usize) -> Option<Vec<u8>> {
    let (mut check, mut passed) = (FrameCheck::default(), Vec::new());
    for piece in bytes.chunks(piece) {
        check.push(piece).ok()?;
        passed.extend_from_slice(check.take(usize::MAX));
    }
    Some(passed)
}

/// The length of the value at the start of `bytes`, read by recursion of at most `levels`. Trusts counts, and
/// ignores the sizes of compound values.
fn whole_value(bytes: &[u8], constructor: Option<u8>, levels: usize) -> usize {
    let number = |at: usize| u32::from_be_bytes(*bytes[at..].first_chunk().unwrap()) as usize;
    let start = usize::from(constructor.is_none());
    let code = constructor.unwrap_or_else(|| bytes[0]);
    let inner = |from: usize, count: usize, constructor: Option<u8>| {
        let deeper = levels.checked_sub(1).unwrap();
        (0..count).fold(from, |at, _| at + whole_value(&bytes[at..], constructor, deeper))
    };
    match code {
        0x00 => inner(start, 2, None),
        0xC0 | 0xC1 => inner(start + 2, usize::from(bytes[start + 1]), None),
        0xD0 | 0xD1 => inner(start + 8, number(start + 4), None),
        // An empty array may omit its constructor.
        0xE0 if bytes[start..start + 2] == [1, 0] => start + 2,
        0xF0 if (number(start), number(start + 4)) == (4, 0) => start + 8,
        0xE0 => inner(start + 3, usize::from(bytes[start + 1]), Some(bytes[start + 2])),
        0xF0 => inner(start + 9, number(start + 4), Some(bytes[start + 8])),
        0xA0..=0xAF => start + 1 + usize::from(bytes[start]),
        0xB0..=0xBF => start + 4 + number(start),
        _ => start + [0, 1, 2, 4, 8, 16][usize::from(code >> 4) - 4],
    }
}
