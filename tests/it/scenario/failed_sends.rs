//! Sends that fail in the middle of a run.

use crate::support::blobs::blob;
use crate::support::faults::{Action, Call, When};
use crate::support::judge::judge;
use crate::support::records::records;
use crate::support::world::{World, play};
use flowlog_forwarder::forward::{ForwardError, ForwarderOptions};
use std::num::NonZeroUsize;

#[tokio::test]
async fn a_failed_run_counts_and_names_what_it_forwarded() {
    let world = World::with_hub_limit(4_000);
    let max_message_bytes = NonZeroUsize::new(2_000);
    let process =
        world.process_with("a", ForwarderOptions { max_message_bytes, ..ForwarderOptions::default() });
    world.faults.nth(Call::Send, 3, Action::Fail(When::Before));
    let commit = world.commit(&blob(1), &records(30));
    let error = play(&process, &blob(1), &commit).await.unwrap_err();
    let offset = world.row(&blob(1)).unwrap().progress.offset;
    assert!(offset > 0 && matches!(error, ForwardError::Send { from, .. } if from == offset), "{error}");
    play(&process, &blob(1), &commit).await.unwrap();
    let text = process.metrics().text();
    assert!(text.lines().any(|line| line == "flowlog_records_total 30"), "{text}");
}

#[tokio::test]
async fn a_late_refusal_repeats_only_what_was_accepted_after_it() {
    let world = World::with_hub_limit(4_000);
    let max_message_bytes = NonZeroUsize::new(2_000);
    let process =
        world.process_with("a", ForwarderOptions { max_message_bytes, ..ForwarderOptions::default() });
    world.faults.nth(Call::Send, 2, Action::Busy);
    world.faults.answer_after(2, 3);
    let commit = world.commit(&blob(1), &records(60));
    play(&process, &blob(1), &commit).await.unwrap_err();
    let behind = world.hub.received().len();
    play(&process, &blob(1), &commit).await.unwrap();
    let verdict = judge(&records(60), &world.hub.received());
    assert!(verdict.is_kept() && verdict.repeated > 0 && verdict.repeated < behind, "{verdict:?}");
}
