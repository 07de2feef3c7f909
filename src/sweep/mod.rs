//! Guarantees that every commit is forwarded, whatever happened to its event.
//!
//! A sweep compares listings with checkpoint rows, hour by hour, and forwards what is behind. A blob is
//! behind when the `ETag` in the listing, its newest commit, is not the one that its row says was forwarded
//! to the end. This finds commits whose event was lost, whose run was killed or ran out of time, and the
//! last commit of an hour. It costs one listing and one query for each flow log, hour and thousand blobs, and reads
//! only blobs that are behind. Memory does not depend on the number of blobs: names and rows are compared
//! page by page.
//!
//! The hours swept run from the container's *watermark*, before which everything is known to be forwarded,
//! to the open hour. The watermark is stored: after a weekend out of service the sweep catches up with that
//! weekend, and a new installation starts with the hour before it was installed. Hours before the watermark
//! are *closed*. Each is rescanned once a day while its rows are kept. ([`hours`], [`rescan`])
//!
//! Blobs that another worker has claimed are left to it. Rows older than the retention are deleted.
//!
//! The steps of a sweep are in [`sweeper`]: begin, catch up, finish, clean up.

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
