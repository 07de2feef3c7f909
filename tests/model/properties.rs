//! The properties that must hold in every state.

use super::actions::{Action, Setup};
use super::blob::etag;
use super::state::State;
use super::table::CallOutcome;
use stateright::{Model, Property};

/// The most steps of an undisturbed attempt.
const STEPS: usize = 200;

/// The model: the first state and its constants.
#[derive(Clone, Debug)]
pub struct ForwardingModel {
    pub first: State,
    pub setup: Setup,
}

impl Model for ForwardingModel {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![self.first.clone()]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        state.actions(actions);
    }

    fn next_state(&self, state: &State, step: Action) -> Option<State> {
        state.after(&self.setup, &step).filter(|next| next != state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("no record is skipped", |_, state| has_no_gap(state)),
            Property::always("offsets never move back", |_, state: &State| !state.moved_back),
            Property::always(
                "only a crash, a failed send or a lost claim repeats records",
                |_, state: &State| state.hub.all_repeats_are_allowed(),
            ),
            Property::always("a repeated message is identical", |_, state: &State| {
                state.hub.all_repeats_are_identical()
            }),
            Property::always("attempts without faults complete the blob", |model: &Self, state: &State| {
                !state.is_quiet() || model.completes(state)
            }),
            Property::sometimes("everything is forwarded", |_, state: &State| {
                state.is_quiet() && is_complete(state)
            }),
        ]
    }
}

impl ForwardingModel {
    /// Whether attempts without faults forward everything, once claims have expired. Checked only while all
    /// workers are idle: attempts without faults lead from every other state to such a one.
    fn completes(&self, state: &State) -> bool {
        let mut state = state.clone();
        let latest = state.workers.iter().map(|worker| worker.ahead).max().unwrap_or_default();
        state.now += latest + self.setup.expiry;
        for worker in 0..state.workers.len() {
            let Some(next) = self.undisturbed(&state, worker) else { return false };
            state = next;
        }
        is_complete(&state)
            && has_no_gap(&state)
            && !state.moved_back
            && state.hub.all_repeats_are_identical()
    }

    /// The state after an attempt of `worker` without faults; `None` if it does not end.
    fn undisturbed(&self, state: &State, worker: usize) -> Option<State> {
        let mut state = state.after(&self.setup, &Action::Start(worker, CallOutcome::Good))?;
        let mut actions = Vec::new();
        for _ in 0..STEPS {
            if state.workers[worker].is_idle() {
                return Some(state);
            }
            actions.clear();
            state.actions(&mut actions);
            let step = actions.iter().find(|step| step.advances(worker))?;
            state = state.after(&self.setup, step)?;
        }
        None
    }
}

/// Whether the hub has every record that the row covers.
fn has_no_gap(state: &State) -> bool {
    let Some(row) = &state.row else { return true };
    let covered = (0..state.versions.len()).find(|version| row.covers(&etag(*version)));
    state.hub.has_all_before(row.progress.generation, row.progress.offset)
        && covered.is_none_or(|version| state.hub.has_all(state.versions[version]))
}

/// Whether the newest version is forwarded and the row covers it.
fn is_complete(state: &State) -> bool {
    let newest = etag(state.versions.len() - 1);
    state.row.as_ref().is_some_and(|row| row.covers(&newest)) && state.hub.has_all(state.newest())
}
