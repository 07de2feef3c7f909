//! A state model of claim, send, save and release. It searches every interleaving of two or three workers, a
//! growing blob and faults, within the limits of each test.
//!
//! All rules are the crate's own functions: [`flowlog_forwarder::checkpoint`], `forward::plan` and
//! `message::batch::Packer`. The model adds their callers, in the order of `forward`: which call comes next, what
//! a lost answer means, and what a worker forgets when it dies.
//!
//! `make test` searches for about a minute. `make model` sets `FLOWLOG_MODEL_DEEP` and searches deeper.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr, unreachable_pub, reason = "tests")]

mod actions;
mod attempt;
mod blob;
mod faults;
mod hub;
mod properties;
mod row;
mod sending;
mod state;
mod table;
mod worker;

use actions::Setup;
use blob::{Version, body_of};
use faults::{Fault, FaultBudget};
use hub::Hub;
use properties::ForwardingModel;
use state::State;
use stateright::{Checker, HasDiscoveries, Model, Property};
use worker::Worker;

/// After this time every claim has expired, milliseconds.
const EXPIRY: u64 = 61_000;

/// The limits of a search.
struct SearchLimits {
    /// The total number of faults.
    faults: u8,
    /// The number of commits.
    commits: u8,
}

/// The workers of a search, and the faults that may occur.
struct Scenario<'s> {
    name: &'s str,
    workers: usize,
    /// How far the clock of the second worker is ahead, milliseconds.
    ahead: u64,
    /// How often each fault may occur.
    kinds: &'s [(Fault, u8)],
}

impl Scenario<'_> {
    /// Searches within `quick`, or within `deep` if `FLOWLOG_MODEL_DEEP` is set.
    #[expect(clippy::disallowed_methods, reason = "a setting of the tests, not of the program")]
    fn search(&self, quick: SearchLimits, deep: SearchLimits) {
        let SearchLimits { faults, commits } =
            if std::env::var_os("FLOWLOG_MODEL_DEEP").is_some() { deep } else { quick };
        let kinds = [self.kinds, &[(Fault::Commit, commits)]].concat();
        search(self.name, &self.model(FaultBudget::new(faults, &kinds)));
    }

    /// No row, idle workers, a blob of three records, and messages of two or three records.
    fn model(&self, faults_left: FaultBudget) -> ForwardingModel {
        let settings = [body_of(2), body_of(3)];
        let worker = |index: usize| {
            let ahead = if index == 1 { self.ahead } else { 0 };
            Worker::new(["a", "b", "c"][index], ahead, settings[index % 2])
        };
        let state = State {
            now: 1_000_000,
            versions: vec![Version { content: 0, records: 3 }],
            row: None,
            moved_back: false,
            hub: Hub::default(),
            workers: (0..self.workers).map(worker).collect(),
            faults_left,
        };
        ForwardingModel { first: state, setup: Setup { grows_by: 2, expiry: EXPIRY, settings } }
    }
}

/// Searches all states and prints the shortest path to each violation.
fn search(name: &str, model: &ForwardingModel) {
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
        eprintln!("violated: {property}\n{}\n{last:#?}", steps.join("\n"));
    }
    panic!("{name}: {failures:?}");
}

/// The names of the violated properties.
fn failures(found: &impl Checker<ForwardingModel>) -> Vec<&'static str> {
    let (properties, discoveries) = (found.model().properties(), found.discoveries());
    let fails = |property: &Property<ForwardingModel>| {
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
        (Fault::ReleaseTimeout, 1),
        (Fault::Send, 1),
        (Fault::OutOfTime, 1),
        (Fault::Expiry, 1),
    ];
    let scenario = Scenario { name: "any fault", workers: 2, ahead: 0, kinds: &kinds };
    scenario.search(SearchLimits { faults: 1, commits: 1 }, SearchLimits { faults: 2, commits: 1 });
}

#[test]
fn calls_fail_while_claims_expire() {
    let kinds = [(Fault::Call, 2), (Fault::Expiry, 1)];
    let scenario = Scenario { name: "calls and expiry", workers: 2, ahead: 0, kinds: &kinds };
    scenario.search(SearchLimits { faults: 2, commits: 1 }, SearchLimits { faults: 3, commits: 1 });
}

#[test]
fn workers_die_and_settings_change() {
    let kinds = [(Fault::Crash, 2), (Fault::Setting, 1), (Fault::Send, 1), (Fault::Expiry, 1)];
    let scenario = Scenario { name: "crashes and settings", workers: 2, ahead: 0, kinds: &kinds };
    scenario.search(SearchLimits { faults: 2, commits: 0 }, SearchLimits { faults: 3, commits: 1 });
}

#[test]
fn the_blob_is_rewritten_twice() {
    let kinds = [(Fault::Rewrite, 2), (Fault::Crash, 1), (Fault::Expiry, 1)];
    let scenario = Scenario { name: "rewrites", workers: 2, ahead: 0, kinds: &kinds };
    scenario.search(SearchLimits { faults: 2, commits: 0 }, SearchLimits { faults: 3, commits: 1 });
}

#[test]
fn attempts_run_out_of_time() {
    let kinds = [(Fault::ReleaseTimeout, 1), (Fault::Call, 1), (Fault::OutOfTime, 2)];
    let scenario = Scenario { name: "out of time", workers: 2, ahead: 0, kinds: &kinds };
    scenario.search(SearchLimits { faults: 2, commits: 1 }, SearchLimits { faults: 3, commits: 1 });
}

#[test]
fn clocks_differ() {
    let kinds = [(Fault::Crash, 1), (Fault::Call, 1), (Fault::Send, 1), (Fault::OutOfTime, 1)];
    let scenario = Scenario { name: "clocks differ", workers: 2, ahead: EXPIRY, kinds: &kinds };
    scenario.search(SearchLimits { faults: 1, commits: 0 }, SearchLimits { faults: 1, commits: 1 });
}

#[test]
fn three_workers_compete() {
    let kinds = [(Fault::Crash, 1), (Fault::Call, 1), (Fault::Expiry, 1)];
    let scenario = Scenario { name: "three workers", workers: 3, ahead: 0, kinds: &kinds };
    scenario.search(SearchLimits { faults: 1, commits: 0 }, SearchLimits { faults: 1, commits: 1 });
}
