//! Reports in log and metrics whether a link is attached.

use crate::azure::event_hubs::fault::Fault;
use crate::metrics::HubLink;
use std::time::Duration;
use tokio::time::Instant;

/// During an outage the log gets at most one line in this time.
const LOG_INTERVAL: Duration = Duration::from_mins(1);

#[derive(Debug)]
pub(super) struct LinkHealth {
    hub: String,
    metrics: HubLink,
    outage: Option<Outage>,
}

#[derive(Debug)]
struct Outage {
    since: Instant,
    logged: Instant,
    failures: u64,
}

impl LinkHealth {
    pub(super) fn new(hub: String, metrics: HubLink) -> Self {
        metrics.connected.set(0);
        Self { hub, metrics, outage: None }
    }

    /// An attempt to open a link failed.
    pub(super) fn open_failed(&mut self, fault: &Fault) {
        self.metrics.failures.inc();
        let (hub, reason, now) = (&self.hub, fault.reason(), Instant::now());
        match &mut self.outage {
            None => {
                self.outage = Some(Outage { since: now, logged: now, failures: 1 });
                tracing::warn!(hub, "no link to the event hub at {reason}");
            }
            Some(outage) => {
                outage.failures += 1;
                if now - outage.logged >= LOG_INTERVAL {
                    outage.logged = now;
                    let (failures, seconds) = (outage.failures, (now - outage.since).as_secs());
                    tracing::warn!(
                        hub,
                        "still no link to the event hub, after {failures} attempts in {seconds} s; last failure: {reason}"
                    );
                }
            }
        }
    }

    /// A link was attached that accepts transfers of up to `max_message_size` bytes.
    pub(super) fn attached(&mut self, max_message_size: usize) {
        self.metrics.connected.set(1);
        let hub = &self.hub;
        match self.outage.take() {
            None => tracing::info!(hub, max_message_size, "attached to the event hub"),
            Some(Outage { since, failures, .. }) => {
                let seconds = since.elapsed().as_secs();
                tracing::info!(
                    hub,
                    max_message_size,
                    "attached to the event hub again, after {failures} failed attempts in {seconds} s"
                );
            }
        }
    }

    pub(super) fn ended(&self) {
        self.metrics.connected.set(0);
    }
}

impl Drop for LinkHealth {
    fn drop(&mut self) {
        self.metrics.connected.set(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::sync::{Arc, Mutex};
    use tokio::time::{advance, pause};
    use tracing_subscriber::fmt::MakeWriter;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Lines {
        fn take(&self) -> Vec<String> {
            let text = String::from_utf8(std::mem::take(&mut *self.0.lock().unwrap())).unwrap();
            text.lines().map(str::to_owned).collect()
        }
    }

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    impl MakeWriter<'_> for Lines {
        type Writer = Self;
        fn make_writer(&self) -> Self {
            self.clone()
        }
    }

    #[tokio::test]
    async fn an_outage_is_logged_once_then_each_minute() {
        pause();
        let lines = Lines::default();
        let subscriber = tracing_subscriber::fmt().with_writer(lines.clone()).with_ansi(false).finish();
        let _guard = tracing::subscriber::set_default(subscriber);
        let metrics = HubLink::default();
        let mut health = LinkHealth::new("ns/flow".into(), metrics.clone());
        let fault = Fault::Transient("ns:5671, stage TCP: timed out".into());
        for _ in 0..130 {
            health.open_failed(&fault);
            advance(Duration::from_secs(1)).await;
        }
        let logged = lines.take();
        assert_eq!(logged.len(), 3, "{logged:?}");
        assert!(
            logged[0].contains("no link to the event hub at ns:5671, stage TCP: timed out"),
            "{logged:?}"
        );
        assert!(
            logged[1].contains("after 61 attempts in 60 s; last failure: ns:5671, stage TCP"),
            "{logged:?}"
        );
        assert!(logged[2].contains("after 121 attempts in 120 s"), "{logged:?}");
        assert_eq!((metrics.failures.get(), metrics.connected.get()), (130, 0));
        health.attached(1 << 20);
        assert!(lines.take()[0].contains("again, after 130 failed attempts in 130 s"));
        assert_eq!(metrics.connected.get(), 1);
        health.ended();
        assert_eq!(metrics.connected.get(), 0);
        health.open_failed(&fault);
        assert!(lines.take()[0].contains("no link to the event hub at"), "a new outage is logged at once");
    }
}
