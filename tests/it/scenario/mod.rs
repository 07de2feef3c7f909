//! Scenarios: forwarder and sweeper in this process, on twins.

mod answers;
mod bounds;
mod breaks;
mod budget;
mod claims;
mod crash_matrix;
mod forward;
mod oversize;
mod sweep;
mod time;
mod unsaved;
