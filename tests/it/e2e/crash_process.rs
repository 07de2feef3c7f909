//! Two processes of the real binary: one is killed at a chosen moment, and the others forward the rest.

use crate::support::judge::{Recovery, Row, Verdict, show};
use crate::support::process::Answer;
use crate::support::scene::Scene;
use futures_util::StreamExt as _;
use futures_util::stream;
use serde_json::{Value, json};

/// The call in progress when the process is killed, and whether it takes effect after the takeover.
#[derive(Clone, Debug)]
enum Moment {
    /// A transfer; its answer is held by this fault of the hub.
    Transfer(Value),
    /// A request to storage or table; this fault holds it until just before the takeover.
    Before(Value),
    /// The same, but until after the takeover.
    After(Value),
}

/// How many scenarios are played at once.
const AT_ONCE: usize = 4;
/// Makes records of about 4 KB: sixteen fit a transfer of 64 KB.
const TUPLES: usize = 40;

/// Kills a process at `moment` in the middle of a delta, and delivers the events again as Event Grid does: to the
/// other process first, which waits until the claim of the dead owner expires.
async fn play(moment: Moment) -> Verdict {
    let scene = Scene::start().await;
    scene.rig.set_hub(json!({"maxMessageSize": 65_536})).await;
    let (mut first, second) = (scene.handler().await, scene.handler().await);
    let (mut struck, mut other) = (scene.hour(1).await, scene.hour(2).await);
    let begin = scene.commit(&mut struck, 3, TUPLES).await;
    assert_eq!(first.deliver(&begin).await, Answer::Done, "{}", first.last_lines());

    let delta = scene.commit(&mut struck, 100, TUPLES).await;
    match &moment {
        Moment::Transfer(fault) => scene.rig.hub_fault(fault.clone()).await,
        Moment::Before(fault) | Moment::After(fault) => scene.storage_fault(&struck, fault.clone()).await,
    }
    let reached = async {
        match &moment {
            Moment::Transfer(fault) if fault["action"] == "hold" => scene.rig.until_hub("held", 1).await,
            Moment::Transfer(_) => scene.rig.until_hub("unanswered", 1).await,
            Moment::Before(_) | Moment::After(_) => scene.until_held(&struck).await,
        }
    };
    tokio::select! {
        answer = first.deliver(&delta) => panic!("{moment:?}: {answer:?} came first\n{}", first.last_lines()),
        () = reached => first.kill().await,
    }
    match moment {
        Moment::Transfer(_) => scene.rig.end_hub_faults().await,
        Moment::Before(_) => scene.release(&struck).await,
        Moment::After(_) => {}
    }

    let successor = scene.handler().await;
    let elsewhere = scene.commit(&mut other, 5, TUPLES).await;
    scene.persist(&second, &elsewhere).await;
    scene.persist(&second, &delta).await;
    let last = scene.commit(&mut struck, 20, TUPLES).await;
    scene.persist(&successor, &last).await;
    scene.expire_claim(&struck).await;
    scene.persist(&second, &last).await;
    if let Moment::After(_) = moment {
        scene.release(&struck).await;
    }
    scene.persist(&successor, &last).await;
    scene.assert_at_rest(&[&struck, &other]).await;
    let verdict = scene.verdict(&[&struck, &other]).await;
    assert!(verdict.is_kept(), "{moment:?}: {verdict:?}");
    verdict
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_process_recovers_from_a_kill_at_any_moment() {
    // The claim, and its release.
    let update = |skip: u32| json!({"action": "hold", "kind": "table update", "skip": skip});
    let read = json!({"action": "hold", "kind": "blob read"});
    let storage = [read, update(0), update(1)];
    let moments: Vec<Moment> = (0..6)
        .map(|skip| Moment::Transfer(json!({"action": "hold", "skip": skip})))
        .chain((0..6).map(|skip| {
            Moment::Transfer(json!({"action": "swallow", "skip": skip, "count": 9, "store": skip % 2 == 0}))
        }))
        .chain(storage.clone().map(Moment::Before))
        .chain(storage.map(Moment::After))
        .collect();
    let runs = moments.len();
    let verdicts: Vec<Verdict> = stream::iter(moments).map(play).buffer_unordered(AT_ONCE).collect().await;
    let mut sum = Verdict::default();
    for verdict in verdicts {
        sum += verdict;
    }
    assert!(sum.repeated > 0, "no kill came between a send and its checkpoint");
    show(&Row {
        fault: "SIGKILL of one of two processes",
        runs,
        verdict: sum,
        recovered: Recovery::Deliveries(3),
    });
}
