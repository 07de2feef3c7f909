//! Scenarios: forwarder and sweeper in this process, on twins.

mod answers;
mod bounds;
mod breaks;

mod claims;
mod crash_matrix;
mod deadlines;
mod failed_sends;
mod forward;
mod oversize;
mod side_by_side;
mod sweep;
mod unsaved;
