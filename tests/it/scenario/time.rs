//! Whatever takes longer than its time gets on at each attempt, or ends with a definite outcome.

use crate::support::judge::{Verdict, judge};
use crate::support::memory::{MemoryBlobs, MemoryQuarantine, MemoryTable};
use crate::support::memory_hub::{Failure, MemoryHub, records_of};
use crate::support::samples::{blob, content, record};
use crate::support::world::{Twins, World, play, records};
use bytes::Bytes;
use flowlog_forwarder::checkpoint::BlobVersion;
use flowlog_forwarder::clock::Clock;
use flowlog_forwarder::flow_log::FlowLogBlob;
use flowlog_forwarder::forward::lease_store::LeaseStore;
use flowlog_forwarder::forward::{Completion, ForwardError, Forwarder, ForwarderOptions};
use flowlog_forwarder::message::{Batch, Limits, Origin};
use flowlog_forwarder::ports::blobs::{BlobReader, Chunk, Condition, ReadError};
use flowlog_forwarder::ports::hub::{Hub, HubError};
use std::num::NonZeroUsize;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Storage that takes this long for each read, and counts what it has given out.
#[derive(Clone)]
struct Slow {
    blobs: MemoryBlobs,
    latency: Duration,
    given: Arc<AtomicU64>,
}

impl BlobReader for Slow {
    async fn read(
        &self,
        blob: &FlowLogBlob,
        range: Range<u64>,
        version: Condition<'_>,
    ) -> Result<Chunk, ReadError> {
        tokio::time::sleep(self.latency).await;
        let chunk = self.blobs.read(blob, range, version).await?;
        self.given.fetch_add(chunk.bytes.len() as u64, Ordering::Relaxed);
        Ok(chunk)
    }

    async fn blocks(&self, blob: &FlowLogBlob, etag: &str) -> Result<Vec<u64>, ReadError> {
        self.blobs.blocks(blob, etag).await
    }
}

/// A hub that never answers, not even at the deadline.
struct Deaf;

impl Hub for Deaf {
    async fn limits(&self, _: &Origin, _: Instant) -> Result<Limits, HubError> {
        Ok(Limits { transfer: 1 << 20, envelope: 16, message_overhead: 500 })
    }

    async fn send(&self, _: Batch, _: Instant) -> Result<(), HubError> {
        std::future::pending().await
    }
}

struct Play<H: Hub> {
    slow: Slow,
    table: MemoryTable,
    quarantine: MemoryQuarantine,
    process: Arc<Forwarder<Twins<Slow, MemoryTable, H>>>,
}

fn play_slowly<H: Hub>(latency: Duration, hub: Arc<H>, options: ForwarderOptions) -> Play<H> {
    let (table, quarantine) = (MemoryTable::default(), MemoryQuarantine::default());
    let slow = Slow { blobs: MemoryBlobs::default(), latency, given: Arc::default() };
    let leases = LeaseStore::new(table.clone(), "a".into(), Clock::system());
    let process =
        Forwarder::<Twins<_, _, _, _>>::new(Arc::new(slow.clone()), leases, hub, quarantine.clone(), options);
    Play { slow, table, quarantine, process: Arc::new(process) }
}

fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

impl<H: Hub> Play<H> {
    fn commit(&self, blob: &FlowLogBlob, content: impl Into<Bytes>) -> BlobVersion {
        let content = content.into();
        let length = content.len() as u64;
        BlobVersion { etag: self.slow.blobs.commit(blob, content), length }
    }

    fn offset(&self, blob: &FlowLogBlob) -> u64 {
        self.table.row(&blob.checkpoint_key()).map_or(0, |row| row.progress.offset)
    }
}

fn budget(budget: Duration) -> ForwarderOptions {
    ForwarderOptions { budget, ..ForwarderOptions::default() }
}

#[tokio::test(start_paused = true)]
async fn a_message_larger_than_what_is_read_in_time_gets_on_all_the_same() {
    let hub = Arc::new(MemoryHub::default());
    let options = ForwarderOptions { window: 2_000, ..budget(Duration::from_millis(400)) };
    let play = play_slowly(Duration::from_millis(15), Arc::clone(&hub), options);
    let commit = play.commit(&blob(1), content(&records(1_000)));
    let mut attempts = 0;
    loop {
        let before = play.offset(&blob(1));
        let done = play.process.forward(&blob(1), &commit, now()).await.unwrap();
        if done.completion == Completion::Complete {
            break;
        }
        assert!(play.offset(&blob(1)) > before, "attempt {attempts} brought nothing");
        attempts += 1;
    }
    assert!(attempts > 2, "{attempts}");
    let clean = Verdict { records: 1_000, ..Verdict::default() };
    assert_eq!(judge(&records(1_000), &hub.received()), clean);
}

#[tokio::test(start_paused = true)]
async fn a_takeover_after_a_message_ended_early_ends_it_at_the_same_place() {
    let hub = Arc::new(MemoryHub::default());
    let options = ForwarderOptions { window: 2_000, ..budget(Duration::from_millis(400)) };
    let play = play_slowly(Duration::from_millis(15), Arc::clone(&hub), options.clone());
    let commit = play.commit(&blob(1), content(&records(200)));
    // The message that the first run ends early is accepted, and its answer is lost.
    hub.fail(0, Failure::After(HubError::Unsettled { hub: "memory".into(), reason: "lost".into() }));
    play.process.forward(&blob(1), &commit, now()).await.unwrap_err();
    let leases = LeaseStore::new(play.table.clone(), "b".into(), Clock::system());
    let source = Arc::new(Slow { latency: Duration::ZERO, ..play.slow.clone() });
    let other = Forwarder::<Twins<_, _, _, _>>::new(
        source,
        leases,
        Arc::clone(&hub),
        play.quarantine.clone(),
        budget(Duration::from_secs(9)),
    );
    other.forward(&blob(1), &commit, now()).await.unwrap();
    let verdict = judge(&records(200), &hub.received());
    assert!(verdict.is_kept() && verdict.repeated > 0, "{verdict:?}");
}

/// A record of some 6 MB, between two small ones.
fn with_a_long_record() -> (Vec<String>, Bytes) {
    let all = vec![record(1, 3), record(2, 80_000), record(3, 3)];
    let whole = content(&all).into();
    (all, whole)
}

#[tokio::test(start_paused = true)]
async fn a_record_too_long_for_an_event_is_forwarded_by_the_sweep() {
    let hub = Arc::new(MemoryHub::default());
    let options = ForwarderOptions { window: 500_000, ..budget(Duration::from_secs(2)) };
    let play = play_slowly(Duration::from_millis(300), Arc::clone(&hub), options);
    let (_, whole) = with_a_long_record();
    let commit = play.commit(&blob(1), whole);
    let done = play.process.forward(&blob(1), &commit, now()).await.unwrap();
    assert_eq!(done.completion, Completion::LeftOver);
    let mut turns = 0;
    while play
        .process
        .catch_up(&blob(1), &commit, None, now() + Duration::from_secs(200))
        .await
        .unwrap()
        .completion
        != Completion::Complete
    {
        turns += 1;
        assert!(turns < 4, "it does not get on");
    }
    let bodies = hub.bodies();
    let tuples =
        bodies.iter().flat_map(|body| records_of(body)).map(|record| record.matches(",443,").count());
    assert_eq!(tuples.sum::<usize>(), 80_006);
    assert_eq!(play.quarantine.items().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_record_too_long_for_any_sweep_goes_to_quarantine_and_the_rest_goes_on() {
    let hub = Arc::new(MemoryHub::default());
    let options = ForwarderOptions { window: 100_000, ..budget(Duration::from_secs(2)) };
    let play = play_slowly(Duration::from_millis(300), Arc::clone(&hub), options);
    let (all, whole) = with_a_long_record();
    let blocks = [&whole[..12], all[0].as_bytes(), b",", all[1].as_bytes(), b",", all[2].as_bytes(), b"]}"];
    let etag = play.slow.blobs.commit_blocks(&blob(1), &blocks);
    let commit = BlobVersion { etag, length: whole.len() as u64 };
    let mut turns = 0;
    loop {
        let result = play.process.catch_up(&blob(1), &commit, None, now() + Duration::from_secs(9)).await;
        turns += 1;
        assert!(turns < 60, "no definite outcome: {result:?}");
        if result.is_ok_and(|done| done.completion == Completion::Complete) {
            break;
        }
    }
    assert_eq!(hub.records(), [all[0].clone(), all[2].clone()]);
    let kept: Vec<u8> = play.quarantine.items().into_iter().flat_map(|(_, bytes)| bytes).collect();
    assert!(kept.starts_with(all[1].as_bytes()), "whole, in order, in several items");
    assert!(play.quarantine.items().len() > 1);
}

#[tokio::test(start_paused = true)]
async fn a_gap_too_long_for_an_event_is_crossed_bit_by_bit() {
    let hub = Arc::new(MemoryHub::default());
    let options = ForwarderOptions { window: 50_000, ..budget(Duration::from_secs(2)) };
    let play = play_slowly(Duration::from_millis(300), Arc::clone(&hub), options);
    let all = records(2);
    let whole = content(&[all[0].clone(), format!("{}{}", " ".repeat(3_000_000), all[1])]);
    let commit = play.commit(&blob(1), whole);
    let mut attempts = 0;
    loop {
        let before = play.offset(&blob(1));
        if play.process.forward(&blob(1), &commit, now()).await.unwrap().completion == Completion::Complete {
            break;
        }
        assert!(play.offset(&blob(1)) > before, "attempt {attempts} brought nothing");
        attempts += 1;
    }
    assert!(attempts > 2, "{attempts}");
    assert_eq!((hub.records(), play.quarantine.items().len()), (all, 0));
    assert!(!play.table.row(&blob(1).checkpoint_key()).unwrap().progress.is_broken());
}

#[tokio::test(start_paused = true)]
async fn when_asked_to_stop_a_run_saves_and_releases() {
    let hub = Arc::new(MemoryHub::with_limit(8_000));
    let options = ForwarderOptions {
        window: 2_000,
        max_message_bytes: NonZeroUsize::new(2_500),
        ..budget(Duration::from_secs(25))
    };
    let play = play_slowly(Duration::from_millis(100), Arc::clone(&hub), options);
    let commit = play.commit(&blob(1), content(&records(1_000)));
    let run = tokio::spawn({
        let (process, commit) = (Arc::clone(&play.process), commit.clone());
        async move { process.forward(&blob(1), &commit, now()).await }
    });
    tokio::time::sleep(Duration::from_secs(3)).await;
    play.process.stop();
    assert!(play.process.is_stopping());
    let done = run.await.unwrap().unwrap();
    assert_eq!(done.completion, Completion::LeftOver);
    let row = play.table.row(&blob(1).checkpoint_key()).unwrap();
    assert_eq!((row.claim, row.in_flight), (None, None), "anybody may go on");
    assert_eq!(hub.records().len() as u64, done.records);
    let late = play.process.forward(&blob(1), &commit, now()).await;
    assert!(matches!(late, Err(ForwardError::Stopping { .. })), "{late:?}");
    // Another process goes on, and nothing comes twice.
    let leases = LeaseStore::new(play.table.clone(), "b".into(), Clock::system());
    let source = Arc::new(Slow { latency: Duration::ZERO, ..play.slow.clone() });
    let other = Forwarder::<Twins<_, _, _, _>>::new(
        source,
        leases,
        Arc::clone(&hub),
        play.quarantine.clone(),
        ForwarderOptions::default(),
    );
    other.forward(&blob(1), &commit, now()).await.unwrap();
    assert_eq!(judge(&records(1_000), &hub.received()).repeated, 0);
    assert_eq!(hub.records(), records(1_000));
}

#[tokio::test(start_paused = true)]
async fn memory_is_reserved_by_what_storage_says_and_not_by_events() {
    let some: Vec<String> = (0..50).map(|number| record(number, 40)).collect();
    let many: Vec<String> = some.iter().cycle().take(7_000).cloned().collect();
    let whole = Bytes::from(content(&many));
    for length in [Some(whole.len() as u64), Some(3_000), Some(0), Some(u64::MAX / 2)] {
        let play = play_slowly(Duration::from_millis(1), Arc::new(Deaf), ForwarderOptions::default());
        let runs: Vec<_> = (0..40)
            .map(|nic| {
                let commit = play.commit(&blob(nic), whole.clone());
                let commit = BlobVersion { length: length.unwrap_or(commit.length), ..commit };
                let process = Arc::clone(&play.process);
                tokio::spawn(async move { process.forward(&blob(nic), &commit, now()).await })
            })
            .collect();
        tokio::time::sleep(Duration::from_secs(5)).await;
        let given = play.slow.given.load(Ordering::Relaxed) >> 20;
        assert!(given <= 48, "{given} MiB held at once with events that say {length:?}");
        runs.iter().for_each(tokio::task::JoinHandle::abort);
    }
}

#[tokio::test(start_paused = true)]
async fn small_events_do_not_wait_behind_long_ones() {
    let hub = Arc::new(MemoryHub::default());
    let play = play_slowly(Duration::from_millis(50), Arc::clone(&hub), ForwarderOptions::default());
    let long: Vec<String> = (0..30_000).map(|number| record(number % 90_000, 8)).collect();
    let long = Bytes::from(content(&long));
    assert!(long.len() > 16 << 20);
    let runs: Vec<_> = (0..90)
        .map(|nic| {
            let commit = play.commit(&blob(nic), long.clone());
            let process = Arc::clone(&play.process);
            tokio::spawn(async move { process.forward(&blob(nic), &commit, now()).await })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(120)).await;
    let commit = play.commit(&blob(100), content(&records(3)));
    let began = now();
    assert_eq!(play.process.forward(&blob(100), &commit, now()).await.unwrap().records, 3);
    // By the clock of the test: its one read, and no wait.
    assert_eq!(now() - began, Duration::from_millis(50));
    runs.iter().for_each(tokio::task::JoinHandle::abort);
}

#[tokio::test(start_paused = true)]
async fn the_sweep_makes_way_for_events_between_windows() {
    let mut times = Vec::new();
    for beside_an_event in [false, true] {
        let options = ForwarderOptions { window: 2_000, ..ForwarderOptions::default() };
        let play = play_slowly(Duration::from_millis(10), Arc::new(MemoryHub::default()), options);
        let swept = play.commit(&blob(1), content(&records(200)));
        let event = play.commit(&blob(2), content(&records(4_000)));
        let process = Arc::clone(&play.process);
        let run = tokio::spawn(async move {
            if beside_an_event {
                process.forward(&blob(2), &event, now()).await.unwrap();
            }
        });
        tokio::task::yield_now().await;
        let began = now();
        play.process.catch_up(&blob(1), &swept, None, began + Duration::from_secs(25)).await.unwrap();
        times.push(now() - began);
        run.abort();
    }
    assert!(times[1] > 4 * times[0], "alone, and beside an event: {times:?}");
}

#[tokio::test]
async fn what_a_failed_run_forwarded_is_counted_and_named() {
    let world = World { hub: Arc::new(MemoryHub::with_limit(4_000)), ..World::default() };
    let max_message_bytes = NonZeroUsize::new(2_000);
    let process =
        world.process_with("a", ForwarderOptions { max_message_bytes, ..ForwarderOptions::default() });
    let failed = HubError::Unsettled { hub: "memory".into(), reason: "as told".into() };
    world.hub.fail(3, Failure::Before(failed));
    let commit = world.commit(&blob(1), &records(30));
    let error = play(&process, &blob(1), &commit).await.unwrap_err();
    let offset = world.table.row(&blob(1).checkpoint_key()).unwrap().progress.offset;
    assert!(offset > 0 && matches!(error, ForwardError::Send { from, .. } if from == offset), "{error}");
    play(&process, &blob(1), &commit).await.unwrap();
    let text = process.metrics().text();
    assert!(text.lines().any(|line| line == "flowlog_records_total 30"), "{text}");
}

#[tokio::test]
async fn a_batch_refused_late_repeats_no_more_than_what_was_accepted_behind_it() {
    let world = World { hub: Arc::new(MemoryHub::with_limit(4_000)), ..World::default() };
    let max_message_bytes = NonZeroUsize::new(2_000);
    let process =
        world.process_with("a", ForwarderOptions { max_message_bytes, ..ForwarderOptions::default() });
    let busy = HubError::Busy { hub: "memory".into(), reason: "50002".into(), retry_after: Duration::ZERO };
    world.hub.fail(2, Failure::Before(busy));
    world.hub.settle_after(2, 3);
    let commit = world.commit(&blob(1), &records(60));
    play(&process, &blob(1), &commit).await.unwrap_err();
    let behind = world.hub.received().len();
    play(&process, &blob(1), &commit).await.unwrap();
    let verdict = judge(&records(60), &world.hub.received());
    assert!(verdict.is_kept() && verdict.repeated > 0 && verdict.repeated < behind, "{verdict:?}");
}
