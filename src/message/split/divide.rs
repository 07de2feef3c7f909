//! The second pass: parts, each as soon as it is full.

use super::SplitError;
use super::survey::Skeleton;
use super::walk::{LISTS, Mark, Walker};
use crate::flow_log::cut::Held;
use crate::flow_log::rope::Rope;
use crate::message::Message;
use crate::message::{FRAME, framed};
use bytes::{Buf, Bytes};
use std::collections::VecDeque;
use std::ops::Range;

/// One part of a record, ready to be sent.
#[derive(Clone, Debug)]
pub struct Part {
    /// A body with one record. Its range may end inside the blob's record, where no run can resume.
    pub message: Message,
    /// How many tuples it carries; none when it has only elements without tuples.
    pub tuples: usize,
    /// Whether the record ends with this part, so that a checkpoint may move to the end of its range.
    pub last: bool,
}

/// An object with a list to split: the record, a flow or a group.
#[derive(Clone, Debug, Default)]
struct Container {
    start: u64,
    /// Its bytes up to the `[` of its list, once they are known. Copied, so that no read buffer is pinned.
    head: Bytes,
    /// Whether an element of its list has been met.
    used: bool,
}

/// The part being filled.
#[derive(Clone, Debug)]
struct Open {
    /// What surrounds its first element, from the record's start on.
    head: Rope,
    /// From its first element to its last one so far.
    raw: Range<u64>,
    /// These bytes, once nothing more can join them.
    sealed: Option<Rope>,
    /// The list of its last element, and where the skeleton has the ends of what surrounds that.
    list: usize,
    ends: [usize; LISTS],
    tuples: usize,
}

/// The second pass over a record.
///
/// As an iterator it gives the parts that are complete, one after the other and each only when it is asked
/// for, since a small record with small tuples can make a great many. It has no item while it needs more bytes,
/// and none behind the record's end. Its error is [`SplitError::Changed`], when these are not the bytes of the
/// first pass, as far as that shows; nothing follows it.
#[derive(Clone, Debug)]
pub struct Divider {
    skeleton: Skeleton,
    walker: Walker,
    /// Pushed, not walked over yet.
    unwalked: VecDeque<Bytes>,
    /// The bytes that may still be needed.
    held: Held,
    /// The record, and the flow and the group at hand.
    containers: [Container; LISTS],
    /// The innermost open container.
    level: usize,
    /// Where the tuple at hand starts.
    tuple: Option<u64>,
    /// How many ends at each level of the skeleton are behind us.
    ends: [usize; LISTS],
    /// Where the open part's range begins: the end of the part before.
    part_start: u64,
    open: Option<Open>,
}

impl Divider {
    /// Begins at the start of the record that `skeleton` was taken of.
    #[must_use]
    pub fn new(skeleton: Skeleton) -> Self {
        let start = skeleton.range.start;
        Self {
            skeleton,
            walker: Walker::new(start),
            unwalked: VecDeque::new(),
            held: Held::new(start),
            containers: [
                Container { start, ..Container::default() },
                Container::default(),
                Container::default(),
            ],
            level: 0,
            tuple: None,
            ends: [0; LISTS],
            part_start: start,
            open: None,
        }
    }

    /// Takes the record's next bytes. Bytes behind its end are ignored.
    pub fn push(&mut self, chunk: Bytes) {
        if self.held.end() < self.skeleton.range.end {
            self.held.push(chunk.clone());
            self.unwalked.push_back(chunk);
        }
    }

    /// The next part, when all its bytes have been pushed.
    fn next_part(&mut self) -> Result<Option<Part>, SplitError> {
        while let Some(chunk) = self.unwalked.front_mut() {
            let (taken, mark) = match self.walker.walk(chunk) {
                Ok(walked) => walked,
                Err(error) => return Err(self.changed(error.offset)),
            };
            chunk.advance(taken);
            let part = match mark {
                None => {
                    self.unwalked.pop_front();
                    self.release()?;
                    None
                }
                Some(mark) => self.marked(mark)?,
            };
            if part.is_some() {
                return Ok(part);
            }
        }
        Ok(None)
    }

    /// Takes what the last byte walked over was; gives the part that it completes.
    fn marked(&mut self, mark: Mark) -> Result<Option<Part>, SplitError> {
        let at = self.walker.at();
        match mark {
            Mark::RecordEnd => {
                self.unwalked.clear();
                return self.end_record().map(Some);
            }
            Mark::ListStart(list) => {
                let head = self.held(self.containers[list].start..at)?.to_bytes();
                self.containers[list].head = Bytes::copy_from_slice(&head);
            }
            Mark::ListEnd(_) => {}
            Mark::ElementStart(list) if list + 1 < LISTS => {
                self.level = list + 1;
                self.containers[self.level] = Container { start: at - 1, ..Container::default() };
            }
            Mark::ElementStart(_) => self.tuple = Some(at - 1),
            Mark::ElementEnd(list) => return self.end_element(list),
        }
        Ok(None)
    }

    fn changed(&self, offset: u64) -> SplitError {
        SplitError::Changed { record: self.skeleton.range(), offset }
    }

    /// A view of held bytes.
    fn held(&self, range: Range<u64>) -> Result<Rope, SplitError> {
        let start = range.start;
        self.held.slice(range).map_err(|_| self.changed(start))
    }

    /// Whether more than a body can have stands between blob offset `start` and where the walk is.
    fn is_past(&self, start: u64) -> bool {
        self.walker.at() - start > self.skeleton.max_body
    }

    /// Forgets the bytes that no part can need any more. The rest is what a body can have at most.
    fn release(&mut self) -> Result<(), SplitError> {
        if let Some(open) = &self.open
            && open.sealed.is_none()
            && self.is_past(open.raw.start)
        {
            // Whatever follows does not fit beside it.
            let raw = self.held(open.raw.clone())?;
            self.open.iter_mut().for_each(|open| open.sealed = Some(raw.clone()));
        }
        let mut needed = self.walker.at();
        if let Some(open) = self.open.as_ref().filter(|open| open.sealed.is_none()) {
            needed = needed.min(open.raw.start);
        }
        // Their heads, or they as a whole when they turn out to have no elements.
        let unused = self.containers[..=self.level].iter().filter(|container| !container.used);
        let unfinished = unused.map(|container| (container.start, !container.head.is_empty()));
        for (start, has_head) in unfinished.chain(self.tuple.map(|tuple| (tuple, false))) {
            if !self.is_past(start) {
                needed = needed.min(start);
            } else if !has_head {
                // The first pass found that it fits a body.
                return Err(self.changed(start));
            }
        }
        self.held.release(needed);
        Ok(())
    }

    /// Takes an element whose last byte was just taken; gives the part before when that is full.
    fn end_element(&mut self, list: usize) -> Result<Option<Part>, SplitError> {
        let end = self.walker.at();
        if let Some(start) = self.tuple.take() {
            return self.add(list, start..end, 1);
        }
        let Container { start, used, .. } = self.containers[list + 1];
        self.level = list;
        if used {
            // Its elements are in parts already.
            self.ends[list + 1] += 1;
            return Ok(None);
        }
        self.add(list, start..end, 0)
    }

    /// Adds an element that is not split any further, and that stands in `list`.
    fn add(&mut self, list: usize, element: Range<u64>, tuples: usize) -> Result<Option<Part>, SplitError> {
        self.containers[..=list].iter_mut().for_each(|container| container.used = true);
        let tail: usize = self.tail(list, self.ends)?.map(<[u8]>::len).sum();
        let fits = |head: &Rope, start: u64| {
            FRAME + head.len() as u64 + (element.end - start) + tail as u64 <= self.skeleton.max_body
        };
        if let Some(open) = &mut self.open
            && fits(&open.head, open.raw.start)
        {
            open.raw.end = element.end;
            (open.list, open.ends) = (list, self.ends);
            open.tuples += tuples;
            return Ok(None);
        }
        let head: Rope = self.containers[..=list].iter().map(|container| container.head.clone()).collect();
        if !fits(&head, element.start) {
            return Err(self.changed(element.start));
        }
        let opened = Open { head, raw: element, sealed: None, list, ends: self.ends, tuples };
        let full = self.open.replace(opened);
        full.map(|full| {
            let end = full.raw.end;
            self.part(full, end)
        })
        .transpose()
    }

    /// What stands behind an element of `list`, from the inside out.
    fn tail(&self, list: usize, ends: [usize; LISTS]) -> Result<impl Iterator<Item = &[u8]>, SplitError> {
        let mut tail = [&[][..]; LISTS];
        for level in 0..=list {
            let end = self.skeleton.ends[level].get(ends[level]);
            tail[LISTS - 1 - level] = end.ok_or_else(|| self.changed(self.walker.at()))?;
        }
        Ok(tail.into_iter())
    }

    /// Builds a part whose range goes up to `end`, in a buffer of its own: many a part is a small share of
    /// what was read with it.
    fn part(&mut self, open: Open, end: u64) -> Result<Part, SplitError> {
        let mut record = open.head;
        record.append(match open.sealed {
            Some(raw) => raw,
            None => self.held(open.raw)?,
        });
        record.extend(self.tail(open.list, open.ends)?.map(Bytes::copy_from_slice));
        let range = self.part_start..end;
        self.part_start = end;
        let last = end == self.skeleton.range.end;
        Ok(Part {
            message: Message { body: framed(record).to_bytes().into(), range, records: usize::from(last) },
            tuples: open.tuples,
            last,
        })
    }

    fn end_record(&mut self) -> Result<Part, SplitError> {
        let end = self.walker.at();
        match self.open.take() {
            Some(open) if end == self.skeleton.range.end => self.part(open, end),
            _ => Err(self.changed(end)),
        }
    }

    /// How many bytes are kept in memory at most.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn held_bytes(&self) -> usize {
        let sealed = self.open.as_ref().and_then(|open| open.sealed.as_ref()).map_or(0, Rope::len);
        self.held.bytes() + sealed
    }
}

impl Iterator for Divider {
    type Item = Result<Part, SplitError>;

    fn next(&mut self) -> Option<Self::Item> {
        let part = self.next_part().transpose();
        if matches!(part, Some(Err(_))) {
            self.unwalked.clear();
        }
        part
    }
}
