//! Which bytes to read, and whether the bytes before them are unchanged.
//!
//! Network Watcher inserts each minute's block before the closing `]}`, so the bytes before it never change
//! while a blob only grows. The first read starts a little before the checkpoint's offset: one answer brings
//! the new bytes and proves that the old ones are unchanged.

use crate::checkpoint::Progress;
use crate::flow_log::fingerprint::{FINGERPRINT_BYTES, Fingerprint};
use std::ops::Range;

/// Bytes of one ranged GET. Large beside a round trip, small beside the memory of the smallest instance.
///
/// More than 4 MiB, because storage computes no MD5 for longer ranges (REST reference, *Get Blob*). Azurite
/// always computes it up to that length and then takes three times as long for each byte.
pub const WINDOW: u64 = 5 << 20;

/// How many windows are being read or wait to be cut, so that storage always has a request. A third one
/// made runs no faster.
pub const AHEAD: usize = 2;

/// The range of the first read after `progress`: the bytes that the fingerprint covers, then up to `window` new
/// ones.
#[must_use]
pub fn first_read(progress: &Progress, window: u64) -> Range<u64> {
    let start = progress.offset.saturating_sub(FINGERPRINT_BYTES);
    start..progress.offset.saturating_add(window)
}

/// The ranges that cover `[from, to)` in order, each at most `window` long.
pub fn windows(from: u64, to: u64, window: u64) -> impl Iterator<Item = Range<u64>> {
    let mut at = from;
    std::iter::from_fn(move || {
        let start = at;
        at = start.saturating_add(window).min(to);
        (start < to).then_some(start..at)
    })
}

/// Whether a blob still begins with the bytes that were forwarded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Continuity {
    /// Yes. The new bytes start at this offset of the first read.
    Grown {
        /// How many old bytes to skip.
        skip: usize,
    },
    /// The blob is shorter than the checkpoint's offset.
    Shrunk,
    /// The bytes before the offset have changed.
    Altered,
}

/// How many of the first bytes that [`first_read`] brings the fingerprint covers: those before the offset, or
/// at offset 0 the beginning of the blob.
#[must_use]
pub fn covered(progress: &Progress) -> u64 {
    if progress.offset == 0 { FINGERPRINT_BYTES } else { progress.offset.min(FINGERPRINT_BYTES) }
}

/// The fingerprint at offset 0, over the first [`FINGERPRINT_BYTES`] of the blob. It detects a blob that was
/// deleted and created again after a run crashed in mid-send. `None` for a short blob: its end, which moves
/// when it grows, may be among those bytes.
#[must_use]
pub fn first_fingerprint(first: &[u8], blob_length: u64) -> Option<Fingerprint> {
    (first.len() as u64 == FINGERPRINT_BYTES && blob_length >= 2 * FINGERPRINT_BYTES)
        .then(|| Fingerprint::over(first))
}

/// Compares the answer to [`first_read`] with `progress`.
///
/// `old` are the answer's first [`covered`] bytes, fewer when the blob is shorter. `blob_length` is the length of
/// the version that was read, not the length that an event names: events come late.
#[must_use]
pub fn continuity(progress: &Progress, old: &[u8], blob_length: u64) -> Continuity {
    let before = usize::try_from(progress.offset.min(FINGERPRINT_BYTES)).unwrap_or(usize::MAX);
    if blob_length < progress.offset || old.len() < before {
        return Continuity::Shrunk;
    }
    match &progress.fingerprint {
        Some(fingerprint) if *fingerprint != Fingerprint::over(old) => Continuity::Altered,
        _ => Continuity::Grown { skip: before },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow_log::fingerprint::FingerprintTail;
    use proptest::prelude::*;

    /// [`FINGERPRINT_BYTES`], to count with.
    const COVERED: usize = 160;

    fn forwarded(content: &[u8], offset: usize) -> Progress {
        let fingerprint = FingerprintTail::behind(&content[..offset]).fingerprint();
        Progress { offset: offset as u64, fingerprint: Some(fingerprint), ..Progress::default() }
    }

    fn judged(progress: &Progress, now: &[u8]) -> Continuity {
        let start = usize::try_from(first_read(progress, 0).start).unwrap();
        let end = usize::try_from(progress.offset).unwrap();
        let old = &now[start.min(now.len())..end.min(now.len())];
        continuity(progress, old, now.len() as u64)
    }

    #[test]
    fn nothing_forwarded_means_reading_from_the_start() {
        let fresh = Progress::default();
        assert_eq!(first_read(&fresh, 100), 0..100);
        assert_eq!(continuity(&fresh, b"", 14), Continuity::Grown { skip: 0 });
    }

    #[test]
    fn at_offset_0_the_fingerprint_covers_the_beginning() {
        let content = [b'x'; 600];
        let fingerprint = first_fingerprint(&content[..COVERED], 600);
        let progress = Progress { fingerprint, ..Progress::default() };
        assert!(progress.fingerprint.is_some());
        assert_eq!(continuity(&progress, &content[..COVERED], 900), Continuity::Grown { skip: 0 });
        assert_eq!(continuity(&progress, &[b'y'; COVERED], 900), Continuity::Altered);
        assert_eq!(continuity(&progress, &content[..100], 100), Continuity::Altered);
        for (first, length) in [
            (&content[..COVERED], 2 * COVERED as u64 - 1),
            (&content[..COVERED - 1], 600),
            (&content[..14], 14),
        ] {
            assert_eq!(first_fingerprint(first, length), None, "{length}");
        }
    }

    #[test]
    fn windows_cover_a_range_without_gap_or_overlap() {
        assert_eq!(windows(10, 35, 10).collect::<Vec<_>>(), [10..20, 20..30, 30..35]);
        assert_eq!(windows(10, 10, 10).count(), 0);
        assert_eq!(windows(12, 10, 10).count(), 0);
    }

    proptest! {
        #[test]
        fn a_blob_that_only_grew_continues(
            old in proptest::collection::vec(any::<u8>(), 1..700),
            grown in proptest::collection::vec(any::<u8>(), 0..50),
            cut in any::<prop::sample::Index>(),
        ) {
            let offset = cut.index(old.len()) + 1;
            let progress = forwarded(&old, offset);
            let now = [&old[..offset], &grown].concat();
            let skip = offset.min(COVERED);
            prop_assert_eq!(judged(&progress, &now), Continuity::Grown { skip });
        }

        #[test]
        fn a_changed_byte_before_the_offset_is_noticed(
            old in proptest::collection::vec(any::<u8>(), 1..700),
            at in any::<prop::sample::Index>(), flip in 1u8..,
        ) {
            let progress = forwarded(&old, old.len());
            let mut now = old.clone();
            let start = old.len().saturating_sub(COVERED);
            now[start + at.index(old.len() - start)] ^= flip;
            prop_assert_eq!(judged(&progress, &now), Continuity::Altered);
        }

        #[test]
        fn a_shorter_blob_is_noticed(
            old in proptest::collection::vec(any::<u8>(), 1..700), at in any::<prop::sample::Index>(),
        ) {
            let progress = forwarded(&old, old.len());
            prop_assert_eq!(judged(&progress, &old[..at.index(old.len())]), Continuity::Shrunk);
        }
    }
}
