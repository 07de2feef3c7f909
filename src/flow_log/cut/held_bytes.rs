//! Holds the bytes of the blob that were pushed, until they are released or discarded.

use super::error::NotHeld;
use super::record::is_wide;
use crate::flow_log::fingerprint::FINGERPRINT_BYTES;
use crate::flow_log::rope::Rope;
use bytes::{Buf, Bytes};
use std::collections::VecDeque;
use std::ops::Range;

/// How much memory a held byte may keep allocated, bytes. A view keeps its whole buffer allocated, so a view
/// of less than one sixth of its buffer is copied instead. A full message is about a fifth of a read window,
/// so in most blobs only the ends of windows are copied.
pub(crate) const MAX_PIN_RATIO: usize = 6;

/// A view of a buffer that was pushed, or a copy of a part of it.
#[derive(Clone, Debug)]
struct Piece {
    /// Blob offset of its first byte.
    start: u64,
    bytes: Bytes,
    /// The length of its whole buffer, bytes.
    buffer: usize,
}

impl Piece {
    fn end(&self) -> u64 {
        self.start + self.bytes.len() as u64
    }

    /// The part of it in `range`, which must overlap it.
    fn part(&self, range: &Range<u64>) -> Self {
        let start = range.start.max(self.start);
        // Within the piece, so it fits.
        let place = |offset: u64| usize::try_from(offset - self.start).unwrap_or(usize::MAX);
        let bytes = self.bytes.slice(place(start)..place(range.end.clamp(start, self.end())));
        if bytes.len() * MAX_PIN_RATIO >= self.buffer {
            return Self { start, bytes, buffer: self.buffer };
        }
        Self { start, buffer: bytes.len(), bytes: Bytes::copy_from_slice(&bytes) }
    }
}

/// Pieces of the blob, in order and disjoint.
#[derive(Clone, Debug)]
pub(crate) struct HeldBytes {
    pieces: VecDeque<Piece>,
    /// All bytes before this blob offset have been released.
    from: u64,
    /// The blob offset after the last byte pushed.
    end: u64,
}

impl HeldBytes {
    /// Holds nothing; the first byte pushed will be the one at blob offset `start`.
    pub(crate) fn new(start: u64) -> Self {
        Self { pieces: VecDeque::new(), from: start, end: start }
    }

    /// The blob offset after the last byte pushed.
    pub(crate) fn end(&self) -> u64 {
        self.end
    }

    /// Takes the blob's next bytes.
    pub(crate) fn push(&mut self, bytes: Bytes) {
        let (start, buffer) = (self.end, bytes.len());
        self.end += buffer as u64;
        self.pieces.push_back(Piece { start, bytes, buffer });
    }

    /// Releases the bytes before blob offset `before`, as far as they have been pushed.
    pub(crate) fn release(&mut self, before: u64) {
        self.from = self.from.max(before.min(self.end));
        while let Some(first) = self.pieces.front_mut() {
            if first.end() > self.from {
                // Only this piece may exceed MAX_PIN_RATIO, until the next release.
                first.bytes.advance(usize::try_from(self.from.saturating_sub(first.start)).unwrap_or(0));
                first.start = first.start.max(self.from);
                return;
            }
            self.pieces.pop_front();
        }
    }

    /// Discards a wide `gap`, except for the bytes that the fingerprint of the next record's end may cover.
    pub(crate) fn discard_gap(&mut self, gap: Range<u64>) {
        if is_wide(&gap) {
            self.discard(gap.start..gap.end - FINGERPRINT_BYTES);
        }
    }

    /// Discards the bytes of `range` and keeps those before and after it.
    fn discard(&mut self, range: Range<u64>) {
        let first = self.pieces.partition_point(|piece| piece.end() <= range.start);
        let next = self.pieces.partition_point(|piece| piece.start < range.end);
        if range.is_empty() || first >= next {
            return;
        }
        let overlapping: Vec<Piece> = self.pieces.drain(first..next).collect();
        let before = overlapping.first().filter(|piece| piece.start < range.start);
        let after = overlapping.last().filter(|piece| piece.end() > range.end);
        let rest = [
            before.map(|piece| piece.part(&(piece.start..range.start))),
            after.map(|piece| piece.part(&(range.end..piece.end()))),
        ];
        for piece in rest.into_iter().flatten().rev() {
            self.pieces.insert(first, piece);
        }
    }

    /// The bytes of `range`: views of the pieces, or copies where a view would exceed [`MAX_PIN_RATIO`].
    ///
    /// # Errors
    /// When some of the bytes were not pushed yet, or were released or discarded.
    pub(crate) fn slice(&self, range: Range<u64>) -> Result<Rope, NotHeld> {
        let mut rope = Rope::default();
        let mut at = range.start;
        let first = self.pieces.partition_point(|piece| piece.end() <= range.start);
        for piece in self.pieces.range(first..) {
            if piece.start > at || at >= range.end {
                break;
            }
            let part = piece.part(&(at..range.end));
            at = part.end();
            rope.push(part.bytes);
        }
        if at == range.end && (self.from..=self.end).contains(&at) {
            return Ok(rope);
        }
        Err(NotHeld { requested: range, held: self.from..self.end })
    }

    /// How many bytes are held.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn len(&self) -> usize {
        self.pieces.iter().map(|piece| piece.bytes.len()).sum()
    }

    /// How many bytes of memory the pieces keep allocated at most.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn memory(&self) -> usize {
        self.pieces.iter().map(|piece| piece.buffer).sum()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use proptest::prelude::*;

    const START: u64 = 1000;

    /// The offset `place` bytes after the start.
    fn offset(place: usize) -> u64 {
        START + place as u64
    }

    proptest! {
        #[test]
        fn bytes_are_held_until_discarded_within_a_memory_bound(
            chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..40), 1..8),
            acts in prop::collection::vec((any::<bool>(), 0usize..300, 0usize..80), 0..8),
            asked in prop::collection::vec((0usize..300, 0usize..80), 1..10),
        ) {
            let whole = chunks.concat();
            let mut model: Vec<Option<u8>> = whole.iter().copied().map(Some).collect();
            let mut held = HeldBytes::new(START);
            for chunk in chunks {
                held.push(chunk.into());
            }
            let mut from = START;
            for (release, place, length) in acts {
                let end = (place + length).min(whole.len());
                if release {
                    held.release(offset(place));
                    model[..place.min(whole.len())].fill(None);
                    from = from.max(offset(place.min(whole.len())));
                } else {
                    held.discard(offset(place)..offset(place + length));
                    model[place.min(end)..end].fill(None);
                }
            }
            prop_assert_eq!(held.end(), offset(whole.len()));
            let kept = model.iter().flatten().count();
            prop_assert_eq!(held.len(), kept);
            let front = held.pieces.front().map_or(0, |first| first.buffer);
            prop_assert!(held.memory() <= front + MAX_PIN_RATIO * kept);
            for (place, length) in asked {
                let range = offset(place)..offset(place + length);
                let expected: Option<Vec<u8>> = (place..place + length)
                    .map(|at| model.get(at).copied().flatten())
                    .collect::<Option<Vec<u8>>>()
                    .filter(|_| range.start >= from && range.end <= held.end());
                match held.slice(range.clone()) {
                    Ok(rope) => prop_assert_eq!(Some(rope.to_bytes().to_vec()), expected),
                    Err(error) => {
                        prop_assert_eq!(expected, None);
                        prop_assert_eq!(error, NotHeld { requested: range, held: from..held.end() });
                    }
                }
            }
        }
    }
}
