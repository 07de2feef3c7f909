//! What the names and the bytes of flow-log blobs mean.

pub mod address;
pub mod cut;
pub mod fingerprint;
mod kind;
pub mod rope;

pub use address::{
    CheckpointKey, Container, FlowLogBlob, LONGEST_URL, NotFlowLog, NotOurs, Sources, Untimely, timely,
};
pub use kind::{Kind, VNET_CONTAINER};
