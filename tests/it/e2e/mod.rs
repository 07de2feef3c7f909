//! End to end: the adapters and the real binary, against Azurite, the Event Hubs stand-in and hostile peers.

mod body_memory;
mod crash_process;
mod hub;
mod identity;
mod large_blob;
mod outages;
mod shapes;
mod start_and_stop;
mod storage_hostile;
mod sweep;
