//! What the fuzz targets call of this module: see `crate::fuzzing`.
#![allow(clippy::unwrap_used)]

use super::entity::Entity;
use super::event_hubs::guard::{DEEPEST, Guard, LONGEST_FRAME};
use super::{blocks, listing};

/// A page of names, or a block list, is read from any answer or refused, and holds no more than the answer
/// does.
///
/// # Panics
/// When that is not so.
pub fn listing(data: &[u8]) {
    if let Ok(page) = listing::page(data) {
        let names = page.blobs.iter().map(|blob| blob.name.len() + blob.etag.len());
        let held = names.chain(page.folders.iter().map(String::len)).sum::<usize>();
        assert!(held + page.next.map_or(0, |next| next.len()) <= data.len());
    }
    if let Ok(starts) = blocks::starts(data) {
        assert!(starts.len() <= data.len() / b"<Size>0</Size>".len() && starts.is_sorted());
    }
}

/// Rows are read from any answer or refused; what was read can be written and read again.
///
/// # Panics
/// When that is not so.
pub fn table_rows(data: &[u8]) {
    let rows = Entity::decode_all(data).unwrap_or_default();
    assert!(rows.len() <= 1_000);
    for stored in rows.into_iter().flatten() {
        let written = Entity::encode(&stored.key, &stored.row).unwrap();
        assert_eq!(Entity::decode(&written).unwrap(), stored.row);
    }
    let _ = Entity::decode(data);
}

/// Any bytes as what a hub answers to `put-token`. What the guard lets through is flat: reading it as
/// `fe2o3-amqp` does never goes deeper than the guard says. The first byte tells how the bytes arrive.
///
/// # Panics
/// When that is not so.
pub fn put_token_answer(data: &[u8]) {
    let Some((piece, body)) = data.split_first() else { return };
    let _ = add_in_pieces(body, usize::from(*piece).max(1));
    let length = u32::try_from(body.len() + 8).unwrap();
    let frame = [&length.to_be_bytes()[..], &[2, 0, 0, 0], body].concat();
    if let Some(passed) = add_in_pieces(&frame, usize::from(*piece).max(1)) {
        assert_eq!(passed, frame);
        assert!(length <= LONGEST_FRAME);
        let mut rest = body;
        while !rest.is_empty() {
            rest = &rest[whole_value(rest, None, DEEPEST)..];
        }
    }
}

fn add_in_pieces(bytes: &[u8], piece: usize) -> Option<Vec<u8>> {
    let (mut guard, mut passed) = (Guard::default(), Vec::new());
    for piece in bytes.chunks(piece) {
        guard.add(piece).ok()?;
        passed.extend_from_slice(guard.take(usize::MAX));
    }
    Some(passed)
}

/// The length of the value that `bytes` begin with, read by recursion, which may go `levels` deep. Takes the
/// counts at their word and never the sizes of what holds others.
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
        // An array may have its constructor only where it has elements.
        0xE0 if bytes[start..start + 2] == [1, 0] => start + 2,
        0xF0 if (number(start), number(start + 4)) == (4, 0) => start + 8,
        0xE0 => inner(start + 3, usize::from(bytes[start + 1]), Some(bytes[start + 2])),
        0xF0 => inner(start + 9, number(start + 4), Some(bytes[start + 8])),
        0xA0..=0xAF => start + 1 + usize::from(bytes[start]),
        0xB0..=0xBF => start + 4 + number(start),
        _ => start + [0, 1, 2, 4, 8, 16][usize::from(code >> 4) - 4],
    }
}
