//! The life of a process on twins.

use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::{Notify, watch};

/// Whether a process lives, and whether it is paused.
#[derive(Default)]
pub struct Life {
    ended: AtomicBool,
    end: Notify,
    paused: watch::Sender<bool>,
}

impl Life {
    pub fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Relaxed)
    }

    /// Waits until the process has ended.
    pub async fn ended(&self) {
        let end = self.end.notified();
        if !self.has_ended() {
            end.await;
        }
    }

    /// Waits while the process is paused; never returns once it has ended.
    pub(super) async fn running(&self) {
        let _ = self.paused.subscribe().wait_for(|paused| !paused).await;
        if self.has_ended() {
            let () = std::future::pending().await;
        }
    }

    pub(super) fn set_paused(&self, paused: bool) {
        self.paused.send_replace(paused);
    }

    pub(super) fn end(&self) {
        self.ended.store(true, Ordering::Relaxed);
        self.end.notify_waiters();
    }
}
