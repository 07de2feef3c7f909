//! A world in memory with two processes, events delivered as Event Grid does, and faults.

use crate::contract::hub::Received;
use crate::support::chaos::{Chaos, Life, Through};
use crate::support::memory::{MemoryBlobs, MemoryQuarantine, MemoryTable};
use crate::support::memory_hub::MemoryHub;
use crate::support::world::Twins;
use flowlog_forwarder::checkpoint::{BlobVersion, CLAIM, Checkpoint};
use flowlog_forwarder::clock::Clock;
use flowlog_forwarder::flow_log::FlowLogBlob;
use flowlog_forwarder::forward::lease_store::LeaseStore;
use flowlog_forwarder::forward::{ForwardError, Forwarded, Forwarder, ForwarderOptions};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::task::{AbortHandle, JoinHandle};

/// How many processes there are at any time.
pub const PROCESSES: usize = 2;
/// How often an event is delivered before that counts as a failure.
const ATTEMPTS: usize = 30;

type StageForwarder = Forwarder<
    Twins<Through<MemoryBlobs>, Through<MemoryTable>, Through<Arc<MemoryHub>>, Through<MemoryQuarantine>>,
>;

/// What one delivery came to; none when the host gave up or the process ended.
pub type Answer = Option<Result<Forwarded, ForwardError>>;

/// One process: its forwarder, and what it has under way.
struct Process {
    forwarder: Arc<StageForwarder>,
    life: Arc<Life>,
    under_way: Vec<AbortHandle>,
}

/// An event about one commit.
#[derive(Clone, Debug)]
pub struct Event {
    pub blob: FlowLogBlob,
    pub commit: BlobVersion,
}

/// An event on its way.
pub struct Delivery {
    event: Event,
    attempts: usize,
    answer: JoinHandle<Answer>,
}

/// Storage, table, hub, clock and two processes.
pub struct Stage {
    pub blobs: MemoryBlobs,
    pub table: MemoryTable,
    pub hub: Arc<MemoryHub>,
    pub quarantine: MemoryQuarantine,
    pub chaos: Arc<Chaos>,
    pub options: ForwarderOptions,
    /// How long the host waits for an answer.
    pub patience: Duration,
    now: Arc<AtomicU64>,
    processes: Vec<Process>,
    started: AtomicUsize,
    /// Events to be delivered again, and how often each was.
    failed: Vec<(Event, usize)>,
    /// How often the event was delivered that took longest to succeed.
    pub most_attempts: usize,
    /// How many processes ended.
    pub ended: usize,
}

impl Stage {
    pub fn new(chaos: Arc<Chaos>, hub: MemoryHub, options: ForwarderOptions) -> Self {
        let mut stage = Self {
            blobs: MemoryBlobs::default(),
            table: MemoryTable::default(),
            hub: Arc::new(hub),
            quarantine: MemoryQuarantine::default(),
            chaos,
            patience: options.budget + options.budget / 5,
            options,
            now: Arc::new(AtomicU64::new(1)),
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
        let life = Arc::new(Life::default());
        let now = Arc::clone(&self.now);
        let clock = Clock::new(move || now.load(Ordering::Relaxed));
        let me = format!("process-{}", self.started.fetch_add(1, Ordering::Relaxed));
        let leases = LeaseStore::new(self.through(self.table.clone(), &life), me, clock);
        let source = Arc::new(self.through(self.blobs.clone(), &life));
        let hub = Arc::new(self.through(Arc::clone(&self.hub), &life));
        let quarantine = self.through(self.quarantine.clone(), &life);
        let forwarder = Arc::new(StageForwarder::new(source, leases, hub, quarantine, self.options.clone()));
        Process { forwarder, life, under_way: Vec::new() }
    }

    fn through<T>(&self, inner: T, life: &Arc<Life>) -> Through<T> {
        Through { inner, chaos: Arc::clone(&self.chaos), life: Arc::clone(life) }
    }

    /// Commits `content` and returns the event about it.
    pub fn commit(&self, blob: &FlowLogBlob, content: String) -> Event {
        let length = content.len() as u64;
        Event { blob: blob.clone(), commit: BlobVersion { etag: self.blobs.commit(blob, content), length } }
    }

    pub fn row(&self, blob: &FlowLogBlob) -> Option<Checkpoint> {
        self.table.row(&blob.checkpoint_key())
    }

    /// Lets every claim run out.
    pub fn outlive_claims(&self) {
        let claim = u64::try_from(CLAIM.as_millis()).unwrap();
        self.now.fetch_add(claim + 1, Ordering::Relaxed);
    }

    /// Hands `event` to the process in `place`.
    pub fn start(&mut self, event: &Event, place: usize) -> JoinHandle<Answer> {
        let process = &mut self.processes[place];
        let (forwarder, event) = (Arc::clone(&process.forwarder), event.clone());
        let work =
            tokio::spawn(async move { forwarder.forward(&event.blob, &event.commit, Instant::now()).await });
        process.under_way.retain(|handle| !handle.is_finished());
        process.under_way.push(work.abort_handle());
        let (life, patience) = (Arc::clone(&process.life), self.patience);
        tokio::spawn(async move {
            tokio::select! {
                // The host hangs up, and the work goes on: that is how the server runs it.
                answer = tokio::time::timeout(patience, work) => answer.ok().map(Result::unwrap),
                () = life.ended() => None,
            }
        })
    }

    /// Begins to deliver `event` to the process in `place`.
    pub fn begin(&mut self, event: &Event, place: usize) -> Delivery {
        Delivery { event: event.clone(), attempts: 1, answer: self.start(event, place) }
    }

    /// Waits for the answers; what failed will be delivered again.
    pub async fn finish(&mut self, deliveries: Vec<Delivery>) {
        for Delivery { event, attempts, answer } in deliveries {
            self.most_attempts = self.most_attempts.max(attempts);
            if !matches!(answer.await.unwrap(), Some(Ok(_))) {
                self.failed.push((event, attempts));
            }
        }
        self.bury();
    }

    /// Delivers these at once, each to the process in its place.
    pub async fn deliver(&mut self, events: &[(&Event, usize)]) {
        let deliveries = events.iter().map(|(event, place)| self.begin(event, *place)).collect();
        self.finish(deliveries).await;
    }

    /// Delivers again what failed, once, to another process than before.
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

    /// Puts a new process in the place of each that has ended.
    fn bury(&mut self) {
        for place in 0..PROCESSES {
            if self.processes[place].life.has_ended() {
                let process = self.process();
                let dead = std::mem::replace(&mut self.processes[place], process);
                dead.under_way.iter().for_each(AbortHandle::abort);
                self.ended += 1;
            }
        }
    }

    /// Delivers again what failed, until all is answered with success, and in between the newest
    /// event of each blob to one process after the other. Claims of the dead run out meanwhile.
    ///
    /// # Errors
    /// When an event is not answered with success however often it comes.
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
                    self.outlive_claims();
                }
                self.deliver_again().await;
            }
            if self.ended > 0 {
                self.outlive_claims();
            }
        }
        Ok(())
    }

    /// What the hub has of the blob of which `event` is the newest.
    ///
    /// # Errors
    /// When its row does not say that all is done and nobody is at work.
    pub fn arrivals(&self, event: &Event) -> Result<Vec<Received>, String> {
        let row = self.row(&event.blob).ok_or("no row")?;
        let done = row.covers(&event.commit.etag);
        if !done || row.claim.is_some() || row.in_flight.is_some() || row.wanted.is_some() {
            return Err(format!("the row is not at rest: {row:?}"));
        }
        let url = event.blob.url();
        Ok(self.hub.received().into_iter().filter(|event| event.source == url).collect())
    }
}
