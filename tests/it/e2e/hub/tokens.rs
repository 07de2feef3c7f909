//! Authorization of the producer: keys, signatures and managed identity, over plain AMQP and TLS.

use crate::support::alone::{run_alone, variable};
use crate::support::hub::{OnRig, batch, quick, soon};
use crate::support::received::received;
use crate::support::rig::Rig;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flowlog_forwarder::azure::auth::managed_identity;
use flowlog_forwarder::azure::event_hubs::{EventHub, HUB_SCOPE, HubAddress, HubCredential, HubOptions};
use flowlog_forwarder::config::Identity;
use flowlog_forwarder::ports::hub::{Hub as _, HubError};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

async fn tokens(rig: &Rig) -> Value {
    rig.call("GET", "/hub/tokens", None).await
}

async fn until_tokens(rig: &Rig, least: u64) {
    while tokens(rig).await["putTokens"].as_u64().unwrap() < least {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_signature_is_renewed_in_time_and_the_link_stays() {
    let options = HubOptions { signature_life: Duration::from_secs(3), ..quick() };
    let it = OnRig::with(Rig::own(&[]).await, options);
    it.hub.send(batch(0), soon()).await.unwrap();
    // By then the stand-in would have detached a link without a valid token.
    until_tokens(&it.rig, 4).await;
    it.hub.send(batch(300), soon()).await.unwrap();
    let stats = it.stats().await;
    assert_eq!(
        (&stats["attaches"], &stats["detaches"], &stats["refusedTokens"]),
        (&json!(1), &json!(0), &json!(0))
    );
    let last = &tokens(&it.rig).await["last"];
    assert_eq!(last["type"], "servicebus.windows.net:sastoken");
    assert_eq!(last["audience"], format!("sb://127.0.0.1/{}", it.rig.hub()));
}

#[tokio::test]
async fn a_failed_renewal_is_retried_while_the_old_token_is_valid() {
    let options = HubOptions { signature_life: Duration::from_secs(5), ..quick() };
    let it = OnRig::with(Rig::own(&[]).await, options);
    it.hub.send(batch(0), soon()).await.unwrap();
    it.rig.call("POST", "/hub/faults", Some(json!({"action": "cbs", "status": 500, "count": 1}))).await;
    until_tokens(&it.rig, 4).await;
    it.hub.send(batch(300), soon()).await.unwrap();
    let stats = it.stats().await;
    assert_eq!((&stats["attaches"], &stats["refusedTokens"]), (&json!(1), &json!(1)));
}

#[tokio::test]
async fn a_refused_token_is_replaced_once_and_a_failing_service_retried() {
    for (status, count) in [(401, 1), (500, 3), (503, 2)] {
        let it = OnRig::with(Rig::own(&[]).await, quick());
        it.rig
            .call("POST", "/hub/faults", Some(json!({"action": "cbs", "status": status, "count": count})))
            .await;
        it.hub.send(batch(0), soon()).await.unwrap();
        assert_eq!(tokens(&it.rig).await["putTokens"], count + 1, "{status}");
    }
}

#[tokio::test]
async fn a_wrong_key_fails_after_two_tokens_and_is_never_shown() {
    let rig = Rig::own(&[]).await;
    let text = rig.endpoint("hubConnection").replace("SAS_KEY_VALUE", "hunter2");
    let (address, access) = rig.hub_access_by(&text);
    let hub = EventHub::new(address, access, quick());
    let error = hub.send(batch(0), soon()).await.unwrap_err();
    assert!(matches!(error, HubError::Unauthorized { .. }), "{error}");
    assert!(!format!("{error} {error:?} {hub:?}").contains("hunter2"));
    assert_eq!(tokens(&rig).await["putTokens"], 2);
}

/// A signature that somebody else made.
fn signature(audience: &str, expires: SystemTime) -> SecretString {
    let encode = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let (resource, seconds) = (encode(audience), expires.duration_since(UNIX_EPOCH).unwrap().as_secs());
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, b"SAS_KEY_VALUE");
    let tag = STANDARD.encode(ring::hmac::sign(&key, format!("{resource}\n{seconds}").as_bytes()));
    SecretString::from(format!(
        "SharedAccessSignature sr={resource}&sig={}&se={seconds}&skn=RootManageSharedAccessKey",
        encode(&tag)
    ))
}

#[tokio::test]
async fn a_given_signature_works_until_it_expires_and_is_tried_once() {
    let rig = Rig::own(&[]).await;
    let (address, _) = rig.hub_access();
    let hour = Duration::from_hours(1);
    let fresh = signature("sb://127.0.0.1/", SystemTime::now() + hour);
    let text = format!(
        "Endpoint=sb://127.0.0.1:{};SharedAccessSignature={};UseDevelopmentEmulator=true",
        address.port,
        fresh.expose_secret()
    );
    let (_, access) = rig.hub_access_by(&text);
    EventHub::new(address.clone(), access, quick()).send(batch(0), soon()).await.unwrap();
    assert_eq!(tokens(&rig).await["putTokens"], 1);

    let ended = HubCredential::Signature(signature("sb://127.0.0.1/", SystemTime::now() - hour));
    let error = EventHub::new(address, ended, quick()).send(batch(0), soon()).await.unwrap_err();
    let HubError::Unauthorized { reason, .. } = &error else { panic!("{error}") };
    assert!(reason.contains("ExpiredToken"), "{reason}");
    assert_eq!(tokens(&rig).await["putTokens"], 2);
}

#[tokio::test]
async fn a_renewal_waits_for_a_slow_answer() {
    let options = HubOptions { signature_life: Duration::from_secs(3), ..quick() };
    let it = OnRig::with(Rig::own(&[]).await, options);
    it.hub.send(batch(0), soon()).await.unwrap();
    it.rig.call("POST", "/hub/faults", Some(json!({"action": "cbs", "ms": 300, "count": 2}))).await;
    until_tokens(&it.rig, 4).await;
    it.hub.send(batch(300), soon()).await.unwrap();
    assert_eq!(it.stats().await["attaches"], 1);
}

fn over_tls(port: &str, hub: &str) -> HubAddress {
    HubAddress { host: "localhost".into(), port: port.parse().unwrap(), tls: true, hub: hub.into() }
}

#[tokio::test]
async fn a_managed_identity_over_tls_sends_and_renews_its_tokens() {
    let it = OnRig::with(Rig::own(&["--tls", "--identity"]).await, quick());
    // Tokens are short-lived, and the first request fails.
    it.rig.call("POST", "/identity", Some(json!({"lifetimeSeconds": 3, "fail": 1, "failStatus": 500}))).await;
    let variables = vec![
        ("SSL_CERT_FILE", it.rig.endpoint("caFile").to_owned()),
        ("IDENTITY_ENDPOINT", it.rig.endpoint("identityEndpoint").to_owned()),
        ("IDENTITY_HEADER", it.rig.endpoint("identityHeader").to_owned()),
        ("RIG_PORT", it.rig.endpoint("hubTlsHost").rsplit(':').next().unwrap().to_owned()),
        ("RIG_HUB", it.rig.hub()),
    ];
    run_alone(concat!(module_path!(), "::alone_sends_for_three_lives_of_its_token"), variables).await;
    assert_eq!(it.received().await, [received(&batch(0)), received(&batch(300))].concat());
    let (stats, tokens) = (it.stats().await, tokens(&it.rig).await);
    assert_eq!(
        (&stats["attaches"], &stats["detaches"], &stats["connections"]),
        (&json!(1), &json!(0), &json!(1))
    );
    assert!(tokens["putTokens"].as_u64() >= Some(3), "{tokens}");
    assert_eq!((&tokens["refusedTokens"], &tokens["last"]["type"]), (&json!(0), &json!("jwt")));
    let asked = it.rig.call("GET", "/identity", None).await;
    assert!(asked["byResource"]["https://eventhubs.azure.net"].as_u64() >= Some(3), "{asked}");
}

#[tokio::test]
#[ignore = "runs in a process of its own, for the test above"]
async fn alone_sends_for_three_lives_of_its_token() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let tokens = managed_identity::tokens(&Identity { client_id: None }, HUB_SCOPE).unwrap();
    let address = over_tls(&variable("RIG_PORT"), &variable("RIG_HUB"));
    let hub = EventHub::new(address, HubCredential::Identity { tokens, client_id: None }, quick());
    hub.send(batch(0), soon()).await.unwrap();
    tokio::time::sleep(Duration::from_secs(9)).await;
    hub.send(batch(300), soon()).await.unwrap();
    hub.close(soon()).await;
}

#[tokio::test]
async fn an_untrusted_certificate_is_not_accepted() {
    let rig = Rig::own(&["--tls"]).await;
    let port = rig.endpoint("hubTlsHost").rsplit(':').next().unwrap();
    let access = HubCredential::Key { name: "any".into(), key: SecretString::from("hunter2") };
    let hub = Arc::new(EventHub::new(over_tls(port, "flow"), access, quick()));
    let error = hub.send(batch(0), std::time::Instant::now() + Duration::from_millis(500)).await.unwrap_err();
    let HubError::Unreachable { reason, .. } = &error else { panic!("{error}") };
    assert!(reason.starts_with(&format!("localhost:{port}, stage TLS: ")), "{reason}");
    assert_eq!(tokens(&rig).await["putTokens"], 0);
}
