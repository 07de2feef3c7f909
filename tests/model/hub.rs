//! The hub of the model: accepted messages, and those that may still arrive.

use super::blob::{MAX_RECORDS, Version, record};
use std::sync::Arc;

/// A message, and the run that sent it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Message {
    pub generation: u32,
    pub start: u64,
    pub end: u64,
    /// The content of the blob that its bytes come from.
    pub content: u8,
    /// The owner of the claim under which it was sent; `None` once the message may be repeated, after a crash, a
    /// failed send, or the loss of the claim.
    pub owner: Option<Arc<str>>,
}

impl Message {
    fn holds(&self, index: u8) -> bool {
        let record = record(index);
        self.start <= record.start && record.end <= self.end
    }

    fn overlaps(&self, other: &Self) -> bool {
        self.start < other.end && other.start < self.end
    }

    fn repeats(&self, other: &Self) -> bool {
        (self.generation, self.start, self.end) == (other.generation, other.start, other.end)
    }
}

/// The messages that reached the hub, or may reach it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Hub {
    /// Accepted messages, sorted: the properties do not depend on the order of arrival.
    accepted: Vec<Message>,
    /// Messages whose senders no longer wait for an acknowledgement. Each may have arrived, may arrive later, or
    /// never; one state stands for all three. The properties are strict about it: records that must have arrived
    /// are sought only in `accepted`, and repeats in both lists.
    abandoned: Vec<Message>,
}

impl Hub {
    /// Accepts `message`. Equal messages that may be repeated are kept once.
    pub fn accept(&mut self, message: Message) {
        insert(&mut self.accepted, message);
    }

    /// Records that the sender of `message` no longer waits for an acknowledgement.
    pub fn abandon(&mut self, message: Message) {
        insert(&mut self.abandoned, message);
    }

    /// Allows repeats of the messages that were sent under the claim of `owner`.
    pub fn allow_repeats(&mut self, owner: &str) {
        for messages in [&mut self.accepted, &mut self.abandoned] {
            for message in messages.iter_mut().filter(|message| message.owner.as_deref() == Some(owner)) {
                message.owner = None;
            }
            messages.sort_unstable();
            messages.dedup_by(|one, other| one.owner.is_none() && one == other);
        }
    }

    /// Whether every record of `version` was accepted.
    pub fn has_all(&self, version: Version) -> bool {
        let of_content = |message: &&Message| message.content == version.content;
        (0..version.records).all(|index| self.accepted.iter().filter(of_content).any(|one| one.holds(index)))
    }

    /// Whether every record before `offset` was accepted in `generation`, all from one content.
    pub fn has_all_before(&self, generation: u32, offset: u64) -> bool {
        let mut of_generation = self.accepted.iter().filter(|message| message.generation == generation);
        let before = (0..MAX_RECORDS).take_while(|index| record(*index).end <= offset);
        let covered = |index: u8| of_generation.clone().any(|message| message.holds(index));
        let whole = offset == 0 || (0..MAX_RECORDS).any(|index| record(index).end == offset);
        whole && before.into_iter().all(covered) && {
            let first = of_generation.next().map(|message| message.content);
            of_generation.all(|message| Some(message.content) == first)
        }
    }

    /// Whether every record that may arrive twice is allowed to.
    pub fn all_repeats_are_allowed(&self) -> bool {
        self.pairs().all(|(one, other)| one.owner.is_none() || other.owner.is_none())
    }

    /// Whether every record that may arrive twice does so in identical messages.
    pub fn all_repeats_are_identical(&self) -> bool {
        self.pairs().all(|(one, other)| one.repeats(other))
    }

    /// The pairs of messages that share a record.
    fn pairs(&self) -> impl Iterator<Item = (&Message, &Message)> {
        let both = || self.accepted.iter().chain(&self.abandoned);
        let pairs =
            both().enumerate().flat_map(move |(nth, one)| both().skip(nth + 1).map(move |two| (one, two)));
        pairs.filter(|(one, other)| one.content == other.content && one.overlaps(other))
    }
}

fn insert(messages: &mut Vec<Message>, message: Message) {
    let at = messages.partition_point(|other| *other < message);
    if message.owner.is_some() || messages.get(at) != Some(&message) {
        messages.insert(at, message);
    }
}
