//! Faults of the twins: which call, how often, and what happens.

use crate::support::faulty::Life;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::watch;

/// The calls that a process makes to its ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Call {
    Read,
    Blocks,
    Load,
    Swap,
    Limits,
    Send,
    Quarantine,
    List,
    Scan,
    Delete,
    Copy,
}

/// Whether a fault comes before or after the effect of the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    Before,
    After,
}

/// What happens to a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// It fails; its outcome is unknown to the caller.
    Fail(When),
    /// A send without effect: the hub is busy.
    Busy,
    /// A send without effect: the hub refuses the batch for good.
    Refuse,
    /// It never returns.
    Hang(When),
    /// The process that made it ends, with all its memory.
    Kill(When),
    /// The process that made it stops until [`Faults::resume`].
    Pause(When),
    /// It takes this long; other faults of the call follow.
    Delay(Duration),
}

/// The calls that a fault strikes.
#[derive(Clone, Debug)]
enum Calls {
    /// The call with this number, counted from 0 over all calls.
    Number(usize),
    /// The call with this number among calls of this kind, counted from 0.
    Nth(Call, usize),
    /// All calls of this kind whose target contains this text.
    All(Call, String),
}

/// A call that was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answered {
    pub call: Call,
    /// The prefix of a listing, the first partition of a scan, the condition of a read.
    pub target: String,
    /// The blobs or rows of a page.
    pub items: usize,
}

/// The faults of one world, and the calls that its processes made.
#[derive(Default)]
pub struct Faults {
    made: Mutex<Made>,
    answered: Mutex<Vec<Answered>>,
    planned: Mutex<Vec<(Calls, Action)>>,
    /// Sends, by number, whose answer waits for the answer to another send.
    late_answers: Mutex<BTreeMap<usize, usize>>,
    /// The numbers of the sends that were answered.
    answered_sends: watch::Sender<BTreeSet<usize>>,
    /// How many pauses [`Faults::until_paused`] has not reported yet.
    unseen_pauses: watch::Sender<usize>,
    paused: Mutex<VecDeque<Arc<Life>>>,
    /// Makes calls yield a random number of times; 0 never does.
    jitter: Mutex<u64>,
}

#[derive(Default)]
struct Made {
    calls: Vec<Call>,
    by_kind: HashMap<Call, usize>,
}

impl Faults {
    /// Strikes the calls with these numbers, counted from 0 over all calls.
    pub fn at(actions: impl IntoIterator<Item = (usize, Action)>) -> Arc<Self> {
        let planned = actions.into_iter().map(|(number, action)| (Calls::Number(number), action));
        Arc::new(Self { planned: Mutex::new(planned.collect()), ..Self::default() })
    }

    /// No faults, but calls overtake each other as `seed` decides.
    pub fn reordering(seed: u64) -> Arc<Self> {
        Arc::new(Self { jitter: Mutex::new(seed), ..Self::default() })
    }

    /// Strikes the call with this number among calls of its kind, counted from 0.
    pub fn nth(&self, call: Call, number: usize, action: Action) {
        self.plan(Calls::Nth(call, number), action);
    }

    /// Strikes every call of this kind, until [`Faults::clear`].
    pub fn all(&self, call: Call, action: Action) {
        self.all_of(call, "", action);
    }

    /// Strikes every call of this kind whose target contains `target`, until [`Faults::clear`].
    pub fn all_of(&self, call: Call, target: &str, action: Action) {
        self.plan(Calls::All(call, target.to_owned()), action);
    }

    /// Answers the send `number` only after the send `other`; the hub keeps the order of the calls.
    pub fn answer_after(&self, number: usize, other: usize) {
        self.late_answers.lock().unwrap().insert(number, other);
    }

    /// Ends all faults.
    pub fn clear(&self) {
        self.planned.lock().unwrap().clear();
    }

    fn plan(&self, calls: Calls, action: Action) {
        self.planned.lock().unwrap().push((calls, action));
    }

    /// The calls made so far, in order.
    pub fn calls(&self) -> Vec<Call> {
        self.made.lock().unwrap().calls.clone()
    }

    /// The calls that were answered with success, in order.
    pub fn answered(&self) -> Vec<Answered> {
        self.answered.lock().unwrap().clone()
    }

    /// Waits until a process is paused.
    pub async fn until_paused(&self) {
        self.unseen_pauses.subscribe().wait_for(|count| *count > 0).await.unwrap();
        self.unseen_pauses.send_modify(|count| *count -= 1);
    }

    /// Resumes the process that was paused first.
    pub fn resume(&self) {
        let life = self.paused.lock().unwrap().pop_front().expect("a paused process");
        life.set_paused(false);
    }

    /// Notes a process as paused.
    pub(super) fn pause(&self, life: &Arc<Life>) {
        life.set_paused(true);
        self.paused.lock().unwrap().push_back(Arc::clone(life));
        self.unseen_pauses.send_modify(|count| *count += 1);
    }

    /// Notes a call; returns its number among its kind, how long it takes, and what happens to it.
    pub(super) fn next(&self, call: Call, target: &str) -> (usize, Duration, Option<Action>) {
        let mut made = self.made.lock().unwrap();
        let number = made.calls.len();
        made.calls.push(call);
        let of_kind = made.by_kind.entry(call).or_default();
        let nth = std::mem::replace(of_kind, *of_kind + 1);
        let planned = self.planned.lock().unwrap();
        let actions = planned.iter().filter(|(calls, _)| match calls {
            Calls::Number(wanted) => *wanted == number,
            Calls::Nth(kind, wanted) => (*kind, *wanted) == (call, nth),
            Calls::All(kind, text) => *kind == call && target.contains(text),
        });
        let (mut delay, mut struck) = (Duration::ZERO, None);
        for (_, action) in actions {
            match action {
                Action::Delay(time) => delay += *time,
                action => struck = Some(*action),
            }
        }
        (nth, delay, struck)
    }

    pub(super) fn note(&self, call: Call, target: &str, items: usize) {
        self.answered.lock().unwrap().push(Answered { call, target: target.to_owned(), items });
    }

    /// Waits for the other answer that the answer to the send `number` follows.
    pub(super) async fn wait_for_turn(&self, number: usize) {
        let other = self.late_answers.lock().unwrap().remove(&number);
        if let Some(other) = other {
            let mut answered = self.answered_sends.subscribe();
            let _ = answered.wait_for(|answered| answered.contains(&other)).await;
        }
    }

    pub(super) fn note_send(&self, number: usize) {
        self.answered_sends.send_modify(|answered| {
            answered.insert(number);
        });
    }

    pub(super) async fn jitter(&self) {
        let times = {
            let mut state = self.jitter.lock().unwrap();
            *state = random(*state);
            if *state == 0 { 0 } else { *state % 7 }
        };
        for _ in 0..times {
            tokio::task::yield_now().await;
        }
    }
}

/// The number after `state` in a series that looks random (xorshift); 0 stays 0.
pub fn random(mut state: u64) -> u64 {
    state ^= state << 13;
    state ^= state >> 7;
    state ^ (state << 17)
}
