//! The contract of a hub: on the hub in memory, and on the real producer with the stand-in.

use crate::support::faults::{Action, Call, When};
use crate::support::faulty::Faulty;
use crate::support::hub::{OnRig, batch, batch_of, batches, body, origin, soon, within};
use crate::support::memory::MemoryHub;
use crate::support::received::{Received, received};
use flowlog_forwarder::azure::event_hubs::EventHub;
use flowlog_forwarder::message::{Batch, Message, Origin};
use flowlog_forwarder::ports::hub::{Hub, HubError};
use futures_util::StreamExt as _;
use futures_util::future::join_all;
use futures_util::stream::FuturesUnordered;
use serde_json::json;
use std::sync::Arc;

/// A hub whose messages can be read back.
trait Readable {
    type Hub: Hub;
    fn hub(&self) -> &Self::Hub;
    /// Everything accepted so far, in order.
    async fn received(&self) -> Vec<Received>;
    /// The sizes of the bodies accepted so far.
    async fn body_sizes(&self) -> Vec<usize>;
    /// Refuses the send number `number`, counted from 0, once the next one is accepted.
    async fn refuse_behind_the_next(&self, number: usize);
}

impl Readable for OnRig {
    type Hub = EventHub;

    fn hub(&self) -> &EventHub {
        &self.hub
    }

    async fn received(&self) -> Vec<Received> {
        Self::received(self).await
    }

    async fn body_sizes(&self) -> Vec<usize> {
        Self::body_sizes(self).await
    }

    async fn refuse_behind_the_next(&self, number: usize) {
        let condition = "com.microsoft:argument-error";
        self.fault(json!({"action": "refuse-late", "skip": number, "condition": condition})).await;
    }
}

impl Readable for Faulty<MemoryHub> {
    type Hub = Self;

    fn hub(&self) -> &Self {
        self
    }

    async fn received(&self) -> Vec<Received> {
        self.inner.received()
    }

    async fn body_sizes(&self) -> Vec<usize> {
        self.inner.bodies().iter().map(Vec::len).collect()
    }

    async fn refuse_behind_the_next(&self, number: usize) {
        self.faults.nth(Call::Send, number, Action::Refuse);
        self.faults.answer_after(number, number + 1);
    }
}

async fn arrives_byte_for_byte_with_its_properties<R: Readable>(it: R) {
    let keyed = Origin { partition_key: Some("6045BDAA0001".to_owned()), ..origin() };
    for (origin, start) in [(origin(), 12), (keyed, u64::from(u32::MAX) * 2)] {
        let batch = batch_of(&Arc::new(origin), start, 3, 1000);
        it.hub().send(batch.clone(), soon()).await.unwrap();
        let all = it.received().await;
        assert_eq!(all[all.len() - 3..], received(&batch));
    }
}

async fn goes_out_in_the_order_of_the_first_polls<R: Readable>(it: R) {
    let batches = batches(60);
    // `join_all` polls in order; the answers may come in any order.
    let sends = batches.iter().map(|batch| it.hub().send(batch.clone(), soon()));
    assert!(join_all(sends).await.iter().all(Result::is_ok));
    assert_eq!(it.received().await, batches.iter().flat_map(received).collect::<Vec<_>>());
}

async fn takes_a_batch_that_just_fits_and_refuses_one_byte_more<R: Readable>(it: R) {
    let origin = Arc::new(origin());
    let limits = it.hub().limits(&origin, soon()).await.unwrap();
    let room = limits.transfer - limits.envelope - limits.message_overhead;
    // The longest id and the longest ETag that the limits allow for: no byte is left over.
    let of_size = |size: usize| {
        let body = body(0, size);
        Batch {
            origin: Arc::clone(&origin),
            messages: vec![Message { body, range: u64::MAX - 1..u64::MAX, records: 1 }],
        }
    };
    let error = it.hub().send(of_size(room + 1), soon()).await.unwrap_err();
    let HubError::TooLarge { size, limit, .. } = error else { panic!("{error}") };
    assert_eq!((size, limit), (limits.transfer + 1, limits.transfer));
    it.hub().send(of_size(room), soon()).await.unwrap();
    assert_eq!(it.body_sizes().await, [room]);
}

async fn a_batch_refused_behind_the_next_one_fails_alone<R: Readable>(it: R) {
    it.refuse_behind_the_next(1).await;
    let batches = batches(4);
    let sends = join_all(batches.iter().map(|batch| it.hub().send(batch.clone(), soon()))).await;
    let failed: Vec<bool> = sends.iter().map(Result::is_err).collect();
    assert_eq!(failed, [false, true, false, false]);
    assert!(matches!(sends[1], Err(HubError::Refused { .. })), "{:?}", sends[1]);
    let kept = [&batches[0], &batches[2], &batches[3]];
    assert_eq!(it.received().await, kept.into_iter().flat_map(received).collect::<Vec<_>>());
}

/// One test for each rule and each hub.
macro_rules! contract {
    ($($rule:ident),+ $(,)?) => {
        mod in_memory {
            $(#[tokio::test]
            async fn $rule() {
                super::$rule(super::Faulty::<super::MemoryHub>::default()).await;
            })+
        }
        mod on_the_stand_in {
            $(#[tokio::test]
            async fn $rule() {
                super::$rule(super::OnRig::start().await).await;
            })+
        }
    };
}

contract! {
    arrives_byte_for_byte_with_its_properties,
    goes_out_in_the_order_of_the_first_polls,
    takes_a_batch_that_just_fits_and_refuses_one_byte_more,
    a_batch_refused_behind_the_next_one_fails_alone,
}

#[tokio::test]
async fn the_twin_answers_sends_in_the_order_of_its_faults() {
    let hub = Faulty::<MemoryHub>::default();
    hub.faults.answer_after(0, 2);
    hub.faults.answer_after(2, 3);
    let sends = (0..4).map(|number| {
        let sent = hub.send(batch(number * 300), soon());
        async move { sent.await.map(|()| number) }
    });
    let answered: Vec<_> = sends.collect::<FuturesUnordered<_>>().map(Result::unwrap).collect().await;
    assert_eq!(answered, [1, 3, 2, 0]);
    let starts: Vec<u64> = hub.inner.received().iter().map(|received| received.range.start).collect();
    assert_eq!(starts, [0, 300, 600, 900]);
}

#[tokio::test(start_paused = true)]
async fn the_twin_answers_at_the_deadline_when_the_other_answer_is_missing() {
    let hub = Faulty::<MemoryHub>::default();
    hub.faults.answer_after(0, 1);
    hub.send(batch(0), soon()).await.unwrap();
    assert_eq!(hub.inner.received().len(), 1);
}

#[tokio::test]
async fn the_twin_fails_the_sends_that_its_faults_name() {
    let hub = Faulty::<MemoryHub>::default();
    hub.faults.nth(Call::Send, 1, Action::Fail(When::Before));
    hub.faults.nth(Call::Send, 2, Action::Fail(When::After));
    hub.faults.nth(Call::Send, 3, Action::Hang(When::Before));
    let mut failed = Vec::new();
    for number in 0..5 {
        let deadline = within(20);
        let sent = tokio::time::timeout_at(deadline.into(), hub.send(batch(number * 300), deadline)).await;
        failed.push(!matches!(sent, Ok(Ok(()))));
    }
    assert_eq!(failed, [false, true, true, true, false]);
    let starts: Vec<u64> = hub.inner.received().iter().map(|received| received.range.start).collect();
    assert_eq!((starts, hub.faults.calls().len()), (vec![0, 600, 1200], 5));
}
