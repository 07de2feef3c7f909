//! A byte string in pieces, so that bytes read from storage reach the hub without being joined first.

use bytes::Bytes;
use std::collections::VecDeque;
use std::ops::Range;

/// A sequence of byte slices that reads as one string.
///
/// Cloning and slicing copy no bytes: the pieces are reference-counted views of the read buffers.
#[derive(Clone, Debug, Default)]
pub struct Rope {
    pieces: VecDeque<Bytes>,
    length: usize,
}

impl Rope {
    /// How many bytes the rope holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.length
    }

    /// Whether the rope holds no byte.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Adds `piece` at the end; an empty piece adds nothing.
    pub fn push(&mut self, piece: Bytes) {
        if !piece.is_empty() {
            self.length += piece.len();
            self.pieces.push_back(piece);
        }
    }

    /// Adds all of `other` at the end.
    pub fn append(&mut self, other: Self) {
        self.length += other.length;
        self.pieces.extend(other.pieces);
    }

    /// The pieces, in order. None of them is empty.
    pub fn pieces(&self) -> impl Iterator<Item = &Bytes> {
        self.pieces.iter()
    }

    /// A view of the bytes `[range.start, range.end)`, counted from the start of the rope.
    /// What lies outside the rope is left out.
    #[must_use]
    pub fn slice(&self, range: Range<usize>) -> Self {
        let mut out = Self::default();
        let mut at = 0;
        for piece in &self.pieces {
            let end = at + piece.len();
            if at >= range.end {
                break;
            }
            if end > range.start {
                let from = range.start.saturating_sub(at);
                let to = range.end.min(end) - at;
                out.push(piece.slice(from..to));
            }
            at = end;
        }
        out
    }

    /// Drops the first `count` bytes (all of them when there are fewer).
    pub fn drop_front(&mut self, count: usize) {
        let mut left = count.min(self.length);
        self.length -= left;
        while let Some(first) = self.pieces.front_mut() {
            if left < first.len() {
                let _ = first.split_to(left);
                return;
            }
            left -= first.len();
            self.pieces.pop_front();
        }
    }

    /// The bytes as one buffer: no copy when the rope has one piece.
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        match self.pieces.len() {
            0 => Bytes::new(),
            1 => self.pieces[0].clone(),
            _ => {
                let mut out = Vec::with_capacity(self.length);
                self.pieces.iter().for_each(|piece| out.extend_from_slice(piece));
                out.into()
            }
        }
    }
}

impl From<Bytes> for Rope {
    fn from(piece: Bytes) -> Self {
        let mut rope = Self::default();
        rope.push(piece);
        rope
    }
}

impl FromIterator<Bytes> for Rope {
    fn from_iter<I: IntoIterator<Item = Bytes>>(pieces: I) -> Self {
        let mut rope = Self::default();
        rope.extend(pieces);
        rope
    }
}

impl Extend<Bytes> for Rope {
    fn extend<I: IntoIterator<Item = Bytes>>(&mut self, pieces: I) {
        pieces.into_iter().for_each(|piece| self.push(piece));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_rope_slices_and_drops_like_one_buffer(
            pieces in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..9), 0..9),
            a in 0usize..80, b in 0usize..80, drop in 0usize..80,
        ) {
            let whole: Vec<u8> = pieces.concat();
            let mut rope: Rope = pieces.into_iter().map(Bytes::from).collect();
            prop_assert_eq!(rope.len(), whole.len());
            let (from, to) = (a.min(b), a.max(b));
            let expected = &whole[from.min(whole.len())..to.min(whole.len())];
            let sliced = rope.slice(from..to).to_bytes();
            prop_assert_eq!(sliced.as_ref(), expected);
            rope.drop_front(drop);
            let rest = rope.to_bytes();
            prop_assert_eq!(rest.as_ref(), &whole[drop.min(whole.len())..]);
            prop_assert_eq!(rope.len(), rest.len());
        }
    }
}
