//! Second copies of watermarks in memory.

use flowlog_forwarder::flow_log::Container;
use flowlog_forwarder::hour::Hour;
use flowlog_forwarder::ports::watermark_copy::{WatermarkCopy, WatermarkCopyError};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};

#[derive(Clone, Debug, Default)]
pub struct MemoryWatermarkCopy {
    hours: Arc<Mutex<HashMap<Container, Hour>>>,
}

impl MemoryWatermarkCopy {
    /// The hour kept for `container`.
    pub fn hour(&self, container: &Container) -> Option<Hour> {
        self.hours.lock().unwrap().get(container).copied()
    }

    /// Deletes all copies.
    pub fn delete_all(&self) {
        self.hours.lock().unwrap().clear();
    }
}

impl WatermarkCopy for MemoryWatermarkCopy {
    async fn load(&self, container: &Container) -> Result<Option<Hour>, WatermarkCopyError> {
        Ok(self.hour(container))
    }

    async fn store(&self, container: &Container, hour: Hour) -> Result<(), WatermarkCopyError> {
        self.hours.lock().unwrap().insert(container.clone(), hour);
        Ok(())
    }
}
