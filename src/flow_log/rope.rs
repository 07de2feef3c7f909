//! A byte string in pieces: bytes from storage reach the hub without a copy.

use bytes::{Bytes, BytesMut};
use std::collections::VecDeque;
use std::mem;
use std::ops::Range;

/// Two neighbouring pieces of at most this many bytes in total are copied into one. A piece costs about a
/// hundred bytes besides its content, so this limits the overhead of a rope to 5 %, whatever is pushed.
const MAX_JOINED: usize = 4 << 10;

/// A sequence of byte slices that reads as one string.
///
/// Pieces are reference-counted views of the read buffers: cloning and slicing copy none of more than 4 KiB.
#[derive(Clone, Debug, Default)]
pub struct Rope {
    pieces: VecDeque<Bytes>,
    length: usize,
}

impl Rope {
    /// The length in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.length
    }

    /// Whether the length is 0.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Adds `piece` at the end.
    pub fn push(&mut self, piece: Bytes) {
        if piece.is_empty() {
            return;
        }
        self.length += piece.len();
        match self.pieces.back_mut() {
            Some(last) if last.len() + piece.len() <= MAX_JOINED => {
                *last = joined(mem::take(last), &piece);
            }
            _ => self.pieces.push_back(piece),
        }
    }

    /// Adds all of `other` at the end.
    pub fn append(&mut self, other: Self) {
        self.extend(other.pieces);
    }

    /// The pieces, in order, none empty.
    pub fn pieces(&self) -> impl Iterator<Item = &Bytes> {
        self.pieces.iter()
    }

    /// A view of the bytes `[range.start, range.end)`, counted from the start of the rope and clipped to it.
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

    /// Drops the first `count` bytes, or all when there are fewer.
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

    /// The bytes in one buffer, without a copy when the rope has one piece.
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

/// `first` and `second` in one buffer. Reuses that of `first` unless somebody else refers to it, so that
/// many small pushes copy each byte about once.
fn joined(first: Bytes, second: &[u8]) -> Bytes {
    let mut buffer = first.try_into_mut().unwrap_or_else(|shared| {
        let mut buffer = BytesMut::with_capacity(shared.len() + second.len());
        buffer.extend_from_slice(&shared);
        buffer
    });
    buffer.extend_from_slice(second);
    buffer.freeze()
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

    #[test]
    fn bytes_pushed_one_by_one_make_few_pieces() {
        let mut rope = Rope::default();
        for number in 0..1_000_000_u32 {
            rope.push(Bytes::copy_from_slice(&number.to_le_bytes()[..1]));
        }
        assert!(rope.pieces().count() <= 2 * rope.len() / MAX_JOINED, "{} pieces", rope.pieces().count());
        assert!(
            (0..1_000_000_u32).zip(rope.to_bytes()).all(|(number, byte)| number.to_le_bytes()[0] == byte)
        );
    }

    #[test]
    fn joining_pieces_changes_no_other_view_of_the_buffer() {
        let buffer = Bytes::from_static(b"0123456789");
        let shared = Bytes::copy_from_slice(&buffer);
        let mut rope = Rope::from(shared.slice(2..4));
        let before = rope.clone();
        rope.push(shared.slice(8..9));
        rope.push(Bytes::from_static(b"x"));
        assert_eq!((rope.to_bytes(), before.to_bytes()), ("238x".into(), "23".into()));
        assert_eq!(shared, buffer);
    }
}
