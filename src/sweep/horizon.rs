//! How far a container was swept, kept in a row of the checkpoint table.

use super::hours::{self, Hour};
use crate::checkpoint::{Checkpoint, CheckpointStore, Progress, RowVersion, StoreError};
use crate::flow_log::{CheckpointKey, Container};

/// The hour before which everything in a container is known to be forwarded, as last seen in the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Horizon {
    pub(super) hour: Hour,
    version: RowVersion,
}

impl Horizon {
    /// The horizon of `container` as stored; that of a container never swept is stored first, so that
    /// it stays where it is until its hour is forwarded, however many sweeps that takes.
    pub(super) async fn load(
        table: &impl CheckpointStore,
        container: &Container,
        now: u64,
    ) -> Result<Self, StoreError> {
        let key = CheckpointKey::of_sweep(container);
        if let Some((row, version)) = table.load(&key).await? {
            return Ok(Self { hour: decode(&row), version });
        }
        let hour = hours::beginning(now);
        match table.swap(&key, &encode(container, hour), None).await {
            // Another process was quicker.
            Err(conflict @ StoreError::Conflict { .. }) => match table.load(&key).await? {
                Some((row, version)) => Ok(Self { hour: decode(&row), version }),
                None => Err(conflict),
            },
            answer => {
                let version = answer?;
                tracing::info!(%container, "swept for the first time: from {hour} on");
                Ok(Self { hour, version })
            }
        }
    }

    /// Stores `hour` as the new horizon, unless another process moved it meanwhile: it went forward
    /// then, and the next sweep goes on from there.
    pub(super) async fn store(
        &self,
        table: &impl CheckpointStore,
        container: &Container,
        hour: Hour,
    ) -> Result<(), StoreError> {
        let key = CheckpointKey::of_sweep(container);
        match table.swap(&key, &encode(container, hour), Some(&self.version)).await {
            Err(StoreError::Conflict { .. }) => Ok(()),
            answer => answer.map(drop),
        }
    }
}

/// The row: the hour's number in place of a byte offset, and in words for people who read the table.
fn encode(container: &Container, hour: Hour) -> Checkpoint {
    let progress = Progress { offset: hour.number(), ..Progress::default() };
    Checkpoint { progress, ..Checkpoint::new(format!("{container}: all before {hour} is forwarded")) }
}

fn decode(row: &Checkpoint) -> Hour {
    Hour::new(row.progress.offset)
}

#[cfg(test)]
mod tests {
    use super::*;
    use url::Url;

    #[test]
    fn a_horizon_survives_the_journey_to_a_row_and_back() {
        let account = Url::parse("http://127.0.0.1:10000/account").unwrap();
        let (container, hour) = (Container::new(account, "logs".into()), Hour::new(498_705));
        let row = encode(&container, hour);
        assert_eq!(row.blob, "http://127.0.0.1:10000/account/logs: all before 2026-11-22T09Z is forwarded");
        assert_eq!(decode(&row), hour);
    }
}
