//! The beginning of a sweep: each container's watermark and flow logs.

use super::discovery::Walk;
use super::hours;
use super::look::ScanError;
use super::marks::{Kind, Marks};
use super::place::{Memory, Place};
use super::report::Swept;
use super::{Sweeper, Times};
use crate::flow_log::Container;
use crate::hour::Hour;
use crate::ports::SweepPorts;
use crate::ports::blobs::ListError;
use crate::ports::checkpoints::StoreError;
use crate::ports::watermark_copy::WatermarkCopy;
use futures_util::{StreamExt as _, stream};
use tokio::time::{Instant, timeout_at};

/// How many containers are opened at once.
const AT_ONCE: usize = 8;

/// How long a watermark must have been older than the retention before its hours are given up: two sweeps,
/// at two times, have to agree that it is, so that one wrong time gives up nothing.
const AGREED_AFTER: u64 = 60_000;
/// After this long a sweep's finding is no evidence any more.
const AGREED_WITHIN: u64 = 86_400_000;

/// A container that is open, and what is to be told of it.
type Opened = Result<(Place, Vec<String>), ScanError>;

impl<P: SweepPorts> Sweeper<P> {
    /// The rows of all containers, in order.
    pub(super) async fn load_marks(&self, times: Times) -> Vec<Result<Marks, ScanError>> {
        let load = |container| in_time(times.discover_until, Marks::load(&self.table, container));
        let loads: Vec<_> = self.containers.iter().map(load).collect();
        stream::iter(loads).buffered(AT_ONCE).collect().await
    }

    /// Opens all containers, and tells whether the watermarks of all that exist are known.
    pub(super) async fn open(
        &self,
        marks: Vec<Result<Marks, ScanError>>,
        now: u64,
        times: Times,
        swept: &mut Swept,
    ) -> (Vec<Place>, bool) {
        let (mut places, mut all_are_known) = (Vec::new(), true);
        let opening = self.containers.iter().zip(marks);
        let opening: Vec<_> =
            opening.map(|(container, marks)| self.open_one(container, marks, now, times)).collect();
        let mut opening = stream::iter(opening).buffered(AT_ONCE);
        for container in &self.containers {
            match opening.next().await {
                Some(Ok((place, failures))) => {
                    swept.flow_logs += place.flow_logs.len() as u64;
                    swept.unseen += u64::from(!place.is_known_whole);
                    if let Some(failure) = failures.first() {
                        swept.note(failure);
                    }
                    places.push(place);
                }
                Some(Err(ScanError::List(ListError::NoContainer { container }))) => {
                    tracing::warn!("there is no container {container}: no flow log has written to it yet");
                    swept.missing.push(container);
                }
                Some(Err(error)) => {
                    tracing::warn!(%container, "not swept: {error}");
                    all_are_known = false;
                    swept.unseen += 1;
                    swept.note(error);
                }
                None => all_are_known = false,
            }
        }
        let hours = || {
            let first_hours = places
                .iter()
                .filter_map(|place| place.open_hours(now, self.options.retention).first().copied());
            first_hours.min()
        };
        swept.hours = hours().map(|first| (first, Hour::at(now)));
        (places, all_are_known)
    }

    async fn open_one(
        &self,
        container: &Container,
        marks: Result<Marks, ScanError>,
        now: u64,
        times: Times,
    ) -> Opened {
        let mut marks = marks?;
        let Walk { flow_logs, failure } =
            self.discovery.walk(&*self.listing, container, times.discover_until).await;
        if let Some(missing @ ScanError::List(ListError::NoContainer { .. })) = failure {
            return Err(missing);
        }
        let mut failures = Vec::new();
        if let Some(failure) = &failure {
            tracing::warn!(%container, "not all flow logs are known, and no hour is closed: {failure}");
            failures.push(failure.to_string());
        }
        let memory = self.memory_of(container);
        let stored = match marks.hour(Kind::Watermark) {
            Some(hour) => hour,
            None => self.begin(container, &mut marks, &memory, now, times.run_until, &mut failures).await?,
        };
        let watermark = hours::plausible(stored, now);
        if watermark < stored {
            tracing::warn!(%container, "a clock was ahead when {stored} was reached: going back to {watermark}");
        }
        let beginning = if let Some(hour) = marks.hour(Kind::Beginning) {
            hour
        } else {
            // An earlier version kept no such row, and nobody knows which hours are from before it.
            self.put(container, &mut marks, Kind::Beginning, watermark.number(), times.run_until).await?;
            watermark
        };
        if marks.get(Kind::LookedAgain).is_none() {
            self.put(container, &mut marks, Kind::LookedAgain, now, times.run_until).await?;
        }
        let gives_up = self.gives_up(container, &mut marks, watermark, now, times.run_until).await?;
        let (is_known_whole, container) = (failure.is_none(), container.clone());
        let place =
            Place { container, marks, watermark, gives_up, beginning, flow_logs, is_known_whole, memory };
        Ok((place, failures))
    }

    /// Stores the watermark of a container that has none in the table, and returns it: that of the second
    /// copy, or the one that this process remembers, when the table lost it; otherwise the hour with which a
    /// new installation begins.
    async fn begin(
        &self,
        container: &Container,
        marks: &mut Marks,
        memory: &Memory,
        now: u64,
        deadline: Instant,
        failures: &mut Vec<String>,
    ) -> Result<Hour, ScanError> {
        let kept = match in_time(deadline, self.copy.load(container)).await {
            Err(error) if memory.watermark.is_some() => {
                tracing::warn!("{error}");
                None
            }
            answer => answer?,
        };
        let known = kept.max(memory.watermark);
        let hour = known.unwrap_or_else(|| hours::beginning(now));
        if !self.put(container, marks, Kind::Watermark, hour.number(), deadline).await? {
            // Another process was quicker.
            *marks = in_time(deadline, Marks::load(&self.table, container)).await?;
            let key = container.sweep_key();
            return marks.hour(Kind::Watermark).ok_or(ScanError::Checkpoints(StoreError::Conflict { key }));
        }
        self.put(container, marks, Kind::Beginning, hour.number(), deadline).await?;
        if known.is_none() {
            tracing::info!(
                %container,
                "swept for the first time: from {hour} on; what was committed to earlier hours is not forwarded"
            );
            return Ok(hour);
        }
        tracing::error!(
            %container,
            "the checkpoint table lost its rows: going on from {hour}, which is known from the watermark's second \
             copy. Blobs of that hour and later ones are forwarded again from their start, for how far they were \
             forwarded is not known any more. Find out who deleted or replaced the table"
        );
        failures.push(format!("{container}: the checkpoint table lost its rows: going on from {hour}"));
        Ok(hour)
    }

    /// Whether the hours from `watermark` on that are older than the retention are to be given up.
    async fn gives_up(
        &self,
        container: &Container,
        marks: &mut Marks,
        watermark: Hour,
        now: u64,
        deadline: Instant,
    ) -> Result<bool, ScanError> {
        let first = self.options.retention.first_hour(now);
        if watermark >= first {
            return Ok(false);
        }
        let found = marks.get(Kind::Overdue).and_then(|found| now.checked_sub(found));
        if let Some(ago) = found.filter(|ago| *ago <= AGREED_WITHIN) {
            return Ok(ago >= AGREED_AFTER);
        }
        tracing::warn!(
            %container,
            "hours from {watermark} to {first} were not swept to their end and are older than the retention: the \
             next sweep gives them up if it finds the same"
        );
        self.put(container, marks, Kind::Overdue, now, deadline).await?;
        Ok(false)
    }

    /// Writes a row; whether no other process was quicker.
    pub(super) async fn put(
        &self,
        container: &Container,
        marks: &mut Marks,
        kind: Kind,
        value: u64,
        deadline: Instant,
    ) -> Result<bool, ScanError> {
        in_time(deadline, marks.store(&self.table, container, kind, value)).await
    }
}

/// The answer of `call`, if it comes by `deadline`.
pub(super) async fn in_time<T, E>(
    deadline: Instant,
    call: impl Future<Output = Result<T, E>>,
) -> Result<T, ScanError>
where
    ScanError: From<E>,
{
    let answer = timeout_at(deadline, call).await;
    Ok(answer.map_err(|_| ScanError::OutOfTime { what: "waiting for storage" })??)
}
