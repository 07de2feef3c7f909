use super::*;
use async_trait::async_trait;
use azure_core::credentials::{Secret, TokenRequestOptions};
use azure_core::error::{Error, ErrorKind};
use futures_util::FutureExt as _;
use std::collections::VecDeque;
use std::sync::Mutex;
use tokio::time::{advance, pause};

/// The next action of the scripted endpoint.
enum Step {
    /// Gives a token of this name, valid for so many seconds.
    Token(&'static str, i64),
    Fails(&'static str),
    Hangs,
    Panics,
}

/// A credential that plays one step of a script for each call, then never answers.
#[derive(Debug)]
struct Scripted(Mutex<VecDeque<Step>>);

#[async_trait]
impl TokenCredential for Scripted {
    async fn get_token(
        &self,
        scopes: &[&str],
        _: Option<TokenRequestOptions<'_>>,
    ) -> azure_core::Result<AccessToken> {
        assert_eq!(scopes, ["the scope"]);
        let step = self.0.lock().unwrap().pop_front();
        match step {
            Some(Step::Token(name, life)) => {
                let ends = OffsetDateTime::now_utc() + azure_core::time::Duration::seconds(life);
                Ok(AccessToken::new(Secret::new(name), ends))
            }
            Some(Step::Fails(reason)) => Err(Error::with_error(
                ErrorKind::Credential,
                std::io::Error::other(reason),
                "whatever the SDK says",
            )),
            Some(Step::Panics) => panic!("scripted"),
            Some(Step::Hangs) | None => std::future::pending().await,
        }
    }
}

impl std::fmt::Debug for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Step")
    }
}

fn scripted(steps: impl IntoIterator<Item = Step>) -> (TokenCache, Arc<Scripted>) {
    let script = Arc::new(Scripted(Mutex::new(steps.into_iter().collect())));
    let source = Arc::clone(&script);
    let tokens = TokenCache::new("the scope", "127.0.0.1:41234".into(), move || {
        Ok(Arc::clone(&source) as Arc<dyn TokenCredential>)
    });
    (tokens, script)
}

async fn name(tokens: &TokenCache) -> String {
    tokens.get().await.unwrap().token.secret().to_owned()
}

/// Lets the renewal run as far as it can without time passing.
async fn settle() {
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_token_is_used_while_its_renewal_hangs_or_fails() {
    pause();
    let (tokens, script) = scripted([
        Step::Token("first", 3600),
        Step::Hangs,
        Step::Fails("out of order"),
        Step::Token("second", 3600),
    ]);
    assert_eq!(name(&tokens).await, "first");
    advance(Duration::from_secs(1799)).await;
    assert_eq!(name(&tokens).await, "first");
    settle().await;
    assert_eq!(script.0.lock().unwrap().len(), 3, "no renewal before it is due");
    advance(Duration::from_secs(2)).await;
    for _ in 0..100 {
        assert_eq!(name(&tokens).now_or_never(), Some("first".to_owned()), "no request waits for a renewal");
    }
    settle().await;
    assert_eq!(script.0.lock().unwrap().len(), 2, "one renewal for a hundred requests");
    advance(ATTEMPT_TIMEOUT + RETRY.delay(0) + Duration::from_millis(2)).await;
    settle().await;
    assert_eq!(name(&tokens).now_or_never(), Some("first".to_owned()));
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(name(&tokens).await, "second");
}

#[tokio::test]
async fn an_outage_past_expiry_names_the_identity_endpoint() {
    pause();
    let (tokens, _) = scripted([Step::Token("first", 100), Step::Fails("out of order")]);
    assert_eq!(name(&tokens).await, "first");
    advance(Duration::from_secs(101)).await;
    let before = Instant::now();
    let error = tokens.get().await.unwrap_err();
    assert_eq!(before.elapsed().as_secs(), MAX_WAIT.as_secs());
    let text = error.to_string();
    let expected =
        "gave up after 9 s waiting for a token from the identity endpoint 127.0.0.1:41234; last error: ";
    assert!(text.starts_with(expected), "{text}");
    assert!(text.contains("no answer within 5 s") || text.contains("out of order"), "{text}");
}

#[tokio::test]
async fn waiting_requests_get_the_token_as_soon_as_it_comes() {
    pause();
    let (tokens, _) = scripted([Step::Fails("not yet"), Step::Token("late", 100)]);
    let before = Instant::now();
    let both = tokio::join!(name(&tokens), name(&tokens));
    assert_eq!(both, ("late".to_owned(), "late".to_owned()));
    assert!(before.elapsed() < Duration::from_secs(1), "{:?}", before.elapsed());
}

#[tokio::test]
async fn the_next_request_restarts_a_renewal_that_panicked() {
    pause();
    let (tokens, _) = scripted([Step::Panics, Step::Token("first", 100)]);
    assert!(tokens.get().await.is_err());
    assert_eq!(name(&tokens).await, "first");
}

#[tokio::test]
async fn a_new_token_is_used_even_when_the_clock_is_ahead() {
    pause();
    let (tokens, _) = scripted([Step::Token("expired by this clock", -86_400)]);
    assert_eq!(name(&tokens).await, "expired by this clock");
}

#[tokio::test]
async fn a_rejected_token_is_renewed_once() {
    pause();
    let (tokens, script) = scripted([Step::Token("first", 3600), Step::Token("second", 3600)]);
    let first = tokens.get().await.unwrap();
    tokens.reject(&first);
    tokens.reject(&first);
    settle().await;
    assert_eq!(name(&tokens).await, "second");
    tokens.reject(&first);
    settle().await;
    assert_eq!((name(&tokens).await.as_str(), script.0.lock().unwrap().len()), ("second", 0));
}

#[tokio::test]
async fn dropping_the_cache_ends_its_renewal() {
    pause();
    let (tokens, script) = scripted([Step::Fails("once"), Step::Fails("twice"), Step::Fails("thrice")]);
    assert!(tokens.get().now_or_never().is_none());
    settle().await;
    drop(tokens);
    tokio::time::sleep(Duration::from_mins(5)).await;
    assert_eq!(script.0.lock().unwrap().len(), 2);
}
