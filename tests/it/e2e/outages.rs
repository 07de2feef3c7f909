//! The services fail in every way that the rig can play, and the real binary recovers without a restart: it fails
//! events that it cannot forward in time, and forwards them when they are delivered again.

use crate::support::judge::{Recovery, Row, Verdict, show};
use crate::support::process::Answer;
use crate::support::scene::{Hour, Scene};
use futures_util::future::join_all;
use futures_util::{StreamExt as _, stream};
use serde_json::{Value, json};

/// More often than any test needs.
const ALWAYS: u32 = 1_000_000;
/// The most requests to storage for one event that fails.
const MOST_REQUESTS: u64 = 100;
/// How many scenarios run at once.
const AT_ONCE: usize = 4;
/// Makes records of about 4 KB: sixteen fit a transfer of 64 KB.
const TUPLES: usize = 40;

/// Where a fault strikes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    Hub,
    /// One blob and its row.
    OneBlob,
}

/// A fault that ends within the budget of an event.
struct Transient {
    name: &'static str,
    at: At,
    fault: Value,
    /// Whether the outcome of a transfer is unknown, so that it is sent again.
    unknown: bool,
}

/// Plays a fault that strikes a few times, while another blob has its own events.
async fn pass(Transient { name, at, fault, unknown }: Transient) {
    let scene = Scene::start().await;
    scene.rig.set_hub(json!({"maxMessageSize": 65_536})).await;
    let handler = scene.handler().await;
    let (mut struck, mut other) = (scene.hour(1).await, scene.hour(2).await);
    let begin = scene.commit(&mut struck, 3, TUPLES).await;
    assert_eq!(handler.deliver(&begin).await, Answer::Done, "{}", handler.last_lines());
    match at {
        At::Hub => scene.rig.hub_fault(fault).await,
        At::OneBlob => scene.storage_fault(&struck, fault).await,
    }
    let delta = scene.commit(&mut struck, 100, TUPLES).await;
    let elsewhere = scene.commit(&mut other, 5, TUPLES).await;
    let (took, answer) = tokio::join!(scene.persist(&handler, &delta), handler.deliver(&elsewhere));
    if at == At::OneBlob {
        assert_eq!(answer, Answer::Done, "{name}: another blob\n{}", handler.last_lines());
    }
    scene.persist(&handler, &elsewhere).await;
    scene.assert_at_rest(&[&struck, &other]).await;
    let verdict = scene.verdict(&[&struck, &other]).await;
    assert!(verdict.is_kept() && (unknown || verdict.repeated == 0), "{name}: {verdict:?}");
    show(&Row { fault: name, runs: 1, verdict, recovered: Recovery::Within(took) });
}

#[tokio::test(flavor = "multi_thread")]
async fn transient_faults_cost_only_time() {
    let hub = |name, fault| Transient { name, at: At::Hub, fault, unknown: false };
    let unknown = |name, fault| Transient { name, at: At::Hub, fault, unknown: true };
    let storage = |name, fault| Transient { name, at: At::OneBlob, fault, unknown: false };
    let busy =
        json!({"action": "reject", "count": 3, "skip": 1, "description": "the request was terminated"});
    let faults = vec![
        hub("hub busy, 3 transfers", busy),
        hub("hub releases 3 transfers", json!({"action": "release", "count": 3, "skip": 1})),
        hub("hub modifies 3 transfers", json!({"action": "modify", "count": 3, "skip": 1})),
        unknown("link detached twice", json!({"action": "detach", "count": 2, "skip": 2})),
        unknown("link detached, transfer stored", json!({"action": "detach", "skip": 2, "store": true})),
        unknown("socket dropped, transfer not stored", json!({"action": "drop", "skip": 2})),
        unknown(
            "socket dropped between transfer and disposition",
            json!({"action": "drop", "skip": 2, "store": true}),
        ),
        storage("storage 503, 2 reads", json!({"action": "status", "kind": "blob read", "count": 2})),
        storage("socket reset before a read", json!({"action": "reset-before", "kind": "blob read"})),
        storage(
            "read cut short in its body",
            json!({"action": "cut", "kind": "blob read", "bytes": 100_000}),
        ),
        storage("table 503, 2 updates", json!({"action": "status", "kind": "table update", "count": 2})),
        storage("socket reset before a claim", json!({"action": "reset-before", "kind": "table update"})),
        storage("socket reset after a claim", json!({"action": "reset-after", "kind": "table update"})),
        storage(
            "socket reset after a release",
            json!({"action": "reset-after", "kind": "table update", "skip": 1}),
        ),
        storage(
            "table 412, 5 updates",
            json!({"action": "status", "status": 412, "code": "UpdateConditionNotSatisfied",
                   "kind": "table update", "count": 5}),
        ),
    ];
    stream::iter(faults).for_each_concurrent(AT_ONCE, pass).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_during_a_read_is_read_too_and_nothing_twice() {
    let scene = Scene::start().await;
    let handler = scene.handler().await;
    let mut hour = scene.hour(1).await;
    // More than one window, so one of the reads asks for a version that is replaced by then.
    let first = scene.commit(&mut hour, 80, 1_000).await;
    scene.storage_fault(&hour, json!({"action": "hold", "kind": "blob read", "skip": 1})).await;
    let (answer, second) = tokio::join!(handler.deliver(&first), async {
        scene.until_held(&hour).await;
        let second = scene.commit(&mut hour, 5, TUPLES).await;
        scene.release(&hour).await;
        second
    });
    assert_eq!(answer, Answer::Done, "{}", handler.last_lines());
    let took = scene.persist(&handler, &second).await;
    scene.assert_at_rest(&[&hour]).await;
    let verdict = scene.verdict(&[&hour]).await;
    assert_eq!(verdict, Verdict { records: 85, ..Verdict::default() });
    show(&Row { fault: "a commit in mid-read", runs: 1, verdict, recovered: Recovery::Within(took) });
}

/// A service that fails until the test repairs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outage {
    HubBusy,
    HubGone,
    HubRefusesTokens,
    Storage,
    Table,
    /// Each write finds a row that another process changed.
    Conflicts,
    Identity,
}

impl Outage {
    fn name(self) -> &'static str {
        match self {
            Self::HubBusy => "hub busy past an event's budget",
            Self::HubGone => "hub gone past an event's budget",
            Self::HubRefusesTokens => "hub refuses tokens past an event's budget",
            Self::Storage => "storage 503 past an event's budget",
            Self::Table => "table 503 past an event's budget",
            Self::Conflicts => "table 412 past an event's budget",
            Self::Identity => "no tokens past an event's budget",
        }
    }

    /// Faults that reach other scenarios need their own rig.
    async fn scene(self) -> Scene {
        match self {
            Self::HubGone | Self::HubRefusesTokens => Scene::own(&["--storage-proxy"]).await,
            Self::Identity => Scene::own(&["--tls", "--identity", "--storage-proxy"]).await,
            _ => Scene::start().await,
        }
    }

    fn is_about_one_blob(self) -> bool {
        matches!(self, Self::Storage | Self::Table | Self::Conflicts)
    }

    /// Whether it strikes only new connections.
    fn is_about_connecting(self) -> bool {
        matches!(self, Self::HubRefusesTokens | Self::Identity)
    }

    async fn begin(self, scene: &Scene, hour: &Hour) {
        match self {
            Self::HubBusy => {
                let description = "Error code : 50002. Please wait 2 seconds and try again.";
                let busy = json!({"action": "reject", "count": ALWAYS, "description": description});
                scene.rig.hub_fault(busy).await;
            }
            Self::HubGone => scene.rig.hub_fault(json!({"action": "gone"})).await,
            Self::HubRefusesTokens => {
                let refusal = json!({"action": "cbs", "status": 500, "count": ALWAYS});
                scene.rig.call("POST", "/hub/faults", Some(refusal)).await;
            }
            Self::Storage => {
                let down = json!({"action": "status", "service": "blob", "count": ALWAYS});
                scene.storage_fault(hour, down).await;
            }
            Self::Table => {
                let down = json!({"action": "status", "service": "table", "count": ALWAYS});
                scene.storage_fault(hour, down).await;
            }
            Self::Conflicts => {
                let changed = json!({"action": "status", "status": 412, "code": "UpdateConditionNotSatisfied",
                                     "service": "table", "kind": "table update", "count": ALWAYS});
                scene.storage_fault(hour, changed).await;
            }
            Self::Identity => {
                scene.rig.call("POST", "/identity", Some(json!({"fail": ALWAYS}))).await;
            }
        }
    }

    async fn end(self, scene: &Scene, hour: &Hour) {
        match self {
            Self::HubBusy => scene.rig.end_hub_faults().await,
            Self::HubGone | Self::HubRefusesTokens => {
                scene.rig.call("DELETE", "/hub/faults", None).await;
            }
            Self::Storage | Self::Table | Self::Conflicts => scene.end_storage_faults(hour).await,
            Self::Identity => {
                scene.rig.call("POST", "/identity", Some(json!({"fail": 0}))).await;
            }
        }
    }
}

async fn outlast(outage: Outage) {
    let scene = outage.scene().await;
    scene.rig.set_hub(json!({"maxMessageSize": 65_536})).await;
    let handler = match outage {
        Outage::Identity => scene.handler_with(scene.rig.identity_settings()).await,
        _ => scene.handler().await,
    };
    let (mut struck, mut other) = (scene.hour(1).await, scene.hour(2).await);
    if !outage.is_about_connecting() {
        let begin = scene.commit(&mut struck, 3, TUPLES).await;
        assert_eq!(handler.deliver(&begin).await, Answer::Done, "{}", handler.last_lines());
    }
    outage.begin(&scene, &struck).await;
    let delta = scene.commit(&mut struck, 100, TUPLES).await;
    let elsewhere = scene.commit(&mut other, 5, TUPLES).await;
    let answers = tokio::join!(handler.deliver(&delta), handler.deliver(&elsewhere));
    let expected = if outage.is_about_one_blob() { Answer::Done } else { Answer::Failed };
    assert_eq!(answers, (Answer::Failed, expected), "{outage:?}\n{}", handler.last_lines());
    let asked = scene.requests(&struck).await;
    assert!(asked < MOST_REQUESTS, "{outage:?}: {asked} requests for one event");
    outage.end(&scene, &struck).await;
    let took = scene.persist(&handler, &delta).await;
    scene.persist(&handler, &elsewhere).await;
    if outage != Outage::Identity {
        // The test does not trust the certificate authority of the rig.
        scene.assert_at_rest(&[&struck, &other]).await;
    }
    let verdict = scene.verdict(&[&struck, &other]).await;
    assert!(verdict.is_kept(), "{outage:?}: {verdict:?}");
    assert_eq!(verdict.repeated, 0, "{outage:?}: nothing was in flight");
    show(&Row { fault: outage.name(), runs: 1, verdict, recovered: Recovery::Within(took) });
}

#[tokio::test(flavor = "multi_thread")]
async fn after_an_outage_failed_events_succeed_without_a_restart() {
    use Outage::{Conflicts, HubBusy, HubGone, HubRefusesTokens, Identity, Storage, Table};
    let outages = [HubBusy, HubGone, HubRefusesTokens, Storage, Table, Conflicts, Identity];
    join_all(outages.map(outlast)).await;
}
