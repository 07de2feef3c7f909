//! The hub of the model: which messages it accepted, and which may still arrive.

use super::blob::{MOST_RECORDS, Version, record};
use std::sync::Arc;

/// A message, and the run that sent it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Message {
    pub generation: u32,
    pub start: u64,
    pub end: u64,
    /// Which content its bytes are from.
    pub content: u8,
    /// The claim of the run that sent it; none once something happened to that run after which its messages
    /// may be sent again: a crash, a failed send, or a claim that another worker took over.
    pub run: Option<Arc<str>>,
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

/// What reached the hub, and what may.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Hub {
    /// Messages that were accepted, in their own order: that of their arrival matters to no promise.
    accepted: Vec<Message>,
    /// Messages whose senders no longer wait for an answer: each may have arrived, arrive later, or never. No
    /// worker can tell, so that one state stands for all three: what must have arrived has to be in
    /// `accepted`, and what must not arrive twice has to be in neither.
    adrift: Vec<Message>,
}

impl Hub {
    /// Accepts `message`. Messages that may be repeated are kept once.
    pub fn accept(&mut self, message: Message) {
        insert(&mut self.accepted, message);
    }

    /// Lets go of `message`, whose sender gave up.
    pub fn set_adrift(&mut self, message: Message) {
        insert(&mut self.adrift, message);
    }

    /// Notes that what `run` sent may be sent again.
    pub fn excuse(&mut self, run: &str) {
        for messages in [&mut self.accepted, &mut self.adrift] {
            for message in messages.iter_mut().filter(|message| message.run.as_deref() == Some(run)) {
                message.run = None;
            }
            messages.sort_unstable();
            messages.dedup_by(|one, other| one.run.is_none() && one == other);
        }
    }

    /// Whether every record of `version` was accepted.
    pub fn holds_all(&self, version: Version) -> bool {
        let of_content = |message: &&Message| message.content == version.content;
        (0..version.records).all(|index| self.accepted.iter().filter(of_content).any(|one| one.holds(index)))
    }

    /// Whether the records in front of `offset` were all accepted in `generation`, from one content.
    pub fn holds_up_to(&self, generation: u32, offset: u64) -> bool {
        let mut of_generation = self.accepted.iter().filter(|message| message.generation == generation);
        let before = (0..MOST_RECORDS).take_while(|index| record(*index).end <= offset);
        let covered = |index: u8| of_generation.clone().any(|message| message.holds(index));
        let whole = offset == 0 || (0..MOST_RECORDS).any(|index| record(index).end == offset);
        whole && before.into_iter().all(covered) && {
            let first = of_generation.next().map(|message| message.content);
            of_generation.all(|message| Some(message.content) == first)
        }
    }

    /// Whether each record that arrived twice was allowed to.
    pub fn repeats_only_what_it_may(&self) -> bool {
        self.pairs().all(|(one, other)| one.run.is_none() || other.run.is_none())
    }

    /// Whether each record that arrived twice did so in the same message.
    pub fn repeats_whole_messages(&self) -> bool {
        self.pairs().all(|(one, other)| one.repeats(other))
    }

    /// The pairs of messages that share a record.
    fn pairs(&self) -> impl Iterator<Item = (&Message, &Message)> {
        let both = || self.accepted.iter().chain(&self.adrift);
        let pairs =
            both().enumerate().flat_map(move |(nth, one)| both().skip(nth + 1).map(move |two| (one, two)));
        pairs.filter(|(one, other)| one.content == other.content && one.overlaps(other))
    }
}

fn insert(messages: &mut Vec<Message>, message: Message) {
    let at = messages.partition_point(|other| *other < message);
    if message.run.is_some() || messages.get(at) != Some(&message) {
        messages.insert(at, message);
    }
}
