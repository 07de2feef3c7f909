//! Microsoft Azure, as far as the forwarder needs it.

pub mod event_hubs;
