//! What the tests are built from: twins in memory, faults, records, the rig, processes of the real binary.

pub mod alone;
pub mod blobs;
pub mod faults;
pub mod faulty;
pub mod http;
pub mod hub;
pub mod judge;
pub mod memory;
pub mod process;
pub mod received;
pub mod records;
pub mod rig;
pub mod scene;
pub mod stage;
pub mod world;
