//! End to end: the adapters and the real binary, against Azurite, the Event Hubs stand-in and hostile peers.

mod crash_process;
mod hub_faults;
mod hub_hostile;
mod hub_sessions;
mod hub_tokens;
mod identity;
mod outages;
mod server_memory;
mod server_process;
mod shapes;
mod stop_process;
mod storage_hostile;
mod sweep_process;
