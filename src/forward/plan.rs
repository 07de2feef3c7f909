//! Which bytes to read, and whether they still follow what was forwarded.
//!
//! Network Watcher puts each minute's block in front of the closing `]}`, so everything before the
//! closer stays as it was while a blob only grows. The first read therefore begins a little before
//! the checkpoint's offset: the same answer that brings the new bytes proves that the old ones are
//! still in place.

use crate::checkpoint::Progress;
use crate::flow_log::fingerprint::{FINGERPRINT_BYTES, Fingerprint};
use std::ops::Range;

/// How many bytes one ranged GET asks for. Large enough that a round trip is small beside the transfer,
/// small enough that a few windows in memory stay far below the smallest instance.
///
/// And more than 4 MiB: the service can't be asked for the MD5 of more (REST reference, *Get Blob*), and
/// Azurite, which computes it unasked, takes three times as long for each byte up to there.
pub const WINDOW: u64 = 5 << 20;

/// How many windows are on their way, or wait to be cut: storage has its next request before it has
/// answered the last. A third one made a run no faster, and larger by a window.
pub const AHEAD: usize = 2;

/// The range of the first read after `progress`: the guarded bytes, then up to `window` new ones.
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

/// Whether a blob still begins with what was forwarded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Continuity {
    /// Yes: the new bytes begin this far into the first read.
    Grown {
        /// How many guarded bytes to skip.
        skip: usize,
    },
    /// The blob is shorter than what was forwarded of it.
    Shrunk,
    /// The bytes before the offset are others than those that were forwarded.
    Altered,
}

/// How many of the first bytes that [`first_read`] brings are guarded: those before the offset, or, of
/// a blob of which nothing was accepted, its beginning.
#[must_use]
pub fn guarded(progress: &Progress) -> u64 {
    if progress.offset == 0 { FINGERPRINT_BYTES } else { progress.offset.min(FINGERPRINT_BYTES) }
}

/// The fingerprint of a blob of which nothing was accepted, over its first [`FINGERPRINT_BYTES`]; with it, one that is
/// created anew is told from the one of which a run that died had sent something. None for a blob so
/// short that its end, which moves when it grows, may be among those bytes.
#[must_use]
pub fn first_guard(first: &[u8], blob_length: u64) -> Option<Fingerprint> {
    (first.len() as u64 == FINGERPRINT_BYTES && blob_length >= 2 * FINGERPRINT_BYTES)
        .then(|| Fingerprint::over(first))
}

/// Compares the answer to [`first_read`] with `progress`.
///
/// `guarded` are the answer's first [`guarded`] bytes (fewer when the blob ended);
/// `blob_length` is the length of the version that was read: of the blob as it is now, never the
/// length that an event named, for events come late.
#[must_use]
pub fn continuity(progress: &Progress, guarded: &[u8], blob_length: u64) -> Continuity {
    let before = usize::try_from(progress.offset.min(FINGERPRINT_BYTES)).unwrap_or(usize::MAX);
    if blob_length < progress.offset || guarded.len() < before {
        return Continuity::Shrunk;
    }
    match &progress.fingerprint {
        Some(fingerprint) if *fingerprint != Fingerprint::over(guarded) => Continuity::Altered,
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
        let guarded = &now[start.min(now.len())..end.min(now.len())];
        continuity(progress, guarded, now.len() as u64)
    }

    #[test]
    fn nothing_forwarded_means_reading_from_the_start() {
        let fresh = Progress::default();
        assert_eq!(first_read(&fresh, 100), 0..100);
        assert_eq!(continuity(&fresh, b"", 14), Continuity::Grown { skip: 0 });
    }

    #[test]
    fn a_blob_of_which_nothing_was_accepted_is_known_by_its_beginning() {
        let content = [b'x'; 600];
        let fingerprint = first_guard(&content[..COVERED], 600);
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
            assert_eq!(first_guard(first, length), None, "{length}");
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
