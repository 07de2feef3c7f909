//! The second pass: parts, each as soon as it is full.

use super::SplitError;
use super::survey::Skeleton;
use super::walk::{LISTS, Mark, Walker};
use crate::batch::{FRAME, framed};
use crate::hub::Message;
use crate::rope::Rope;
use bytes::Bytes;
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
    /// The list of its last element, and where the skeleton has the ends of what surrounds that.
    list: usize,
    ends: [usize; LISTS],
    tuples: usize,
}

/// The second pass over a record.
///
/// Once it has failed, it must not be pushed to again.
#[derive(Clone, Debug)]
pub struct Divider {
    skeleton: Skeleton,
    walker: Walker,
    /// The bytes that may still be needed, from this blob offset on.
    pub(super) held: Rope,
    held_from: u64,
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
            held: Rope::default(),
            held_from: start,
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

    /// Takes the record's next bytes; gives the parts that are complete. Bytes behind its end are ignored.
    ///
    /// # Errors
    /// [`SplitError::Changed`] when these are not the bytes of the first pass, as far as that shows.
    pub fn push(&mut self, chunk: Bytes) -> Result<Vec<Part>, SplitError> {
        if self.walker.at() >= self.skeleton.range.end {
            return Ok(Vec::new());
        }
        let bytes = chunk.clone();
        self.held.push(chunk);
        let mut rest = &bytes[..];
        let mut parts = Vec::new();
        loop {
            let (taken, mark) = self.walker.walk(rest).map_err(|error| self.changed(error.offset))?;
            rest = &rest[taken..];
            let at = self.walker.at();
            match mark {
                None => break,
                Some(Mark::RecordEnd) => {
                    parts.push(self.end_record()?);
                    break;
                }
                Some(Mark::ListStart(list)) => {
                    let head = self.held(self.containers[list].start..at)?.to_bytes();
                    self.containers[list].head = Bytes::copy_from_slice(&head);
                }
                Some(Mark::ListEnd(_)) => {}
                Some(Mark::ElementStart(list)) if list + 1 < LISTS => {
                    self.level = list + 1;
                    self.containers[self.level] = Container { start: at - 1, ..Container::default() };
                }
                Some(Mark::ElementStart(_)) => self.tuple = Some(at - 1),
                Some(Mark::ElementEnd(list)) => parts.extend(self.end_element(list)?),
            }
        }
        self.release();
        Ok(parts)
    }

    fn changed(&self, offset: u64) -> SplitError {
        SplitError::Changed { record: self.skeleton.range(), offset }
    }

    /// A view of held bytes.
    fn held(&self, range: Range<u64>) -> Result<Rope, SplitError> {
        let within = |offset: u64| offset.checked_sub(self.held_from).and_then(|at| usize::try_from(at).ok());
        match (within(range.start), within(range.end)) {
            (Some(from), Some(to)) if to <= self.held.len() => Ok(self.held.slice(from..to)),
            _ => Err(self.changed(range.start)),
        }
    }

    /// Forgets the bytes that no part can need any more.
    fn release(&mut self) {
        let unused = self.containers[..=self.level].iter().find(|container| !container.used);
        let needed = [self.open.as_ref().map(|open| open.raw.start), unused.map(|it| it.start), self.tuple];
        let before = needed.into_iter().flatten().min().unwrap_or(self.walker.at());
        let count = usize::try_from(before.saturating_sub(self.held_from)).unwrap_or(usize::MAX);
        let count = count.min(self.held.len());
        self.held.drop_front(count);
        self.held_from += count as u64;
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
        let full = self.open.replace(Open { head, raw: element, list, ends: self.ends, tuples });
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

    /// Builds a part whose range goes up to `end`.
    fn part(&mut self, open: Open, end: u64) -> Result<Part, SplitError> {
        let mut record = open.head;
        record.append(self.held(open.raw)?);
        record.extend(self.tail(open.list, open.ends)?.map(Bytes::copy_from_slice));
        let range = self.part_start..end;
        self.part_start = end;
        let last = end == self.skeleton.range.end;
        Ok(Part {
            message: Message { body: framed(record), range, records: usize::from(last) },
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
}
