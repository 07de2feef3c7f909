//! A process of the real binary that is asked to stop in the middle of a run.

use crate::support::process::{Answer, Scene};
use flowlog_forwarder::ports::checkpoints::CheckpointStore as _;
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_in_the_middle_of_a_run_saves_and_releases() {
    let scene = Scene::start().await;
    let mut first = scene.handler().await;
    let mut hour = scene.hour(1).await;
    let mut event = scene.commit(&mut hour, 100, 40).await;
    // Three windows and more, of which the third never arrives.
    while event["data"]["contentLength"].as_u64().unwrap() < 16 << 20 {
        event = scene.commit(&mut hour, 1_000, 40).await;
    }
    scene.storage_fault(&hour, json!({"action": "hold", "kind": "blob read", "skip": 2})).await;
    let (answer, ()) = tokio::join!(first.deliver(&event), async {
        scene.until_held(&hour).await;
        scene.until("accepted", 1).await;
        first.ask_to_stop().await;
    });
    assert_eq!((answer, first.status().await), (Answer::Failed, Some(0)), "{}", first.last_lines());
    let (row, _) = scene.rig.table().load(&hour.blob.checkpoint_key()).await.unwrap().expect("a row");
    assert!(row.claim.is_none() && row.progress.offset > 0, "{row:?}");
    scene.let_go(&hour).await;

    let second = scene.handler().await;
    assert_eq!(second.deliver(&event).await, Answer::Done, "{}", second.last_lines());
    scene.assert_at_rest(&[&hour]).await;
    let verdict = scene.verdict(&[&hour]).await;
    assert!(verdict.is_kept() && verdict.repeated == 0, "{verdict:?}");
}
