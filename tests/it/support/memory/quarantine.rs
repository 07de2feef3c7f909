//! A quarantine in memory.

use flowlog_forwarder::flow_log::rope::Rope;
use flowlog_forwarder::ports::quarantine::{ItemName, Note, Quarantine, QuarantineError};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};

#[derive(Clone, Debug, Default)]
pub struct MemoryQuarantine {
    stored: Arc<Mutex<Shelf>>,
}

#[derive(Debug, Default)]
struct Shelf {
    staged: HashMap<(ItemName, u32), Vec<u8>>,
    items: HashMap<ItemName, (Note, Vec<u8>)>,
    finished: u64,
}

impl MemoryQuarantine {
    /// The items, by blob and offset.
    pub fn items(&self) -> Vec<(Note, Vec<u8>)> {
        let mut items: Vec<_> = self.stored.lock().unwrap().items.values().cloned().collect();
        items.sort_by_key(|(note, _)| (note.blob.clone(), note.range.start));
        items
    }

    pub fn item(&self, item: &ItemName) -> Option<(Note, Vec<u8>)> {
        self.stored.lock().unwrap().items.get(item).cloned()
    }

    /// How often an item was finished, counting repeats.
    pub fn finished(&self) -> u64 {
        self.stored.lock().unwrap().finished
    }
}

impl Quarantine for MemoryQuarantine {
    async fn stage(&self, item: &ItemName, piece: u32, bytes: Rope) -> Result<(), QuarantineError> {
        self.stored.lock().unwrap().staged.insert((item.clone(), piece), bytes.to_bytes().to_vec());
        Ok(())
    }

    async fn finish(&self, item: &ItemName, pieces: u32, note: &Note) -> Result<(), QuarantineError> {
        let mut stored = self.stored.lock().unwrap();
        let bytes = (0..pieces).flat_map(|piece| stored.staged[&(item.clone(), piece)].clone()).collect();
        stored.items.insert(item.clone(), (note.clone(), bytes));
        stored.finished += 1;
        Ok(())
    }
}
