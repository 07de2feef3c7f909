//! Bytes of the blob that are kept: what was pushed, less what was released or let go.

use super::{NotHeld, is_wide};
use crate::flow_log::fingerprint::FINGERPRINT_BYTES;
use crate::flow_log::rope::Rope;
use bytes::{Buf, Bytes};
use std::collections::VecDeque;
use std::ops::Range;

/// A view keeps its whole buffer in memory. One of less than this share of it is copied instead, so that what
/// is kept, here or in messages, costs at most this many times its length. A full message is about a fifth of
/// a read window, so in most blobs nothing but the ends of windows is copied.
pub(crate) const LEAST_SHARE: usize = 6;

/// A view of a buffer that was pushed, or a copy of a part of it.
#[derive(Clone, Debug)]
struct Piece {
    /// Blob offset of its first byte.
    start: u64,
    bytes: Bytes,
    /// How many bytes its buffer keeps in memory.
    buffer: usize,
}

impl Piece {
    fn end(&self) -> u64 {
        self.start + self.bytes.len() as u64
    }

    /// The part of it in `range`, which meets it.
    fn part(&self, range: &Range<u64>) -> Self {
        let start = range.start.max(self.start);
        // Within the piece, so it fits.
        let place = |offset: u64| usize::try_from(offset - self.start).unwrap_or(usize::MAX);
        let bytes = self.bytes.slice(place(start)..place(range.end.clamp(start, self.end())));
        if bytes.len() * LEAST_SHARE >= self.buffer {
            return Self { start, bytes, buffer: self.buffer };
        }
        Self { start, buffer: bytes.len(), bytes: Bytes::copy_from_slice(&bytes) }
    }
}

/// Pieces of the blob, in order and apart from each other.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    pieces: VecDeque<Piece>,
    /// What is before this blob offset has been released.
    from: u64,
    /// The blob offset behind the last byte pushed.
    end: u64,
}

impl Held {
    /// Nothing yet; the first byte pushed will be that at blob offset `start`.
    pub(crate) fn new(start: u64) -> Self {
        Self { pieces: VecDeque::new(), from: start, end: start }
    }

    /// The blob offset behind the last byte pushed.
    pub(crate) fn end(&self) -> u64 {
        self.end
    }

    /// Takes the blob's next bytes.
    pub(crate) fn push(&mut self, bytes: Bytes) {
        let (start, buffer) = (self.end, bytes.len());
        self.end += buffer as u64;
        self.pieces.push_back(Piece { start, bytes, buffer });
    }

    /// Forgets what is before blob offset `before`, as far as it has been pushed.
    pub(crate) fn release(&mut self, before: u64) {
        self.from = self.from.max(before.min(self.end));
        while let Some(first) = self.pieces.front_mut() {
            if first.end() > self.from {
                // Only this one piece may pin more than its share, until the next release.
                first.bytes.advance(usize::try_from(self.from.saturating_sub(first.start)).unwrap_or(0));
                first.start = first.start.max(self.from);
                return;
            }
            self.pieces.pop_front();
        }
    }

    /// Forgets all of `gap`, when it is wide, but what a fingerprint at the end of a record behind it may cover.
    pub(crate) fn let_go_gap(&mut self, gap: Range<u64>) {
        if is_wide(&gap) {
            self.let_go(gap.start..gap.end - FINGERPRINT_BYTES);
        }
    }

    /// Forgets the bytes of `gone` and keeps those before and behind it.
    fn let_go(&mut self, gone: Range<u64>) {
        let first = self.pieces.partition_point(|piece| piece.end() <= gone.start);
        let behind = self.pieces.partition_point(|piece| piece.start < gone.end);
        if gone.is_empty() || first >= behind {
            return;
        }
        let cut: Vec<Piece> = self.pieces.drain(first..behind).collect();
        let before = cut.first().filter(|piece| piece.start < gone.start);
        let after = cut.last().filter(|piece| piece.end() > gone.end);
        let rest = [
            before.map(|piece| piece.part(&(piece.start..gone.start))),
            after.map(|piece| piece.part(&(gone.end..piece.end()))),
        ];
        for piece in rest.into_iter().flatten().rev() {
            self.pieces.insert(first, piece);
        }
    }

    /// The bytes of `range`. Of each piece the rope has a view, or a copy where a view would pin much more.
    ///
    /// # Errors
    /// When some of them were not pushed yet, or are kept no more.
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
        Err(NotHeld { asked: range, held: self.from..self.end })
    }

    /// How many bytes are kept.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn len(&self) -> usize {
        self.pieces.iter().map(|piece| piece.bytes.len()).sum()
    }

    /// How many bytes the pieces keep in memory at most.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn bytes(&self) -> usize {
        self.pieces.iter().map(|piece| piece.buffer).sum()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use proptest::prelude::*;

    const START: u64 = 1000;

    /// The offset `place` bytes behind the start.
    fn offset(place: usize) -> u64 {
        START + place as u64
    }

    proptest! {
        #[test]
        fn bytes_are_held_until_let_go_and_pin_a_bounded_share(
            chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..40), 1..8),
            acts in prop::collection::vec((any::<bool>(), 0usize..300, 0usize..80), 0..8),
            asked in prop::collection::vec((0usize..300, 0usize..80), 1..10),
        ) {
            let whole = chunks.concat();
            let mut model: Vec<Option<u8>> = whole.iter().copied().map(Some).collect();
            let mut held = Held::new(START);
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
                    held.let_go(offset(place)..offset(place + length));
                    model[place.min(end)..end].fill(None);
                }
            }
            prop_assert_eq!(held.end(), offset(whole.len()));
            let kept = model.iter().flatten().count();
            prop_assert_eq!(held.len(), kept);
            let front = held.pieces.front().map_or(0, |first| first.buffer);
            prop_assert!(held.bytes() <= front + LEAST_SHARE * kept);
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
                        prop_assert_eq!(error, NotHeld { asked: range, held: from..held.end() });
                    }
                }
            }
        }
    }
}
