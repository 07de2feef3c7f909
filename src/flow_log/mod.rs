//! The format of flow logs: names of blobs, records in their bytes.

pub mod address;
pub mod cut;
pub mod fingerprint;
pub mod kind;
pub mod rope;

pub use address::{
    CheckpointKey, Container, FlowLogBlob, HourOutOfRange, LONGEST_URL, NotFlowLog, RejectedUrl, Sources,
    check_hour,
};
pub use kind::{LogKind, VNET_CONTAINER};
