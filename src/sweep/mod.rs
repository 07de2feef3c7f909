//! Guarantees that every commit is forwarded, whatever happened to its event.
//!
//! A sweep compares listings with checkpoint rows, hour by hour, and forwards every blob that is *behind*:
//! the listing's `ETag` names its newest commit, and its row does not say that this commit was forwarded to
//! the end. So a sweep finds commits whose event was lost, or whose run was killed or ran out of time. It
//! costs one listing and one query for each flow log, hour and thousand blobs, and reads only blobs that are
//! behind. Names and rows are compared page by page, so memory does not depend on the number of blobs.
//!
//! A sweep scans the hours from the container's *watermark*, before which everything is known to be
//! forwarded, to the current hour. The watermark is stored: after a weekend out of service the sweep catches
//! up with that weekend. A new installation starts with the hour before it was installed. Hours before the
//! watermark are *closed*; each is rescanned once a day while its rows are kept.
//!
//! Blobs that another worker has claimed are left to it. Rows older than the retention are deleted.

mod begin;
mod catch_up;
mod cleanup;
mod compare;
mod container;
mod count;
mod deadlines;
mod discovery;
mod error;
mod finish;
mod folders;
mod hours;
mod options;
mod pages;
mod progress;
mod report;
mod rescan;
mod run;
mod scan;
mod schedule;
mod state;
mod sweeper;
mod watermark;

pub use options::SweeperOptions;
pub use report::{SweepOutcome, SweepReport, SweepResult};
pub use sweeper::Sweeper;
