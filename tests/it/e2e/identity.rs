//! The identity endpoint: failing, hostile, and with a proxy in the environment.

use crate::e2e::storage_hostile::Endpoint;
use crate::support::alone::{run_alone, variable};
use crate::support::rig::Rig;
use flowlog_forwarder::azure::auth::managed_identity;
use flowlog_forwarder::azure::event_hubs::HUB_SCOPE;
use flowlog_forwarder::azure::storage::AzureTable;
use flowlog_forwarder::azure::storage::http_client;
use flowlog_forwarder::config::{Config, Identity};
use flowlog_forwarder::flow_log::CheckpointKey;
use flowlog_forwarder::ports::checkpoints::CheckpointStore as _;
use serde_json::json;
use tokio::net::TcpListener;

#[tokio::test]
async fn storage_works_in_an_identity_outage_until_the_token_expires() {
    let rig = Rig::own(&["--tls", "--identity"]).await;
    // Shorter than the last five minutes, in which the SDK would not use a token.
    rig.call("POST", "/identity", Some(json!({"lifetimeSeconds": 280}))).await;
    let mut variables = rig.identity_settings();
    variables.push(("RIG_CONTROL", rig.endpoint("control").to_owned()));
    // A proxy that never answers: the forwarder must not use it for the identity endpoint.
    let proxy = TcpListener::bind("127.0.0.1:0").await.unwrap();
    variables.push(("HTTP_PROXY", format!("http://{}", proxy.local_addr().unwrap())));
    run_alone(concat!(module_path!(), "::alone_reads_a_row_before_and_in_an_outage"), variables).await;
    let asked = rig.call("GET", "/identity", None).await;
    let statuses: Vec<_> = asked["log"].as_array().unwrap().iter().map(|entry| &entry["status"]).collect();
    assert_eq!(statuses[0], 200);
    assert!(statuses[1..].iter().all(|status| *status == 500), "{asked}");
}

#[tokio::test]
#[ignore = "runs in a process of its own, for the test above"]
async fn alone_reads_a_row_before_and_in_an_outage() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    #[allow(clippy::disallowed_methods, reason = "set by the test that started this process")]
    let config = Config::from_lookup(|name| std::env::var(name).ok()).unwrap();
    let table = AzureTable::new(&config.checkpoints, &http_client().unwrap()).unwrap();
    let key = CheckpointKey { partition: "p".into(), row: "r".into() };
    assert_eq!(table.load(&key).await.unwrap(), None);
    let control = reqwest::Client::builder().no_proxy().build().unwrap();
    let outage = json!({"fail": 100_000, "failStatus": 500}).to_string();
    let answer = control.post(format!("{}/identity", variable("RIG_CONTROL"))).body(outage).send().await;
    assert!(answer.unwrap().status().is_success());
    assert_eq!(table.load(&key).await.unwrap(), None);
    // Another client has no token yet.
    let other = AzureTable::new(&config.checkpoints, &http_client().unwrap()).unwrap();
    let error = other.load(&key).await.unwrap_err().to_string();
    let endpoint = variable("IDENTITY_ENDPOINT");
    let host = endpoint.strip_prefix("http://").unwrap().split('/').next().unwrap();
    let expected =
        format!("gave up after 9 s waiting for a token from the identity endpoint {host}; last error: ");
    assert!(error.contains(&expected) && error.contains("HTTP 500"), "{error}");
}

#[tokio::test]
async fn an_endless_answer_of_the_identity_endpoint_is_one_line() {
    let endpoint =
        Endpoint::start("403 Forbidden", "{\"message\": \"no\\nERROR forged", "\\u0007 and more").await;
    let url = format!("http://127.0.0.1:{}/msi/token", endpoint.port);
    let variables = vec![("IDENTITY_ENDPOINT", url), ("IDENTITY_HEADER", "hunter2".to_owned())];
    run_alone(concat!(module_path!(), "::alone_is_refused_a_token"), variables).await;
    endpoint.assert_cut_off();
    let endpoint = Endpoint::start("200 OK", "{\"access_token\": \"", "x").await;
    let url = format!("http://127.0.0.1:{}/msi/token", endpoint.port);
    let variables = vec![("IDENTITY_ENDPOINT", url), ("IDENTITY_HEADER", "hunter2".to_owned())];
    run_alone(concat!(module_path!(), "::alone_is_given_too_long_a_token"), variables).await;
    endpoint.assert_cut_off();
}

async fn error() -> String {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let tokens = managed_identity::tokens(&Identity { client_id: None }, HUB_SCOPE).unwrap();
    let error = tokens.get().await.unwrap_err().to_string();
    assert!(error.chars().count() < 600 && !error.chars().any(char::is_control), "{error}");
    assert!(!error.contains("hunter2"), "{error}");
    error
}

#[tokio::test]
#[ignore = "runs in a process of its own, for the test above"]
async fn alone_is_refused_a_token() {
    let error = error().await;
    assert!(error.contains("refused to give a token: HTTP 403"), "{error}");
}

#[tokio::test]
#[ignore = "runs in a process of its own, for the test above"]
async fn alone_is_given_too_long_a_token() {
    let error = error().await;
    assert!(error.contains("longer than 65536 bytes, the limit for a token"), "{error}");
}
