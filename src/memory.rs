//! How the memory of the process is divided. Whoever holds bytes that come from outside takes them from one
//! of these shares, by what is really there, and waits when the share is used up.
//!
//! The program itself, its connections and what it remembers of blobs take some 20 MiB beside them. The
//! smallest instance on Flex Consumption has 512 MiB, which the Functions host shares.

const MIB: u64 = 1 << 20;

/// Bodies of invocations that are being read, and the events in them.
pub(crate) const BODIES: u64 = 8 * MIB;

/// The first reads of runs, what becomes of them on their way to the hub, and the sweep's part of that.
pub(crate) const FIRST_READS: u64 = 12 * MIB;
/// The sweep's part of [`FIRST_READS`].
pub(crate) const FIRST_READS_OF_SWEEP: u64 = 8 * MIB;

/// Runs with a long way to go.
pub(crate) const LONG_READS: u64 = 33 * MIB;

const _: () = assert!(BODIES + FIRST_READS + LONG_READS <= 54 * MIB);
