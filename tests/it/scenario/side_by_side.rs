//! Concurrent runs of one process: their memory, their order, and how they stop.

use crate::support::blobs::blob;
use crate::support::faults::{Action, Call, When};
use crate::support::judge::judge;
use crate::support::memory::MemoryHub;
use crate::support::records::{content, record, records};
use crate::support::world::{World, now, play, slow_world};
use bytes::Bytes;
use flowlog_forwarder::checkpoint::BlobVersion;
use flowlog_forwarder::forward::{Completion, ForwardError, ForwarderOptions};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

#[tokio::test(start_paused = true)]
async fn memory_is_reserved_by_the_blobs_length_not_the_events() {
    let some: Vec<String> = (0..50).map(|number| record(number, 40)).collect();
    let many: Vec<String> = some.iter().cycle().take(7_000).cloned().collect();
    let whole = Bytes::from(content(&many));
    for length in [Some(whole.len() as u64), Some(3_000), Some(0), Some(u64::MAX / 2)] {
        let world = slow_world(Duration::from_millis(1));
        world.faults.all(Call::Send, Action::Hang(When::Before));
        let process = Arc::new(world.process("a"));
        let runs: Vec<_> = (0..40)
            .map(|nic| {
                let commit = world.commit_raw(&blob(nic), whole.clone());
                let commit = BlobVersion { length: length.unwrap_or(commit.length), ..commit };
                let process = Arc::clone(&process);
                tokio::spawn(async move { play(&process, &blob(nic), &commit).await })
            })
            .collect();
        tokio::time::sleep(Duration::from_secs(5)).await;
        let read = world.blobs.bytes_read() >> 20;
        assert!(read <= 48, "{read} MiB are held when events name the length {length:?}");
        runs.iter().for_each(tokio::task::JoinHandle::abort);
    }
}

#[tokio::test(start_paused = true)]
async fn small_events_do_not_wait_behind_long_ones() {
    let world = slow_world(Duration::from_millis(50));
    let process = Arc::new(world.process("a"));
    let long: Vec<String> = (0..30_000).map(|number| record(number % 90_000, 8)).collect();
    let long = Bytes::from(content(&long));
    assert!(long.len() > 16 << 20);
    let runs: Vec<_> = (0..90)
        .map(|nic| {
            let commit = world.commit_raw(&blob(nic), long.clone());
            let process = Arc::clone(&process);
            tokio::spawn(async move { play(&process, &blob(nic), &commit).await })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(120)).await;
    let commit = world.commit_raw(&blob(100), content(&records(3)));
    let began = now();
    assert_eq!(play(&process, &blob(100), &commit).await.unwrap().records, 3);
    // The time of one read: it did not wait.
    assert_eq!(now() - began, Duration::from_millis(50));
    runs.iter().for_each(tokio::task::JoinHandle::abort);
}

#[tokio::test(start_paused = true)]
async fn the_sweep_yields_to_events_between_windows() {
    let mut times = Vec::new();
    for beside_an_event in [false, true] {
        let options = ForwarderOptions { window: 2_000, ..ForwarderOptions::default() };
        let world = slow_world(Duration::from_millis(10));
        let process = Arc::new(world.process_with("a", options));
        let swept = world.commit_raw(&blob(1), content(&records(200)));
        let event = world.commit_raw(&blob(2), content(&records(4_000)));
        let run = tokio::spawn({
            let process = Arc::clone(&process);
            async move {
                if beside_an_event {
                    play(&process, &blob(2), &event).await.unwrap();
                }
            }
        });
        tokio::task::yield_now().await;
        let began = now();
        process.catch_up(&blob(1), &swept, None, began + Duration::from_secs(25)).await.unwrap();
        times.push(now() - began);
        run.abort();
    }
    assert!(times[1] > 4 * times[0], "alone, and beside an event: {times:?}");
}

#[tokio::test(start_paused = true)]
async fn a_stop_makes_a_run_save_and_release() {
    let options = ForwarderOptions {
        window: 2_000,
        max_message_bytes: NonZeroUsize::new(2_500),
        ..ForwarderOptions::default()
    };
    let world = World { hub: MemoryHub::with_limit(8_000), ..slow_world(Duration::from_millis(100)) };
    let process = Arc::new(world.process_with("a", options));
    let commit = world.commit_raw(&blob(1), content(&records(1_000)));
    let run = tokio::spawn({
        let (process, commit) = (Arc::clone(&process), commit.clone());
        async move { play(&process, &blob(1), &commit).await }
    });
    tokio::time::sleep(Duration::from_secs(3)).await;
    process.stop();
    assert!(process.is_stopping());
    let done = run.await.unwrap().unwrap();
    assert_eq!(done.completion, Completion::LeftOver);
    let row = world.row(&blob(1)).unwrap();
    assert_eq!((row.claim, row.in_flight), (None, None), "any process may continue");
    assert_eq!(world.received().len() as u64, done.records);
    let late = play(&process, &blob(1), &commit).await;
    assert!(matches!(late, Err(ForwardError::Stopping { .. })), "{late:?}");
    // Another process continues, and repeats nothing.
    world.faults.clear();
    let other = world.process_with("b", ForwarderOptions::default());
    play(&other, &blob(1), &commit).await.unwrap();
    assert_eq!(judge(&records(1_000), &world.hub.received()).repeated, 0);
    assert_eq!(world.received(), records(1_000));
}
