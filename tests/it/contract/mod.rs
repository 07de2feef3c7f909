//! Contracts: of each port, on its twin and on the real component; of the HTTP server; of the published files.

mod blobs;
mod checkpoint_scan;
mod checkpoints;
mod host_files;
mod hub;
mod listing;
mod quarantine;
mod server;
mod settings;
mod watermark_copy;
