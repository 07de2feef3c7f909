//! The first pass: what stands behind the tuples, and whether every tuple fits.

use super::walk::{LISTS, Mark, Walker};
use super::{Reason, SplitError};
use crate::message::FRAME;
use std::ops::Range;

/// How many bytes of surroundings are kept at most, bookkeeping included.
///
/// A flow or group mostly ends in `]}`, which costs 10 bytes: 400,000 of them have room, and a record of
/// the real kind has a few hundred.
pub const MAX_SKELETON: usize = 4 << 20;

/// Surroundings of up to this many bytes, frame included, are never too much, be a body as small as it may.
/// Those of the real kind have some 500.
const SMALL_SURROUNDINGS: u64 = 4 << 10;

/// What the second pass needs to know of a record from the start.
#[derive(Clone, Debug)]
pub struct Skeleton {
    /// Where the record stands in the blob.
    pub(super) range: Range<u64>,
    /// The most bytes a body may have.
    pub(super) max_body: u64,
    /// The ends of the record (0), of its flows (1) and of their groups (2), each from the `]` of
    /// its list on. Elements without tuples are left out, for they are never split.
    pub(super) ends: [Ends; LISTS],
}

impl Skeleton {
    /// Where the record stands in the blob: the bytes to be read again for the second pass.
    #[must_use]
    pub fn range(&self) -> Range<u64> {
        self.range.clone()
    }
}

/// Byte strings in one buffer.
#[derive(Clone, Debug, Default)]
pub(super) struct Ends {
    bytes: Vec<u8>,
    stops: Vec<usize>,
}

impl Ends {
    /// The string at `index`.
    pub(super) fn get(&self, index: usize) -> Option<&[u8]> {
        let start = index.checked_sub(1).map_or(Some(0), |before| self.stops.get(before).copied())?;
        self.bytes.get(start..*self.stops.get(index)?)
    }

    /// Completes the string being written, when it is wanted, or forgets it.
    fn stop(&mut self, wanted: bool) {
        if wanted {
            self.stops.push(self.bytes.len());
        } else {
            self.bytes.truncate(self.stops.last().copied().unwrap_or(0));
        }
    }

    /// The same without spare room.
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
struct Container {
    start: u64,
    /// The offset behind the `[` of its list.
    list_start: Option<u64>,
    /// The offset of the `]`.
    list_end: u64,
    /// The largest element of the list.
    largest: Option<Largest>,
    /// The most bytes around a tuple within any element of the list.
    around: u64,
}

/// The least that can't be split any further, with what surrounds it.
#[derive(Clone, Debug)]
struct Largest {
    bytes: u64,
    element: Range<u64>,
    /// The most bytes around any of what can't be split further, which need not be around the largest.
    around: u64,
}

/// The first pass over a record.
///
/// Once it has failed, or has given the skeleton, it must not be pushed to again.
#[derive(Clone, Debug)]
pub struct Survey {
    walker: Walker,
    max_body: u64,
    max_skeleton: usize,
    /// The open containers: the record, and a flow and a group while in them.
    containers: [Container; LISTS],
    /// Where the tuple at hand starts.
    tuple: u64,
    ends: [Ends; LISTS],
    /// Whose end the bytes belong to that are taken now.
    ending: Option<usize>,
    /// Why the record can't be split; the walk goes on only to find the record's end.
    reason: Option<Reason>,
}

impl Survey {
    /// Begins at blob offset `start`, a record's first byte; bodies may have up to `max_body` bytes.
    #[must_use]
    pub fn new(start: u64, max_body: u64) -> Self {
        Self {
            walker: Walker::new(start),
            max_body,
            max_skeleton: MAX_SKELETON,
            containers: [
                Container { start, ..Container::default() },
                Container::default(),
                Container::default(),
            ],
            tuple: 0,
            ends: [Ends::default(), Ends::default(), Ends::default()],
            ending: None,
            reason: None,
        }
    }

    /// The same with another bound than [`MAX_SKELETON`].
    #[cfg(test)]
    pub(super) fn with_max_skeleton(self, max_skeleton: usize) -> Self {
        Self { max_skeleton, ..self }
    }

    /// Takes the next bytes; gives the skeleton once the record has ended. Bytes behind its end are ignored.
    ///
    /// # Errors
    /// [`SplitError::Broken`] at the byte where the structure breaks; [`SplitError::Unsplittable`] at the record's end.
    pub fn push(&mut self, bytes: &[u8]) -> Result<Option<Skeleton>, SplitError> {
        let mut rest = bytes;
        loop {
            let (taken, mark) = self.walker.walk(rest)?;
            self.keep(&rest[..taken]);
            rest = &rest[taken..];
            match mark {
                None => return Ok(None),
                Some(Mark::RecordEnd) => return self.end_record().map(Some),
                Some(_) if self.reason.is_some() => {}
                Some(Mark::ListStart(list)) => self.start_list(list),
                Some(Mark::ListEnd(list)) => {
                    self.containers[list].list_end = self.walker.at() - 1;
                    self.ending = Some(list);
                    self.keep(b"]");
                }
                Some(Mark::ElementStart(list)) => self.start_element(list),
                Some(Mark::ElementEnd(list)) => self.end_element(list),
            }
        }
    }

    /// How many bytes are kept in memory.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn held_bytes(&self) -> usize {
        let held = |ends: &Ends| ends.bytes.capacity() + ends.stops.capacity() * size_of::<usize>();
        self.ends.iter().map(held).sum()
    }

    fn keep(&mut self, bytes: &[u8]) {
        if let Some(level) = self.ending
            && self.reason.is_none()
        {
            self.ends[level].bytes.extend_from_slice(bytes);
            if self.ends.iter().map(Ends::cost).sum::<usize>() > self.max_skeleton {
                self.give_up(Reason::Skeleton { max: self.max_skeleton });
            }
        }
    }

    fn give_up(&mut self, reason: Reason) {
        self.reason = Some(reason);
        self.ends = [Ends::default(), Ends::default(), Ends::default()];
    }

    fn start_list(&mut self, list: usize) {
        let at = self.walker.at();
        if self.containers[list].list_start.replace(at).is_some() {
            self.give_up(Reason::TwoLists { second: at - 1 });
        }
    }

    fn start_element(&mut self, list: usize) {
        let start = self.walker.at() - 1;
        match self.containers.get_mut(list + 1) {
            Some(container) => *container = Container { start, ..Container::default() },
            None => self.tuple = start,
        }
    }

    fn end_element(&mut self, list: usize) {
        let end = self.walker.at();
        let largest = if list + 1 < LISTS {
            self.end_container(list + 1)
        } else {
            Largest { bytes: end - self.tuple, element: self.tuple..end, around: 0 }
        };
        let Container { largest: before, around, .. } = &mut self.containers[list];
        *around = largest.around.max(*around);
        if before.as_ref().is_none_or(|before| before.bytes < largest.bytes) {
            *before = Some(largest);
        }
    }

    /// Ends a container: gives its largest element with what the container puts around it, or the
    /// container itself when it has no element.
    fn end_container(&mut self, level: usize) -> Largest {
        let end = self.walker.at();
        let Container { start, list_start, list_end, largest, around } =
            std::mem::take(&mut self.containers[level]);
        self.ending = None;
        self.ends[level].stop(largest.is_some());
        match (largest, list_start) {
            (Some(Largest { bytes, element, .. }), Some(list_start)) => {
                let own = (list_start - start) + (end - list_end);
                Largest { bytes: own + bytes, element, around: own + around }
            }
            _ => Largest { bytes: end - start, element: start..end, around: 0 },
        }
    }

    fn end_record(&mut self) -> Result<Skeleton, SplitError> {
        let range = self.containers[0].start..self.walker.at();
        let has_elements = self.containers[0].largest.is_some();
        let largest = self.end_container(0);
        let body = largest.bytes.saturating_add(FRAME);
        let around = largest.around.saturating_add(FRAME);
        let reason = match self.reason.take() {
            None if !has_elements => Some(Reason::NoList),
            None if body > self.max_body => {
                Some(Reason::TooLarge { element: largest.element, body, max_body: self.max_body })
            }
            None if around > SMALL_SURROUNDINGS.max(self.max_body / 2) => {
                Some(Reason::Surroundings { around, max_body: self.max_body })
            }
            reason => reason,
        };
        if let Some(reason) = reason {
            return Err(SplitError::Unsplittable { record: range, reason });
        }
        let ends = std::mem::take(&mut self.ends).map(Ends::shrunk);
        Ok(Skeleton { range, max_body: self.max_body, ends })
    }
}
