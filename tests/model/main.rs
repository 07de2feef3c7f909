//! A model of claim, send, save and release: every order in which two or three workers, a growing blob and
//! what goes wrong can meet, as far as the bounds of each test reach.
//!
//! The rules are the crate's own functions: [`flowlog_forwarder::checkpoint`] with its `lease`, `plan` and
//! `batch::Packer`. The model adds what calls them, in the order of `forward` and `leases`: which call comes
//! next, what an answer means that got lost, and what a worker forgets when it dies.
//!
//! `make test` searches as far as a minute reaches; `make model`, which sets `FLOWLOG_MODEL_DEEP`, further.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr, unreachable_pub, reason = "tests")]

mod attempt;
mod blob;
mod faults;
mod hub;
mod moves;
mod promises;
mod row;
mod sending;
mod state;
mod table;
mod worker;

use blob::{Version, body_of};
use faults::{Fault, Left};
use hub::Hub;
use moves::Setup;
use promises::Forwarding;
use state::State;
use stateright::{Checker, HasDiscoveries, Model, Property};
use worker::Worker;

/// The time after which every claim has expired, milliseconds.
const EXPIRY: u64 = 61_000;

/// How far a search goes.
struct Reach {
    /// How many faults there are in all.
    faults: u8,
    /// How often the blob grows.
    commits: u8,
}

/// Who meets, and what may go wrong.
struct Scenario<'s> {
    name: &'s str,
    workers: usize,
    /// How far the clock of the second worker is ahead, milliseconds.
    ahead: u64,
    /// How often each fault may happen.
    kinds: &'s [(Fault, u8)],
}

impl Scenario<'_> {
    /// Searches as far as `quick` reaches, or as far as `deep` does when that is asked for.
    #[expect(clippy::disallowed_methods, reason = "a setting of the tests, not of the program")]
    fn search(&self, quick: Reach, deep: Reach) {
        let Reach { faults, commits } =
            if std::env::var_os("FLOWLOG_MODEL_DEEP").is_some() { deep } else { quick };
        let kinds = [self.kinds, &[(Fault::Commit, commits)]].concat();
        search(self.name, &self.model(Left::new(faults, &kinds)));
    }

    /// An empty table, idle workers, a blob of three records, and messages of two or of three.
    fn model(&self, left: Left) -> Forwarding {
        let settings = [body_of(2), body_of(3)];
        let worker = |index: usize| {
            let ahead = if index == 1 { self.ahead } else { 0 };
            Worker::new(["a", "b", "c"][index], ahead, settings[index % 2])
        };
        let state = State {
            now: 1_000_000,
            versions: vec![Version { content: 0, records: 3 }],
            row: None,
            has_fallen: false,
            hub: Hub::default(),
            workers: (0..self.workers).map(worker).collect(),
            left,
        };
        Forwarding { first: state, setup: Setup { grows_by: 2, passes: EXPIRY, settings } }
    }
}

/// Searches everything that can happen, and shows the shortest way to what must not.
fn search(name: &str, model: &Forwarding) {
    let found = model.clone().checker().finish_when(HasDiscoveries::AnyFailures).spawn_dfs().join();
    eprintln!("{name}: {} states, at most {} steps", found.unique_state_count(), found.max_depth());
    if failures(&found).is_empty() {
        return;
    }
    let found = model.clone().checker().finish_when(HasDiscoveries::AnyFailures).spawn_bfs().join();
    let failures = failures(&found);
    for (property, path) in
        found.discoveries().into_iter().filter(|(property, _)| failures.contains(property))
    {
        let last = path.last_state().clone();
        let steps: Vec<_> = path.into_actions().iter().map(|step| format!("  {step:?}")).collect();
        eprintln!("not so: {property}\n{}\n{last:#?}", steps.join("\n"));
    }
    panic!("{name}: {failures:?}");
}

/// The properties that don't hold.
fn failures(found: &impl Checker<Forwarding>) -> Vec<&'static str> {
    let (properties, discoveries) = (found.model().properties(), found.discoveries());
    let fails = |property: &Property<Forwarding>| {
        property.expectation.discovery_is_failure() == discoveries.contains_key(property.name)
    };
    properties.iter().filter(|property| fails(property)).map(|property| property.name).collect()
}

#[test]
fn one_fault_of_any_kind() {
    let kinds = [
        (Fault::Rewrite, 1),
        (Fault::Crash, 1),
        (Fault::Setting, 1),
        (Fault::Call, 2),
        (Fault::CutOff, 1),
        (Fault::Send, 1),
        (Fault::Time, 1),
        (Fault::Expiry, 1),
    ];
    let scenario = Scenario { name: "any fault", workers: 2, ahead: 0, kinds: &kinds };
    scenario.search(Reach { faults: 1, commits: 1 }, Reach { faults: 2, commits: 1 });
}

#[test]
fn calls_fail_while_claims_expire() {
    let kinds = [(Fault::Call, 2), (Fault::Expiry, 1)];
    let scenario = Scenario { name: "calls and expiry", workers: 2, ahead: 0, kinds: &kinds };
    scenario.search(Reach { faults: 2, commits: 1 }, Reach { faults: 3, commits: 1 });
}

#[test]
fn workers_die_and_settings_change() {
    let kinds = [(Fault::Crash, 2), (Fault::Setting, 1), (Fault::Send, 1), (Fault::Expiry, 1)];
    let scenario = Scenario { name: "crashes and settings", workers: 2, ahead: 0, kinds: &kinds };
    scenario.search(Reach { faults: 2, commits: 0 }, Reach { faults: 3, commits: 1 });
}

#[test]
fn the_blob_is_rewritten_twice() {
    let kinds = [(Fault::Rewrite, 2), (Fault::Crash, 1), (Fault::Expiry, 1)];
    let scenario = Scenario { name: "rewrites", workers: 2, ahead: 0, kinds: &kinds };
    scenario.search(Reach { faults: 2, commits: 0 }, Reach { faults: 3, commits: 1 });
}

#[test]
fn attempts_run_out_of_time() {
    let kinds = [(Fault::CutOff, 1), (Fault::Call, 1), (Fault::Time, 2)];
    let scenario = Scenario { name: "out of time", workers: 2, ahead: 0, kinds: &kinds };
    scenario.search(Reach { faults: 2, commits: 1 }, Reach { faults: 3, commits: 1 });
}

#[test]
fn clocks_are_apart() {
    let kinds = [(Fault::Crash, 1), (Fault::Call, 1), (Fault::Send, 1), (Fault::Time, 1)];
    let scenario = Scenario { name: "clocks apart", workers: 2, ahead: EXPIRY, kinds: &kinds };
    scenario.search(Reach { faults: 1, commits: 0 }, Reach { faults: 1, commits: 1 });
}

#[test]
fn three_workers_meet() {
    let kinds = [(Fault::Crash, 1), (Fault::Call, 1), (Fault::Expiry, 1)];
    let scenario = Scenario { name: "three workers", workers: 3, ahead: 0, kinds: &kinds };
    scenario.search(Reach { faults: 1, commits: 0 }, Reach { faults: 1, commits: 1 });
}
