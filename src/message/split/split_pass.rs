//! The second pass: returns each part as soon as it is full.

use super::error::SplitError;
use super::layout_pass::Layout;
use super::tokenizer::{Token, Tokenizer};
use crate::flow_log::cut::HeldBytes;
use crate::flow_log::kind::LISTS;
use crate::flow_log::rope::Rope;
use crate::message::{BODY_OVERHEAD, Message, wrap_records};
use bytes::{Buf, Bytes};
use std::collections::VecDeque;
use std::ops::Range;

/// One part of a record, ready to be sent.
#[derive(Clone, Debug)]
pub struct Part {
    /// A body with one record. Its range may end inside the original record, where no run can resume.
    pub message: Message,
    /// How many tuples it has. 0 when all its elements are without tuples.
    pub tuples: usize,
    /// Whether this is the record's last part, so that a checkpoint may move to the end of its range.
    pub last: bool,
}

/// An object with a list to split: the record, a flow or a group.
#[derive(Clone, Debug, Default)]
struct OpenObject {
    start: u64,
    /// Its bytes up to the `[` of its list, empty until they are known. A copy, so that no read buffer stays
    /// allocated.
    prefix: Bytes,
    /// Whether a part has an element of its list.
    used: bool,
}

/// The part being filled.
#[derive(Clone, Debug)]
struct OpenPart {
    /// The prefixes of the objects that enclose its first element, from the record's on.
    prefix: Rope,
    /// The range from its first element to its last one so far.
    raw: Range<u64>,
    /// The bytes of `raw`, once no other element can join.
    sealed: Option<Rope>,
    /// The list of its last element, and the index of the current suffix of each enclosing object.
    list: usize,
    suffixes: [usize; LISTS],
    tuples: usize,
}

/// The second pass over a record.
///
/// The iterator builds each complete part on demand, because a record with small tuples can make many. It
/// returns `None` when more bytes are needed, and after the record's end. Its only error is
/// [`SplitError::Changed`], when the bytes are noticeably not those of the first pass; nothing follows it.
#[derive(Clone, Debug)]
pub struct SplitPass {
    layout: Layout,
    tokenizer: Tokenizer,
    /// Chunks pushed, but not tokenized yet.
    unread: VecDeque<Bytes>,
    /// The bytes that may still be needed.
    held: HeldBytes,
    /// The record, and the current flow and group.
    objects: [OpenObject; LISTS],
    /// The index of the innermost open object.
    innermost: usize,
    /// The start of the current tuple.
    tuple: Option<u64>,
    /// The index of the current suffix of the record, of flows and of groups.
    suffixes: [usize; LISTS],
    /// The start of the open part's range: the end of the part before.
    part_start: u64,
    open: Option<OpenPart>,
}

impl SplitPass {
    /// Begins at the start of the record with this `layout`.
    #[must_use]
    pub fn new(layout: Layout) -> Self {
        let start = layout.range.start;
        let mut objects: [OpenObject; LISTS] = Default::default();
        objects[0].start = start;
        Self {
            layout,
            tokenizer: Tokenizer::new(start),
            unread: VecDeque::new(),
            held: HeldBytes::new(start),
            objects,
            innermost: 0,
            tuple: None,
            suffixes: [0; LISTS],
            part_start: start,
            open: None,
        }
    }

    /// Takes the record's next bytes. Bytes after its end are ignored.
    pub fn push(&mut self, chunk: Bytes) {
        if self.held.end() < self.layout.range.end {
            self.held.push(chunk.clone());
            self.unread.push_back(chunk);
        }
    }

    /// The next part, when all its bytes have been pushed.
    fn next_part(&mut self) -> Result<Option<Part>, SplitError> {
        while let Some(chunk) = self.unread.front_mut() {
            let (length, token) = match self.tokenizer.next_token(chunk) {
                Ok(next) => next,
                Err(error) => return Err(self.changed(error.offset)),
            };
            chunk.advance(length);
            let part = match token {
                None => {
                    self.unread.pop_front();
                    self.release()?;
                    None
                }
                Some(token) => self.take(token)?,
            };
            if part.is_some() {
                return Ok(part);
            }
        }
        Ok(None)
    }

    /// Takes a token. Returns the part that it completes.
    fn take(&mut self, token: Token) -> Result<Option<Part>, SplitError> {
        let at = self.tokenizer.at();
        match token {
            Token::RecordEnd => {
                self.unread.clear();
                return self.end_record().map(Some);
            }
            Token::ListStart(list) => {
                let prefix = self.held(self.objects[list].start..at)?.to_bytes();
                self.objects[list].prefix = Bytes::copy_from_slice(&prefix);
            }
            Token::ListEnd(_) => {}
            Token::ElementStart(list) if list + 1 < LISTS => {
                self.innermost = list + 1;
                self.objects[self.innermost] = OpenObject { start: at - 1, ..OpenObject::default() };
            }
            Token::ElementStart(_) => self.tuple = Some(at - 1),
            Token::ElementEnd(list) => return self.end_element(list),
        }
        Ok(None)
    }

    fn changed(&self, offset: u64) -> SplitError {
        SplitError::Changed { record: self.layout.range(), offset }
    }

    /// A view of held bytes.
    fn held(&self, range: Range<u64>) -> Result<Rope, SplitError> {
        let start = range.start;
        self.held.slice(range).map_err(|_| self.changed(start))
    }

    /// Whether the bytes since blob offset `start` are too many for a body.
    fn exceeds_body(&self, start: u64) -> bool {
        self.tokenizer.at() - start > self.layout.max_body
    }

    /// Releases the bytes that no part needs any more, so that at most one body's worth is held.
    fn release(&mut self) -> Result<(), SplitError> {
        if let Some(open) = &self.open
            && open.sealed.is_none()
            && self.exceeds_body(open.raw.start)
        {
            // No later element fits the part.
            let raw = self.held(open.raw.clone())?;
            self.open.iter_mut().for_each(|open| open.sealed = Some(raw.clone()));
        }
        let mut needed = self.tokenizer.at();
        if let Some(open) = self.open.as_ref().filter(|open| open.sealed.is_none()) {
            needed = needed.min(open.raw.start);
        }
        // The prefix of an open object, or the whole object if it turns out to have no elements.
        let unused = self.objects[..=self.innermost].iter().filter(|object| !object.used);
        let unfinished = unused.map(|object| (object.start, !object.prefix.is_empty()));
        for (start, has_prefix) in unfinished.chain(self.tuple.map(|tuple| (tuple, false))) {
            if !self.exceeds_body(start) {
                needed = needed.min(start);
            } else if !has_prefix {
                // In the first pass it fitted a body.
                return Err(self.changed(start));
            }
        }
        self.held.release(needed);
        Ok(())
    }

    /// Takes the end of an element of `list`. Returns the part before it when that is full.
    fn end_element(&mut self, list: usize) -> Result<Option<Part>, SplitError> {
        let end = self.tokenizer.at();
        if let Some(start) = self.tuple.take() {
            return self.add(list, start..end, 1);
        }
        let OpenObject { start, used, .. } = self.objects[list + 1];
        self.innermost = list;
        if used {
            // Its elements are in parts already.
            self.suffixes[list + 1] += 1;
            return Ok(None);
        }
        self.add(list, start..end, 0)
    }

    /// Adds an element of `list` that is not split further.
    fn add(&mut self, list: usize, element: Range<u64>, tuples: usize) -> Result<Option<Part>, SplitError> {
        self.objects[..=list].iter_mut().for_each(|object| object.used = true);
        let suffix: usize = self.suffix(list, self.suffixes)?.map(<[u8]>::len).sum();
        let fits = |prefix: &Rope, start: u64| {
            let raw = element.end - start;
            BODY_OVERHEAD + prefix.len() as u64 + raw + suffix as u64 <= self.layout.max_body
        };
        if let Some(open) = &mut self.open
            && fits(&open.prefix, open.raw.start)
        {
            open.raw.end = element.end;
            (open.list, open.suffixes) = (list, self.suffixes);
            open.tuples += tuples;
            return Ok(None);
        }
        let prefix: Rope = self.objects[..=list].iter().map(|object| object.prefix.clone()).collect();
        if !fits(&prefix, element.start) {
            return Err(self.changed(element.start));
        }
        let suffixes = self.suffixes;
        let opened = OpenPart { prefix, raw: element, sealed: None, list, suffixes, tuples };
        let full = self.open.replace(opened);
        full.map(|full| {
            let end = full.raw.end;
            self.part(full, end)
        })
        .transpose()
    }

    /// The suffixes of the objects that enclose an element of `list`, from the inside out.
    fn suffix(&self, list: usize, at: [usize; LISTS]) -> Result<impl Iterator<Item = &[u8]>, SplitError> {
        let mut suffix = [&[][..]; LISTS];
        for object in 0..=list {
            let of_object = self.layout.suffixes[object].get(at[object]);
            suffix[LISTS - 1 - object] = of_object.ok_or_else(|| self.changed(self.tokenizer.at()))?;
        }
        Ok(suffix.into_iter())
    }

    /// Builds a part whose range ends at `end`. Copies it, so that a small part keeps no read buffer allocated.
    fn part(&mut self, open: OpenPart, end: u64) -> Result<Part, SplitError> {
        let mut record = open.prefix;
        record.append(match open.sealed {
            Some(raw) => raw,
            None => self.held(open.raw)?,
        });
        record.extend(self.suffix(open.list, open.suffixes)?.map(Bytes::copy_from_slice));
        let range = self.part_start..end;
        self.part_start = end;
        let last = end == self.layout.range.end;
        Ok(Part {
            message: Message {
                body: wrap_records(record).to_bytes().into(),
                range,
                records: usize::from(last),
            },
            tuples: open.tuples,
            last,
        })
    }

    fn end_record(&mut self) -> Result<Part, SplitError> {
        let end = self.tokenizer.at();
        match self.open.take() {
            Some(open) if end == self.layout.range.end => self.part(open, end),
            _ => Err(self.changed(end)),
        }
    }

    /// How much memory is allocated for held bytes at most.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn held_memory(&self) -> usize {
        let sealed = self.open.as_ref().and_then(|open| open.sealed.as_ref()).map_or(0, Rope::len);
        self.held.memory() + sealed
    }
}

impl Iterator for SplitPass {
    type Item = Result<Part, SplitError>;

    fn next(&mut self) -> Option<Self::Item> {
        let part = self.next_part().transpose();
        if matches!(part, Some(Err(_))) {
            self.unread.clear();
        }
        part
    }
}
