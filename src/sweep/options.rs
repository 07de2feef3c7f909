//! How a sweeper works.

use crate::hour::Retention;
use crate::ports::checkpoints::LARGEST_PAGE;
use std::time::Duration;

/// The defaults suit a timer of five minutes.
#[derive(Clone, Debug)]
pub struct SweeperOptions {
    /// The time for one sweep. On the Consumption plan a function times out after five minutes unless
    /// configured otherwise (learn.microsoft.com, *Azure Functions hosting options*), and the process ends
    /// with it.
    pub budget: Duration,
    /// How many blobs are forwarded at once. The forwarder bounds their memory; this number hides the latency
    /// of storage: at 20 ms a call, the default forwards hundreds of small blobs a second.
    pub at_once: usize,
    /// How many names are listed and compared with their rows at a time. At most 1,000, because the table
    /// returns that many rows in one page.
    pub page_size: u32,
    /// How long rows are kept.
    pub retention: Retention,
}

impl Default for SweeperOptions {
    fn default() -> Self {
        Self {
            budget: Duration::from_mins(4),
            at_once: 32,
            page_size: LARGEST_PAGE,
            retention: Retention::DEFAULT,
        }
    }
}
