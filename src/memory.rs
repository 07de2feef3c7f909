//! How the process divides its memory. Bytes from outside count against one of these budgets by their real
//! length; work waits when its budget is used up.
//!
//! The program, its connections and its caches take about 20 MiB more. The smallest instance on Flex Consumption
//! has 512 MiB, shared with the Functions host.

const MIB: u64 = 1 << 20;

/// Bodies of invocations that are being read, and the events in them.
pub(crate) const BODIES: u64 = 8 * MIB;

/// First reads of runs, and their messages in flight.
pub(crate) const FIRST_READS: u64 = 12 * MIB;
/// The sweep's share of [`FIRST_READS`].
pub(crate) const FIRST_READS_OF_SWEEP: u64 = 8 * MIB;

/// Runs that read more than a first read.
pub(crate) const LONG_READS: u64 = 33 * MIB;

/// Bytes in flight to the hub: of one run at full speed, and of all senders together.
pub(crate) const MAX_IN_FLIGHT: usize = 8 << 20;
/// Batches in flight to the hub, likewise: enough to cover a round trip of 50 ms at 300 MB/s.
pub(crate) const MAX_BATCHES_IN_FLIGHT: usize = 16;

const _: () = assert!(BODIES + FIRST_READS + LONG_READS <= 54 * MIB);
