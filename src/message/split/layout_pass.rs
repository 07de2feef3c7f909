//! The first pass: collects the suffixes, and checks that every tuple fits.

use super::error::{SplitError, SplitObstacle};
use super::tokenizer::{Token, Tokenizer};
use crate::flow_log::kind::LISTS;
use crate::message::BODY_OVERHEAD;
use std::ops::Range;

/// The largest layout, bytes, bookkeeping included.
///
/// A flow or group mostly ends in `]}`, which costs 10 bytes. So 400,000 of them fit; real records have a few
/// hundred.
pub const MAX_LAYOUT: usize = 4 << 20;

/// This many bytes of enclosing JSON, [`BODY_OVERHEAD`] included, are accepted for any size of body. Real
/// records have some 500.
const SMALL_ENCLOSING: u64 = 4 << 10;

/// What the second pass must know about a record beforehand.
#[derive(Clone, Debug)]
pub struct Layout {
    /// The record's range in the blob.
    pub(super) range: Range<u64>,
    /// The largest body allowed.
    pub(super) max_body: u64,
    /// The suffixes of the record (0), of its flows (1) and of their groups (2), each from the `]` of its
    /// list on. Elements without tuples have none, because they are never split.
    pub(super) suffixes: [Suffixes; LISTS],
}

impl Layout {
    /// The record's range in the blob, to be read again for the second pass.
    #[must_use]
    pub fn range(&self) -> Range<u64> {
        self.range.clone()
    }
}

/// Byte strings in one buffer.
#[derive(Clone, Debug, Default)]
pub(super) struct Suffixes {
    bytes: Vec<u8>,
    /// The end of each complete string.
    stops: Vec<usize>,
}

impl Suffixes {
    /// The string at `index`.
    pub(super) fn get(&self, index: usize) -> Option<&[u8]> {
        let start = index.checked_sub(1).map_or(Some(0), |before| self.stops.get(before).copied())?;
        self.bytes.get(start..*self.stops.get(index)?)
    }

    /// Completes the current string, or discards it.
    fn stop(&mut self, keep: bool) {
        if keep {
            self.stops.push(self.bytes.len());
        } else {
            self.bytes.truncate(self.stops.last().copied().unwrap_or(0));
        }
    }

    /// The same without spare capacity.
    fn shrunk(mut self) -> Self {
        self.bytes.shrink_to_fit();
        self.stops.shrink_to_fit();
        self
    }

    fn cost(&self) -> usize {
        self.bytes.len() + self.stops.len() * size_of::<usize>()
    }
}

/// An object with a list to split: the record, a flow or a group.
#[derive(Clone, Debug, Default)]
struct MeasuredObject {
    start: u64,
    /// The offset after the `[` of its list.
    list_start: Option<u64>,
    /// The offset of the list's `]`.
    list_end: u64,
    /// The largest element of the list.
    largest: Option<Largest>,
    /// The most bytes that enclose a tuple within any element of the list.
    enclosing: u64,
}

/// The largest element that can't be split further.
#[derive(Clone, Debug)]
struct Largest {
    /// Its size with the JSON that encloses it.
    bytes: u64,
    element: Range<u64>,
    /// The most bytes that enclose any such element, not necessarily the largest one.
    enclosing: u64,
}

/// The first pass over a record.
///
/// Must not be pushed to after an error, or after it has returned the layout.
#[derive(Clone, Debug)]
pub struct LayoutPass {
    tokenizer: Tokenizer,
    max_body: u64,
    max_layout: usize,
    /// The record, and the current flow and group.
    objects: [MeasuredObject; LISTS],
    /// The start of the current tuple.
    tuple: u64,
    suffixes: [Suffixes; LISTS],
    /// The object whose suffix the next bytes belong to.
    in_suffix_of: Option<usize>,
    /// Why the record can't be split. The pass continues only to find the record's end.
    reason: Option<SplitObstacle>,
}

impl LayoutPass {
    /// Begins at blob offset `start`, a record's first byte; bodies may have up to `max_body` bytes.
    #[must_use]
    pub fn new(start: u64, max_body: u64) -> Self {
        let mut objects: [MeasuredObject; LISTS] = Default::default();
        objects[0].start = start;
        Self {
            tokenizer: Tokenizer::new(start),
            max_body,
            max_layout: MAX_LAYOUT,
            objects,
            tuple: 0,
            suffixes: Default::default(),
            in_suffix_of: None,
            reason: None,
        }
    }

    /// The same with another limit than [`MAX_LAYOUT`].
    #[cfg(test)]
    pub(super) fn with_max_layout(self, max_layout: usize) -> Self {
        Self { max_layout, ..self }
    }

    /// Takes the next bytes. Returns the layout once the record has ended; bytes after its end are ignored.
    ///
    /// # Errors
    /// [`SplitError::Broken`] at the byte where the structure breaks; [`SplitError::Unsplittable`] at the
    /// record's end.
    pub fn push(&mut self, bytes: &[u8]) -> Result<Option<Layout>, SplitError> {
        let mut rest = bytes;
        loop {
            let (length, token) = self.tokenizer.next_token(rest)?;
            self.add_to_suffix(&rest[..length]);
            rest = &rest[length..];
            match token {
                None => return Ok(None),
                Some(Token::RecordEnd) => return self.end_record().map(Some),
                Some(_) if self.reason.is_some() => {}
                Some(Token::ListStart(list)) => self.start_list(list),
                Some(Token::ListEnd(list)) => {
                    self.objects[list].list_end = self.tokenizer.at() - 1;
                    self.in_suffix_of = Some(list);
                    self.add_to_suffix(b"]");
                }
                Some(Token::ElementStart(list)) => self.start_element(list),
                Some(Token::ElementEnd(list)) => self.end_element(list),
            }
        }
    }

    /// How much memory is allocated for the suffixes, bytes.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn held_memory(&self) -> usize {
        let of =
            |suffixes: &Suffixes| suffixes.bytes.capacity() + suffixes.stops.capacity() * size_of::<usize>();
        self.suffixes.iter().map(of).sum()
    }

    fn add_to_suffix(&mut self, bytes: &[u8]) {
        if let Some(object) = self.in_suffix_of
            && self.reason.is_none()
        {
            self.suffixes[object].bytes.extend_from_slice(bytes);
            if self.suffixes.iter().map(Suffixes::cost).sum::<usize>() > self.max_layout {
                self.give_up(SplitObstacle::LayoutTooLarge { max: self.max_layout });
            }
        }
    }

    fn give_up(&mut self, reason: SplitObstacle) {
        self.reason = Some(reason);
        self.suffixes = Default::default();
    }

    fn start_list(&mut self, list: usize) {
        let at = self.tokenizer.at();
        if self.objects[list].list_start.replace(at).is_some() {
            self.give_up(SplitObstacle::TwoLists { second: at - 1 });
        }
    }

    fn start_element(&mut self, list: usize) {
        let start = self.tokenizer.at() - 1;
        match self.objects.get_mut(list + 1) {
            Some(object) => *object = MeasuredObject { start, ..MeasuredObject::default() },
            None => self.tuple = start,
        }
    }

    fn end_element(&mut self, list: usize) {
        let end = self.tokenizer.at();
        let largest = if list + 1 < LISTS {
            self.end_object(list + 1)
        } else {
            Largest { bytes: end - self.tuple, element: self.tuple..end, enclosing: 0 }
        };
        let MeasuredObject { largest: before, enclosing, .. } = &mut self.objects[list];
        *enclosing = largest.enclosing.max(*enclosing);
        if before.as_ref().is_none_or(|before| before.bytes < largest.bytes) {
            *before = Some(largest);
        }
    }

    /// Ends an object. Returns its largest element, or the object itself when its list is empty or missing.
    fn end_object(&mut self, object: usize) -> Largest {
        let end = self.tokenizer.at();
        let MeasuredObject { start, list_start, list_end, largest, enclosing } =
            std::mem::take(&mut self.objects[object]);
        self.in_suffix_of = None;
        self.suffixes[object].stop(largest.is_some());
        match (largest, list_start) {
            (Some(Largest { bytes, element, .. }), Some(list_start)) => {
                let own = (list_start - start) + (end - list_end);
                Largest { bytes: own + bytes, element, enclosing: own + enclosing }
            }
            _ => Largest { bytes: end - start, element: start..end, enclosing: 0 },
        }
    }

    fn end_record(&mut self) -> Result<Layout, SplitError> {
        let range = self.objects[0].start..self.tokenizer.at();
        let has_elements = self.objects[0].largest.is_some();
        let largest = self.end_object(0);
        let body = largest.bytes.saturating_add(BODY_OVERHEAD);
        let enclosing = largest.enclosing.saturating_add(BODY_OVERHEAD);
        let reason = match self.reason.take() {
            None if !has_elements => Some(SplitObstacle::NoList),
            None if body > self.max_body => {
                Some(SplitObstacle::TooLarge { element: largest.element, body, max_body: self.max_body })
            }
            None if enclosing > SMALL_ENCLOSING.max(self.max_body / 2) => {
                Some(SplitObstacle::TooMuchEnclosing { enclosing, max_body: self.max_body })
            }
            reason => reason,
        };
        if let Some(reason) = reason {
            return Err(SplitError::Unsplittable { record: range, reason });
        }
        let suffixes = std::mem::take(&mut self.suffixes).map(Suffixes::shrunk);
        Ok(Layout { range, max_body: self.max_body, suffixes })
    }
}
