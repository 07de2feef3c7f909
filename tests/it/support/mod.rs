//! What the tests are built from: twins in memory, faults, records, the rig, processes of the real binary.

pub mod chaos;
pub mod http;
pub mod judge;
pub mod memory;
pub mod memory_hub;
pub mod process;
pub mod rig;
pub mod samples;
pub mod stage;
pub mod world;
