//! The producer against the Event Hubs stand-in, and against hostile peers.

mod hostile;
mod links;
mod network;
mod rejections;
mod sessions;
mod tokens;

use crate::support::hub::OnRig;
use crate::support::received::{Received, received};
use flowlog_forwarder::message::Batch;
use flowlog_forwarder::ports::hub::HubError;
use std::collections::BTreeMap;

/// Fails unless all batches were acknowledged and arrived, in order; returns how many repeats arrived.
async fn all_arrived(it: &OnRig, batches: &[Batch], results: &[Result<(), HubError>]) -> usize {
    assert!(results.iter().all(Result::is_ok), "{results:?}");
    let arrived = it.received().await;
    let mut distinct: BTreeMap<u64, &Received> = BTreeMap::new();
    for one in &arrived {
        // A repeat is the same message in every respect.
        assert_eq!(*distinct.entry(one.range.start).or_insert(one), one);
    }
    let expected: Vec<Received> = batches.iter().flat_map(received).collect();
    assert_eq!(distinct.into_values().cloned().collect::<Vec<_>>(), expected);
    arrived.len() - expected.len()
}
