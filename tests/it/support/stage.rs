//! A world with two processes, and events delivered as Event Grid does.

use crate::support::faults::Faults;
use crate::support::faulty::Life;
use crate::support::memory::MemoryHub;
use crate::support::received::Received;
use crate::support::world::{MemoryForwarder, World};
use flowlog_forwarder::checkpoint::{BlobVersion, CLAIM, Checkpoint};
use flowlog_forwarder::flow_log::FlowLogBlob;
use flowlog_forwarder::forward::{ForwardError, Forwarded, ForwarderOptions};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::task::{AbortHandle, JoinHandle};

/// How many processes there are at any time.
pub const PROCESSES: usize = 2;
/// How often an event is delivered before that counts as a failure.
const ATTEMPTS: usize = 30;

/// The result of one delivery; none when the host gave up or the process ended.
pub type Answer = Option<Result<Forwarded, ForwardError>>;

/// One process, and its work in progress.
struct Process {
    forwarder: Arc<MemoryForwarder>,
    life: Arc<Life>,
    in_progress: Vec<AbortHandle>,
}

/// An event about one commit.
#[derive(Clone, Debug)]
pub struct Event {
    pub blob: FlowLogBlob,
    pub commit: BlobVersion,
}

/// A delivery in progress.
pub struct Delivery {
    event: Event,
    attempts: usize,
    answer: JoinHandle<Answer>,
}

/// A world with two processes.
pub struct Stage {
    pub world: World,
    pub options: ForwarderOptions,
    /// How long the host waits for an answer.
    pub patience: Duration,
    processes: Vec<Process>,
    started: AtomicUsize,
    /// Events that failed, and how often each was delivered.
    failed: Vec<(Event, usize)>,
    /// The most deliveries that one event took.
    pub most_attempts: usize,
    /// How many processes ended.
    pub ended: usize,
}

impl Stage {
    /// Two processes with these faults, and a hub that accepts transfers of `limit` bytes.
    pub fn new(faults: Arc<Faults>, limit: usize, options: ForwarderOptions) -> Self {
        let world = World { hub: MemoryHub::with_limit(limit), faults, ..World::default() };
        world.now.store(1, Ordering::Relaxed);
        let mut stage = Self {
            world,
            patience: options.budget + options.budget / 5,
            options,
            processes: Vec::new(),
            started: AtomicUsize::new(0),
            failed: Vec::new(),
            most_attempts: 0,
            ended: 0,
        };
        stage.processes = (0..PROCESSES).map(|_| stage.process()).collect();
        stage
    }

    fn process(&self) -> Process {
        let me = format!("process-{}", self.started.fetch_add(1, Ordering::Relaxed));
        let world = self.world.with_faults(Arc::clone(&self.world.faults));
        let forwarder = Arc::new(world.process_with(&me, self.options.clone()));
        Process { forwarder, life: world.life, in_progress: Vec::new() }
    }

    /// Commits `content` and returns the event about it.
    pub fn commit(&self, blob: &FlowLogBlob, content: String) -> Event {
        Event { blob: blob.clone(), commit: self.world.commit_raw(blob, content) }
    }

    pub fn row(&self, blob: &FlowLogBlob) -> Option<Checkpoint> {
        self.world.row(blob)
    }

    /// Lets every claim expire.
    pub fn expire_claims(&self) {
        let claim = u64::try_from(CLAIM.as_millis()).unwrap();
        self.world.now.fetch_add(claim + 1, Ordering::Relaxed);
    }

    /// Delivers `event` to the process in `place`.
    pub fn start(&mut self, event: &Event, place: usize) -> JoinHandle<Answer> {
        let process = &mut self.processes[place];
        let (forwarder, event) = (Arc::clone(&process.forwarder), event.clone());
        let work =
            tokio::spawn(async move { forwarder.forward(&event.blob, &event.commit, Instant::now()).await });
        process.in_progress.retain(|handle| !handle.is_finished());
        process.in_progress.push(work.abort_handle());
        let (life, patience) = (Arc::clone(&process.life), self.patience);
        tokio::spawn(async move {
            tokio::select! {
                // The host hangs up, but the work continues, as in the server.
                answer = tokio::time::timeout(patience, work) => answer.ok().map(Result::unwrap),
                () = life.ended() => None,
            }
        })
    }

    /// The same; [`Stage::finish`] waits for the answer.
    pub fn begin(&mut self, event: &Event, place: usize) -> Delivery {
        Delivery { event: event.clone(), attempts: 1, answer: self.start(event, place) }
    }

    /// Waits for the answers, and notes the events that failed.
    pub async fn finish(&mut self, deliveries: Vec<Delivery>) {
        for Delivery { event, attempts, answer } in deliveries {
            self.most_attempts = self.most_attempts.max(attempts);
            if !matches!(answer.await.unwrap(), Some(Ok(_))) {
                self.failed.push((event, attempts));
            }
        }
        self.replace_ended();
    }

    /// Delivers these events at once, each to the process in its place.
    pub async fn deliver(&mut self, events: &[(&Event, usize)]) {
        let deliveries = events.iter().map(|(event, place)| self.begin(event, *place)).collect();
        self.finish(deliveries).await;
    }

    /// Delivers the events that failed once more, each to another process.
    pub async fn deliver_again(&mut self) {
        let again = std::mem::take(&mut self.failed)
            .into_iter()
            .map(|(event, attempts)| {
                let answer = self.start(&event, attempts % PROCESSES);
                Delivery { event, attempts: attempts + 1, answer }
            })
            .collect();
        self.finish(again).await;
    }

    /// Replaces each process that has ended.
    fn replace_ended(&mut self) {
        for place in 0..PROCESSES {
            if self.processes[place].life.has_ended() {
                let process = self.process();
                let dead = std::mem::replace(&mut self.processes[place], process);
                dead.in_progress.iter().for_each(AbortHandle::abort);
                self.ended += 1;
            }
        }
    }

    /// Delivers the events that failed until all succeed, then the newest event of each blob to each process
    /// in turn. Claims of processes that ended expire meanwhile.
    ///
    /// # Errors
    /// When an event fails [`ATTEMPTS`] times.
    pub async fn settle(&mut self, newest: &[&Event]) -> Result<(), String> {
        for place in std::iter::once(None).chain((0..PROCESSES).map(Some)) {
            if let Some(place) = place {
                let newest: Vec<_> = newest.iter().map(|event| (*event, place)).collect();
                self.deliver(&newest).await;
            }
            while !self.failed.is_empty() {
                if let Some((event, attempts)) =
                    self.failed.iter().find(|(_, attempts)| *attempts >= ATTEMPTS)
                {
                    return Err(format!("failed {attempts} times: {event:?}"));
                }
                if self.ended > 0 {
                    self.expire_claims();
                }
                self.deliver_again().await;
            }
            if self.ended > 0 {
                self.expire_claims();
            }
        }
        Ok(())
    }

    /// What the hub accepted of the blob whose newest event is `event`.
    ///
    /// # Errors
    /// When its row is claimed, or does not say that all is forwarded.
    pub fn arrivals(&self, event: &Event) -> Result<Vec<Received>, String> {
        let row = self.row(&event.blob).ok_or("no row")?;
        let done = row.covers(&event.commit.etag);
        if !done || row.claim.is_some() || row.in_flight.is_some() || row.wanted.is_some() {
            return Err(format!("the row is not at rest: {row:?}"));
        }
        let url = event.blob.url();
        Ok(self.world.hub.received().into_iter().filter(|event| event.source == url).collect())
    }
}
