//! Events, sweeps, the probe and the metrics.

use super::{LONG, Server, invocation, nine_blobs};
use crate::support::http;
use std::time::Duration;

#[tokio::test]
async fn the_metrics_are_served() {
    let server = Server::start(Duration::ZERO).await;
    let answer = http::get(server.address, "/metrics").await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.body, "flowlog_records_total 7\n");
    assert!(answer.head.contains("application/openmetrics-text"), "{answer:?}");
}

#[tokio::test]
async fn the_hosts_probe_is_answered() {
    let server = Server::start(LONG).await;
    let answer = http::get(server.address, "/").await;
    assert_eq!(answer.status, 200);
    assert!(answer.logs().is_empty());
}

#[tokio::test]
async fn one_failed_event_fails_the_invocation_after_all_were_tried() {
    let server = Server::start(LONG).await;
    let body =
        invocation(&["https://contoso/a", "https://contoso/fail", "https://other/b", "https://contoso/c"]);
    let answer = http::post(server.address, &body).await;
    assert_eq!(answer.status, 500);
    assert_eq!(
        answer.logs(),
        [
            "event id: forwarded: 3 records",
            "event id: failed: the hub is down",
            "event id: nothing to forward: not ours",
            "event id: forwarded: 3 records"
        ]
    );
    assert_eq!(server.seen().len(), 4);
}

#[tokio::test]
async fn a_panic_fails_its_event_and_nothing_else() {
    let server = Server::start(LONG).await;
    let answer =
        http::post(server.address, &invocation(&["https://contoso/panic", "https://contoso/a"])).await;
    assert_eq!(answer.status, 500);
    assert!(answer.logs()[0].contains("a defect in the forwarder"), "{answer:?}");
    assert!(answer.logs()[1].contains("forwarded"), "{answer:?}");
    assert_eq!(http::post(server.address, &invocation(&["https://contoso/a"])).await.status, 200);
}

#[tokio::test]
async fn the_events_of_one_invocation_run_at_once_up_to_a_limit() {
    let server = Server::start(LONG).await;
    let urls: Vec<_> = (0..40).map(|_| "https://contoso/wait").collect();
    let address = server.address;
    let answer = tokio::spawn(async move { http::post(address, &invocation(&urls)).await });
    server.begun(16).await;
    tokio::task::yield_now().await;
    assert_eq!(server.seen().len(), 16, "the others wait");
    for _ in 0..40 {
        server.handler.go.notify_one();
        tokio::task::yield_now().await;
    }
    // `notify_one` keeps a permit, so the waiting events continue one by one.
    server.begun(1).await;
    while !answer.is_finished() {
        server.handler.go.notify_one();
        tokio::task::yield_now().await;
    }
    assert_eq!(answer.await.unwrap().logs().len(), 40);
}

#[tokio::test]
async fn invocations_run_side_by_side() {
    let server = Server::start(LONG).await;
    let address = server.address;
    let posts: Vec<_> = (0..50)
        .map(|_| {
            tokio::spawn(async move { http::post(address, &invocation(&["https://contoso/wait"])).await })
        })
        .collect();
    server.begun(50).await;
    server.handler.go.notify_waiters();
    for post in posts {
        assert_eq!(post.await.unwrap().status, 200);
    }
}

#[tokio::test]
async fn a_sweep_is_answered_whatever_the_timer_sends() {
    let timer = br#"{"Data":{"timer":{"Schedule":{"AdjustForDST":true},"IsPastDue":true}},"Metadata":{}}"#;
    for (swept, status) in [(Ok(nine_blobs()), 200), (Err("no storage".to_owned()), 500)] {
        let line = swept.clone().map_or_else(|line| line, |swept| swept.text);
        let server = Server::sweeping(LONG, Some(swept)).await;
        for body in [&timer[..], b"", b"not json"] {
            server.handler.go.notify_one();
            let answer = http::post_to("/FlowLogSweep", server.address, body).await;
            assert_eq!((answer.status, answer.logs()), (status, vec![line.clone()]));
        }
        assert!(server.seen().is_empty());
    }
}

#[tokio::test]
async fn a_panic_in_a_sweep_is_answered_and_the_server_goes_on() {
    let server = Server::start(LONG).await;
    for _ in 0..2 {
        server.handler.go.notify_one();
        let answer = http::post_to("/FlowLogSweep", server.address, b"{}").await;
        assert_eq!(answer.status, 500);
        assert!(answer.logs()[0].contains("invocation failed"), "{answer:?}");
    }
}
