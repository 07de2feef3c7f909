//! The content of a blob, generated while it is read: gigabytes take no memory here.

use bytes::Bytes;
use std::ops::Range;

/// The size of a chunk, bytes.
const CHUNK: usize = 64 << 10;

/// A series of pieces that repeat a pattern. Each piece is a committed block.
#[derive(Clone, Debug, Default)]
pub(super) struct Content {
    pieces: Vec<Piece>,
}

#[derive(Clone, Debug)]
struct Piece {
    /// Where the piece begins in the content.
    start: u64,
    length: u64,
    period: usize,
    /// The pattern, repeated to the size of a chunk.
    chunk: Bytes,
}

impl Content {
    pub(super) fn of(text: &str) -> Self {
        Self::default().then(text)
    }

    /// Appends `text`.
    pub(super) fn then(self, text: &str) -> Self {
        if text.is_empty() { self } else { self.filled(text, text.len() as u64) }
    }

    /// Appends `pattern` `count` times.
    pub(super) fn times(self, count: u64, pattern: &str) -> Self {
        let length = count * pattern.len() as u64;
        self.filled(pattern, length)
    }

    /// Appends `length` bytes of the repeated `pattern`; the last repetition may be cut off.
    pub(super) fn filled(mut self, pattern: &str, length: u64) -> Self {
        let repeats = (CHUNK / pattern.len()).clamp(1, usize::try_from(length).unwrap() / pattern.len() + 1);
        let (start, chunk) = (self.length(), Bytes::from(pattern.repeat(repeats)));
        self.pieces.push(Piece { start, length, period: pattern.len(), chunk });
        self
    }

    /// The length, bytes.
    pub(super) fn length(&self) -> u64 {
        self.pieces.last().map_or(0, |last| last.start + last.length)
    }

    /// The lengths of the committed blocks, in order.
    pub(super) fn blocks(&self) -> impl Iterator<Item = u64> {
        self.pieces.iter().map(|piece| piece.length)
    }

    /// The bytes of `range`, in order.
    pub(super) fn read(&self, range: Range<u64>) -> impl Iterator<Item = Bytes> + use<> {
        let first = self.pieces.partition_point(|piece| piece.start + piece.length <= range.start);
        let pieces: Vec<Piece> =
            self.pieces[first..].iter().take_while(|piece| piece.start < range.end).cloned().collect();
        pieces.into_iter().flat_map(move |piece| {
            let from = range.start.max(piece.start) - piece.start;
            let to = (range.end - piece.start).min(piece.length);
            piece.read(from..to)
        })
    }
}

impl Piece {
    fn read(self, range: Range<u64>) -> impl Iterator<Item = Bytes> {
        let mut at = range.start;
        std::iter::from_fn(move || {
            let left = usize::try_from(range.end - at).unwrap();
            let offset = usize::try_from(at % self.period as u64).unwrap();
            let chunk = self.chunk.slice(offset..self.chunk.len().min(offset + left));
            at += chunk.len() as u64;
            Some(chunk).filter(|chunk| !chunk.is_empty())
        })
    }
}

#[test]
fn any_range_of_a_content_has_the_right_bytes() {
    let content = Content::of("{").times(3, "abc").filled("xyz", 200_000).then("").then("}");
    let whole = format!("{{abcabcabc{}}}", &"xyz".repeat(70_000)[..200_000]);
    assert_eq!(content.length(), whole.len() as u64);
    assert_eq!(content.blocks().sum::<u64>(), content.length());
    let end = whole.len();
    for range in [0..end, 0..1, 1..1, 5..12, 9..70_000, 100_001..end, end - 1..end] {
        let bytes: Vec<Bytes> = content.read(range.start as u64..range.end as u64).collect();
        assert_eq!(bytes.concat(), whole.as_bytes()[range.clone()], "{range:?}");
    }
}
