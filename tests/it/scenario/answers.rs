//! Answers to the host, through the real server, with storage, table and hub in memory.

use crate::support::blobs::{CONTAINER, NINE, blob_in, container};
use crate::support::faults::{Action, Call, When};
use crate::support::http::{self, Answer};
use crate::support::records::{content, record, records};
use crate::support::world::{Twins, World};
use flowlog_forwarder::app::FlowLogFunctions;
use flowlog_forwarder::checkpoint::Checkpoint;
use flowlog_forwarder::config::{StorageAccess, StorageAccount};
use flowlog_forwarder::flow_log::{FlowLogBlob, Sources};
use flowlog_forwarder::host::{self, Stopped};
use flowlog_forwarder::hour::{Hour, Retention};
use flowlog_forwarder::ports::checkpoints::CheckpointStore as _;
use serde_json::json;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// How long rows are kept, days.
const DAYS: u16 = 7;

type MemoryHandler = FlowLogFunctions<Twins>;

/// A process behind its server.
struct Process {
    world: World,
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    task: JoinHandle<Stopped>,
}

impl Process {
    /// Starts one at ten past nine.
    async fn start() -> Self {
        let world = World::default();
        world.set_clock(NINE, 10);
        let handler = Arc::new(handler(&world));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let stopped = async { stopped.await.unwrap() };
        let task = tokio::spawn(host::serve(listener, handler, stopped, Duration::from_secs(25)));
        Self { world, address, stop, task }
    }

    /// Delivers an event about `blob` without the version of a commit.
    async fn deliver(&self, blob: &FlowLogBlob) -> Answer {
        let event =
            json!({"id": "e", "eventType": "Microsoft.Storage.BlobCreated", "data": {"url": blob.url()}});
        let body = json!({"Data": {"eventGridEvent": event}, "Metadata": {}}).to_string();
        http::post(self.address, body.as_bytes()).await
    }

    /// Leaves a claim on `blob` that another process took just now.
    async fn claim_elsewhere(&self, blob: &FlowLogBlob) {
        let row =
            Checkpoint::new(blob.url()).claimed("another process", self.world.clock.clone().now(), 9_000);
        self.world.table.swap(&blob.checkpoint_key(), &row, None).await.unwrap();
        self.world.forget_calls();
    }
}

fn handler(world: &World) -> MemoryHandler {
    let process = Arc::new(world.process("this"));
    let account = StorageAccount {
        blob_service: container().account().clone(),
        access: StorageAccess::Sas("unused".into()),
    };
    let sources = Sources::new([account.blob_service], &[CONTAINER.to_owned()]);
    let sweeper = world.sweeper(&process);
    FlowLogFunctions::new(sources, process, sweeper, world.clock.clone(), Retention::of_days(DAYS))
}

fn hours_before(hours: u64) -> FlowLogBlob {
    blob_in(1, Hour::new(NINE.number() - hours), 1)
}

#[tokio::test]
async fn an_event_of_an_old_hour_is_refused_with_a_reason() {
    let process = Process::start().await;
    // The first hour that a sweep may scan begins at midnight six days ago.
    let (old, kept) = (hours_before(6 * 24 + 10), hours_before(6 * 24 + 9));
    for blob in [&old, &kept] {
        process.world.commit(blob, &records(3));
    }
    for _ in 0..2 {
        let answer = process.deliver(&old).await;
        assert_eq!(answer.status, 200, "another delivery would change nothing");
        let [line] = &answer.logs()[..] else { panic!("{answer:?}") };
        assert!(
            line.contains("older than CHECKPOINT_RETENTION_DAYS (7)") && line.contains(&old.url()),
            "{line}"
        );
    }
    assert_eq!(process.world.table.take_calls(), 0);
    assert!(process.world.blobs.take_reads().is_empty());
    assert!(process.world.received().is_empty());
    assert_eq!(process.deliver(&kept).await.status, 200);
    assert_eq!(process.world.received(), records(3));
}

#[tokio::test]
async fn an_event_of_a_future_hour_reads_nothing() {
    let process = Process::start().await;
    let ahead = blob_in(1, Hour::new(NINE.number() + 25), 1);
    process.world.commit(&ahead, &records(3));
    let answer = process.deliver(&ahead).await;
    assert_eq!(answer.status, 200);
    assert!(answer.logs()[0].contains("more than a day in the future"), "{answer:?}");
    assert!(process.world.blobs.take_reads().is_empty() && process.world.received().is_empty());
}

#[tokio::test]
async fn a_late_commit_claimed_elsewhere_asks_for_another_delivery() {
    let process = Process::start().await;
    // Each sweep scans the open hour and the one before, but no older ones.
    for (hours, status) in [(0, 200), (1, 200), (2, 500)] {
        let blob = hours_before(hours);
        process.world.commit(&blob, &records(3));
        process.claim_elsewhere(&blob).await;
        let answer = process.deliver(&blob).await;
        assert_eq!(answer.status, status, "{hours} hours ago: {answer:?}");
        let line = &answer.logs()[0];
        assert!(line.contains("is claimed by another worker"), "{line}");
        assert_eq!(line.contains("Event Grid has to deliver this event again"), status == 500, "{line}");
    }
}

#[tokio::test]
async fn every_event_of_a_broken_blob_reports_it() {
    let process = Process::start().await;
    let blob = hours_before(2);
    let mut content = content(&records(3));
    content.truncate(content.len() - 2);
    process.world.commit_raw(&blob, content + ",?]}");
    for number in 0..3 {
        let answer = process.deliver(&blob).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let line = &answer.logs()[0];
        assert!(line.contains("the blob is broken") && !line.contains("nothing"), "event {number}: {line}");
    }
    assert_eq!(process.world.received(), records(3));
}

#[tokio::test]
async fn a_late_commit_is_forwarded_once() {
    let process = Process::start().await;
    let blob = hours_before(30);
    process.world.commit(&blob, &records(3));
    assert_eq!(process.deliver(&blob).await.status, 200);
    let again = process.deliver(&blob).await;
    assert_eq!(again.status, 200);
    assert!(again.logs()[0].contains("has no new records"), "{again:?}");
    assert_eq!(process.world.received(), records(3));
    process.stop.send(()).unwrap();
    assert_eq!(process.task.await.unwrap(), Stopped::Drained);
}

#[tokio::test]
async fn only_a_sweep_that_failed_as_a_whole_is_an_error() {
    let process = Process::start().await;
    for nic in 1..=2 {
        process.world.commit(&blob_in(1, NINE, nic), &[record(nic, 2)]);
    }
    for send in [0, 1, 3] {
        process.world.faults.nth(Call::Send, send, Action::Fail(When::Before));
    }
    for (status, said) in [(500, "2 behind, 0 caught up, 2 failed"), (200, "1 failed"), (200, "0 failed")] {
        let answer = http::post_to("/FlowLogSweep", process.address, b"{}").await;
        assert_eq!(answer.status, status, "{answer:?}");
        assert!(answer.logs()[0].contains(said), "{answer:?}");
    }
}
