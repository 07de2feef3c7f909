//! What must hold in every state.

use super::blob::etag;
use super::moves::{Move, Setup};
use super::state::State;
use super::table::Answer;
use stateright::{Model, Property};

/// How many steps an undisturbed attempt takes at most.
const STEPS: usize = 200;

/// The model: from one state on, everything that can happen.
#[derive(Clone, Debug)]
pub struct Forwarding {
    pub first: State,
    pub setup: Setup,
}

impl Model for Forwarding {
    type State = State;
    type Action = Move;

    fn init_states(&self) -> Vec<State> {
        vec![self.first.clone()]
    }

    fn actions(&self, state: &State, moves: &mut Vec<Move>) {
        state.moves(moves);
    }

    fn next_state(&self, state: &State, step: Move) -> Option<State> {
        state.after(&self.setup, &step).filter(|next| next != state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("nothing is left out", |_, state| has_no_gap(state)),
            Property::always("offsets never fall", |_, state: &State| !state.has_fallen),
            Property::always("without a crash, a failed send or a lost claim once", |_, state: &State| {
                state.hub.repeats_only_what_it_may()
            }),
            Property::always("what is repeated is the same message", |_, state: &State| {
                state.hub.repeats_whole_messages()
            }),
            Property::always(
                "undisturbed attempts complete it, as promised",
                |model: &Self, state: &State| !state.is_quiet() || model.completes(state),
            ),
            Property::sometimes("everything is forwarded", |_, state: &State| {
                state.is_quiet() && is_complete(state)
            }),
        ]
    }
}

impl Forwarding {
    /// Whether attempts without faults bring everything to the hub, once claims have expired. From a state in
    /// which workers are at work, such attempts lead to one in which none is: it is enough to ask there.
    fn completes(&self, state: &State) -> bool {
        let mut state = state.clone();
        let latest = state.workers.iter().map(|worker| worker.ahead).max().unwrap_or_default();
        state.now += latest + self.setup.passes;
        for worker in 0..state.workers.len() {
            let Some(next) = self.undisturbed(&state, worker) else { return false };
            state = next;
        }
        is_complete(&state) && has_no_gap(&state) && !state.has_fallen && state.hub.repeats_whole_messages()
    }

    /// The state after an attempt of `worker` that nothing disturbs; none if it does not end.
    fn undisturbed(&self, state: &State, worker: usize) -> Option<State> {
        let mut state = state.after(&self.setup, &Move::Start(worker, Answer::Good))?;
        let mut moves = Vec::new();
        for _ in 0..STEPS {
            if state.workers[worker].is_idle() {
                return Some(state);
            }
            moves.clear();
            state.moves(&mut moves);
            let step = moves.iter().find(|step| step.is_progress_of(worker))?;
            state = state.after(&self.setup, step)?;
        }
        None
    }
}

/// Whether the hub holds everything that the row calls forwarded.
fn has_no_gap(state: &State) -> bool {
    let Some(row) = &state.row else { return true };
    let covered = (0..state.versions.len()).find(|version| row.covers(&etag(*version)));
    state.hub.holds_up_to(row.progress.generation, row.progress.offset)
        && covered.is_none_or(|version| state.hub.holds_all(state.versions[version]))
}

/// Whether the newest version is forwarded, and the row says so.
fn is_complete(state: &State) -> bool {
    let newest = etag(state.versions.len() - 1);
    state.row.as_ref().is_some_and(|row| row.covers(&newest)) && state.hub.holds_all(state.newest())
}
